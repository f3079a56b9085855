"""The spec as pydantic models: what a YAML file may say, and what each key means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field, StringConstraints, Tag

from prosect.spec.layers import parse_layer

Name = Annotated[str, StringConstraints(pattern=r"^[A-Za-z][A-Za-z0-9_-]*$")]
Scalar = str | int | float | bool | None
DType = Literal["float32", "float64", "float16", "bfloat16"]

#: Numbers of this width go through numpy, torch and the file system unharmed.
LARGEST: Final = 2**63 - 1
Count = Annotated[int, Field(ge=1, le=LARGEST)]
Seed = Annotated[int, Field(ge=0, le=LARGEST)]


class Strict(BaseModel):
    """Base of every part of a spec: unknown keys are errors, nothing is converted, values are frozen.

    Where one of the fields ``decisive`` is wrong or misspelt, the others cannot be judged without it. The fields
    ``nameable`` name other things; in a draft an empty name stands for one that is missing, so that the rest is judged.
    """

    decisive: ClassVar[frozenset[str]] = frozenset()
    nameable: ClassVar[frozenset[str]] = frozenset()

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


class ModelSpec(Strict):
    """One model, or with ``matrix`` several that differ in some fields.

    Attributes
    ----------
    load
        ``owner/name`` of a hub model, ``./dir`` or an absolute path, or ``package:NAME/sub/dir``
        inside an installed package (which is located without being imported). May be absent when
        ``init: random`` and ``config`` say everything.
    revision
        Branch, tag or commit of a hub model.
    dtype
        Floating-point type of the weights and of the forward pass.
    head
        ``none``: the headless model; ``own``: with the head that its ``architectures`` names.
    init
        ``weights``: trained weights; ``random``: initialised from the config with ``seed``.
    seed
        Seed of a random initialisation.
    config
        Values which replace those of the model's ``config.json`` (with ``init: random`` and no
        ``load``, the whole config, with ``model_type``).
    tokenizer
        Where the tokenizer is, in the syntax of ``load``; default beside the weights.
    trust_remote_code
        Run code that comes with the weights. Off unless asked for, and recorded in the results.
    pickle
        Accept weights in pickle files. Off unless asked for: only safetensors are read.
    matrix
        Field -> values; one member per combination, named ``name@value``.
    """

    decisive = frozenset({"load", "init", "config"})

    load: str | None = None
    revision: str | None = None
    dtype: DType = "float32"
    head: Literal["none", "own"] = "none"
    init: Literal["weights", "random"] = "weights"
    seed: Seed = 0
    config: dict[str, Any] = Field(default_factory=dict)
    tokenizer: str | None = None
    trust_remote_code: bool = False
    pickle: bool = False
    matrix: dict[str, Annotated[list[Scalar], Field(min_length=1)]] = Field(default_factory=dict)


class Window(Strict):
    """Cut long units into windows.

    Attributes
    ----------
    tokens
        Tokens of a window, special tokens included.
    stride
        A window starts every so many tokens; default: where the one before it ends.
    """

    tokens: Count
    stride: Count | None = None


class Mask(Strict):
    """Replace tokens by the mask token before the forward pass; the coordinate ``masked`` says which.

    Attributes
    ----------
    rate
        Share of the non-special tokens that are chosen.
    scheme
        ``bert``: of the chosen, 80 % become the mask token, 10 % a random token, 10 % stay;
        ``mask``: all become the mask token.
    seed
        Seed of the choice.
    minimum
        At least this many tokens of every sentence are chosen (as far as it has so many).
    """

    rate: float = Field(default=0.15, gt=0, le=1)
    scheme: Literal["bert", "mask"] = "bert"
    seed: Seed = 0
    minimum: int = Field(default=0, ge=0, le=LARGEST)


class CommonCorpusOptions(Strict):
    """Options that every kind of corpus takes.

    Attributes
    ----------
    limit
        Use only the first so many units.
    window
        Cut long units into overlapping windows.
    pair
        Every unit is two segments (two consecutive units where the corpus has no second segment).
    special_tokens
        Let the tokenizer add its own special tokens.
    mask
        Mask tokens before the forward pass.
    """

    limit: Count | None = None
    window: Window | None = None
    pair: bool = False
    special_tokens: bool = True
    mask: Mask | None = None


class CorpusSpec(CommonCorpusOptions):
    """A corpus: its kind, the common options, and the options of that kind.

    Attributes
    ----------
    kind
        Name of a kind of corpus; ``prosect plugins corpora`` lists them.
    """

    model_config = ConfigDict(extra="allow", defer_build=True)

    kind: str

    if TYPE_CHECKING:  # type checkers do not know that further keys are allowed

        def __init__(self, *, kind: str, **options: Any) -> None: ...  # noqa: ANN401 - options of a plugin

    @property
    def own(self) -> dict[str, Any]:
        """Options that belong to the kind (checked against its plugin's model by the plan)."""
        return dict(self.__pydantic_extra__ or {})


class Named(Strict):
    """A plugin by name, with options beside the name: ``norm`` or ``{name: norm, order: 1}``.

    Attributes
    ----------
    name
        Name of the plugin, or ``distribution:name`` where several distributions claim it.
    """

    model_config = ConfigDict(extra="allow", defer_build=True)

    name: str

    if TYPE_CHECKING:

        def __init__(self, *, name: str, **options: Any) -> None: ...  # noqa: ANN401 - options of a plugin

    @property
    def options(self) -> dict[str, Any]:
        """Options beside the name (checked against the plugin's model by the plan)."""
        return dict(self.__pydantic_extra__ or {})


def _form(value: object) -> str:
    return "(name)" if isinstance(value, str) or not isinstance(value, Mapping | BaseModel) else "(options)"


def _several(value: object) -> str:
    return "(list)" if isinstance(value, list | tuple) else "(one)"


def _checked(item: object) -> object:
    parse_layer(item)
    return item


def _any(items: object) -> object:
    if not items:
        raise ValueError("the list names no layer")
    return items


#: A plugin by its bare name or with options; errors then speak of the form that was meant.
Plugin = Annotated[Annotated[str, Tag("(name)")] | Annotated[Named, Tag("(options)")], Discriminator(_form)]
Layer = Annotated[str | int, BeforeValidator(_checked)]
Layers = Annotated[
    Annotated[Layer, Tag("(one)")] | Annotated[list[Layer], BeforeValidator(_any), Tag("(list)")],
    Discriminator(_several),
]


class KeepOptions(Strict):
    """How vectors are stored.

    Attributes
    ----------
    dtype
        ``computed``: losslessly, as they were computed; ``float16`` where no component overflows.
    """

    dtype: Literal["computed", "float16"] = "computed"


class Keep(Strict):
    """What is stored beside measurements: ``terms``, or ``{terms: {dtype: float16}}``.

    Attributes
    ----------
    terms
        The vectors themselves, variable ``terms`` (layer, component, token, hidden).
    """

    terms: KeepOptions


KeepItem = Annotated[
    Annotated[Literal["terms"], Tag("(name)")] | Annotated[Keep, Tag("(options)")], Discriminator(_form)
]


class AnalysisSpec(Strict):
    """One analysis: models x corpus x decomposition x layers, measured.

    Attributes
    ----------
    models
        Names of models; default all. A name of a matrix means all its members.
    corpus
        Name of the corpus.
    decomposition
        Name of a decomposition, or ``{name: ..., option: ...}``.
    layers
        ``all``, a number, a range ``"4-8"``, negatives from the end, or a list of these.
    metrics
        Names, or ``{name: ..., option: ...}``; default those the decomposition declares.
    keep
        Vectors to store.
    """

    decisive = frozenset({"models"})
    nameable = frozenset({"corpus", "decomposition"})

    corpus: Name
    decomposition: Plugin
    models: Annotated[list[str], Field(min_length=1)] | None = None
    layers: Layers = "all"
    metrics: list[Plugin] | None = None
    keep: list[KeepItem] = Field(default_factory=list)


class TableSpec(Strict):
    """An external table as labelled data: CSV (compressed, or with tabs), or NetCDF made by ``import-table``.

    Attributes
    ----------
    path
        The file.
    keys
        Columns that say what a row is about: a list, or column -> dimension. Without any, rows are numbered (``row``).
    values
        Columns that become variables: a list, or column -> name. Default: all that nothing else here names.
    names
        A column whose values name the variables, where every variable has rows of its own.
    spread
        Dimension -> pattern of columns (or several) with one ``*``: columns ``mean I``, ``mean F`` and ``mean *`` give
        the variable ``mean`` with the labels ``I`` and ``F``.
    where
        Column -> a value, or a list of values: other rows are left out.
    rename
        Column -> old value -> new value, for keys that go by other names elsewhere.
    duplicates
        What happens where several rows have the same keys.
    """

    path: str
    keys: list[str] | dict[str, Name] = Field(default_factory=list)
    values: list[str] | dict[str, Name] | None = None
    names: str | None = None
    spread: dict[Name, str | list[str]] = Field(default_factory=dict)
    where: dict[str, Scalar | list[Scalar]] = Field(default_factory=dict)
    rename: dict[str, dict[str, Scalar]] = Field(default_factory=dict)
    duplicates: Literal["error", "mean", "first", "last"] = "error"


class DerivedSpec(Named):
    """A metric over stored results: its name, what it reads, and its own options.

    Attributes
    ----------
    of
        Nodes of the store that it reads, in order: ``MODEL/ANALYSIS``, ``MODEL/ANALYSIS/STREAM`` or ``derived/NAME``.
        The name of a matrix means all its members, and ``*`` and ``?`` stand for parts of names.
    tables
        External tables by name, which it reads behind the nodes.
    """

    decisive = frozenset({"of", "tables"})

    of: str | list[str] = Field(default_factory=list)
    tables: dict[Name, TableSpec] = Field(default_factory=dict)


class StoreSpec(Strict):
    """Where results go.

    Attributes
    ----------
    path
        A folder; default ``results/<spec name>.zarr`` beside the spec.
    """

    path: str | None = None


class ComputeSpec(Strict):
    """How the work is done; nothing here changes what a result means.

    Attributes
    ----------
    device
        ``auto`` takes a CUDA device where there is one.
    batch_tokens
        Token budget of one batch, padding included.
    unit_tokens
        Length of the token ranges which are written and resumed as a whole.
    executor
        Who maps the units of work.
    """

    device: Literal["auto", "cpu", "cuda"] = "auto"
    batch_tokens: Literal["auto"] | Count = "auto"
    unit_tokens: Literal["auto"] | Count = "auto"
    executor: Literal["local"] = "local"


class Spec(Strict):
    """A whole spec, with includes already merged into it.

    Attributes
    ----------
    prosect
        Version of the format.
    models, corpora, analyses
        Entries by name.
    derived
        Metrics over stored results, by name.
    store
        Where results go.
    compute
        How the work is done.
    data
        The folder at which relative paths of models, corpora and tables start, in every file of the spec; default:
        the folder of the file in which a path stands. Relative to the spec.
    """

    prosect: Literal[1]
    models: dict[Name, ModelSpec] = Field(min_length=1)
    corpora: dict[Name, CorpusSpec] = Field(min_length=1)
    analyses: dict[Name, AnalysisSpec] = Field(min_length=1)
    derived: dict[Name, DerivedSpec] = Field(default_factory=dict)
    store: StoreSpec = StoreSpec.model_construct()
    compute: ComputeSpec = ComputeSpec.model_construct()
    data: str | None = None
