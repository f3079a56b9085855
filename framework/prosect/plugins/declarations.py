"""What a plugin says about itself: data, from which a plan is made before any implementation loads.

``implementation`` is always ``"package.module:attribute"`` and is imported only when a step of a
plan needs it. Everything reachable from a declaration itself must not import torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from prosect.vocab.architecture import Stream
from prosect.vocab.components import Component
from prosect.vocab.dims import SOURCE_TOKEN, TOKEN
from prosect.vocab.rules import Rules


class Options(BaseModel):
    """Base of every options model: unknown keys are errors, values are frozen.

    Of the values of a ``Literal`` option the first one named is the default, by convention.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class StreamOptions(Options):
    """Options of the forward pass, which every decomposition takes; they matter for encoder-decoders only.

    Attributes
    ----------
    decoder_input
        ``shifted``: the decoder start token and the target without its last token, as in training;
        ``as_given``: the target itself, unshifted (Mickus & Vázquez 2023).
    target
        ``corpus``: the target side of the corpus; ``generated``: what the model itself generates.
    max_new_tokens, num_beams
        How targets are generated.
    """

    decoder_input: Literal["shifted", "as_given"] = "shifted"
    target: Literal["corpus", "generated"] = "corpus"
    max_new_tokens: int = Field(default=128, ge=1)
    num_beams: int = Field(default=1, ge=1)


#: What a variable may be kept as, and numpy's names of these types; ``computed`` depends on the metric.
NUMPY_DTYPES: Final = {"float64": "float64", "int64": "int64", "bool": "bool", "text": "T"}


@dataclass(frozen=True, kw_only=True)
class Variable:
    """A variable that a metric or a decomposition produces.

    Attributes
    ----------
    name
        Name in the result; for a metric of one variable the metric's own name.
    dims
        Names of the dimensions without ``layer``, for example ``("component", "token")``.
    long_name
        One phrase for a plot's axis.
    units
        Unit, or ``"1"`` for a pure number.
    of_source
        The value belongs to the token that gives, not to the one that gets: in the node ``cross`` it stands on
        ``source_token`` instead of ``token``, and it is computed from the encoder alone.
    dtype
        ``computed``: as the terms were computed, float64 for an accumulator; or one of ``float64``, ``int64``
        (counts), ``bool``, ``text``.
    """

    name: str
    dims: tuple[str, ...]
    long_name: str
    units: str = "1"
    of_source: bool = False
    dtype: Literal["computed", "float64", "int64", "bool", "text"] = "computed"


def node_dims(variable: Variable, *, crossing: bool) -> tuple[str, ...]:
    """Dimensions of a variable in a node; in ``cross`` what belongs to a source token stands on ``source_token``."""
    moved = crossing and variable.of_source
    return tuple(SOURCE_TOKEN if moved and dim == TOKEN else dim for dim in variable.dims)


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """What is known of an analysis when it is planned; None where something is not known yet.

    Attributes
    ----------
    components
        Number of labels.
    hidden
        Width of the hidden state.
    tokens
        Tokens of the corpus.
    """

    components: int | None
    hidden: int | None
    tokens: int | None


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """What an accumulator takes, for the plan.

    Attributes
    ----------
    state
        Bytes of its running state for one layer, by the names of its parts; a part of the same name (a statistic
        that accumulators share) is counted once in an analysis. None where a size is not known yet.
    axes
        Lengths of the dimensions of its own (``group``); those that are left out or None count as 1 in the plan.
    """

    state: Mapping[str, int | None] = field(default_factory=dict)
    axes: Mapping[str, int | None] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """What all declarations share.

    Attributes
    ----------
    name
        The name by which a spec asks for it; unique within its kind.
    summary
        One sentence.
    implementation
        ``"package.module:attribute"``.
    options
        Pydantic model of the options that a spec may give.
    version
        Version of the algorithm; part of the digest of every step, so raise it when results change.
    references
        Papers and equations.
    """

    name: str
    summary: str
    implementation: str
    options: type[BaseModel] = Options
    version: int = 1
    references: tuple[str, ...] = ()

    kind: ClassVar[str]


@dataclass(frozen=True, kw_only=True)
class ArchitectureDeclaration(Declaration):
    """A family of models.

    The implementation is ``describe(config: Mapping[str, Any]) -> Architecture``: it reads the
    model's ``config.json`` as a mapping and may not import torch.

    Attributes
    ----------
    model_types
        Values of ``model_type`` in ``config.json`` that it describes.
    example
        ``"package.module:attribute"`` of a small configuration, ``model_type`` included, that shows what is
        peculiar to the family; it stands for the family in the table of what works. Empty for none.
    """

    model_types: tuple[str, ...]
    example: str = ""

    kind: ClassVar[str] = "architectures"


@dataclass(frozen=True, kw_only=True)
class DecompositionDeclaration(Declaration):
    """A decomposition of hidden states.

    The implementation is ``rules(options, stream: Stream) -> Rules`` for a decomposition that the
    linear replay carries out. Its options derive from `StreamOptions`. One that ``crosses`` is also asked for the
    rules of the stream ``cross``, and may return None for a stream of which its options want nothing.

    Attributes
    ----------
    metrics
        Metrics that are computed when a spec names none.
    captures
        What is needed beyond the outputs of sub-layers: ``attention`` (the weights, for which the forward pass runs
        with eager attention).
    described
        False for a decomposition that needs no description of the architecture (``none``).
    first_layer
        0 where the embedding layer is decomposed too, 1 where it starts with the first block.
    crosses
        Encoder-decoders have a node ``cross`` too: what tokens of the encoder give to those of the decoder.
    """

    options: type[BaseModel] = StreamOptions
    metrics: tuple[str, ...] = ()
    captures: frozenset[Literal["attention"]] = frozenset()
    described: bool = True
    first_layer: Literal[0, 1] = 0
    crosses: bool = False

    kind: ClassVar[str] = "decompositions"


MetricForm = Literal["token", "accumulator", "derived"]
Requirement = Literal["head", "maps", "attention", "onward", "states", "masks", "sublayers"]


@dataclass(frozen=True, kw_only=True)
class MetricDeclaration(Declaration):
    """A measure.

    The implementation of a ``token`` metric is ``measure(terms: Terms, total: Tensor, options) -> Tensor``, that of
    an ``accumulator`` is ``make(options, context: Context) -> Accumulator`` (see ``prosect.api.tensors``).
    That of a ``derived`` one is ``derive(datasets: Sequence[xr.Dataset], options) -> xr.Dataset`` (see
    ``prosect.api.results``).

    Attributes
    ----------
    form
        ``token``: Terms -> numbers per token; ``accumulator``: update, merge, finalise over a
        corpus; ``derived``: xarray -> xarray.
    produces
        Its variables with default options. An empty tuple is not allowed. Those of an accumulator have no dimension
        ``token``, ``layer`` or ``scope``, and may have dimensions of their own.
    produces_for
        ``options -> variables``, where options change them; must import no torch.
    per_term
        Of a token metric: the values of a term depend on that term, the hidden state and the tokens alone, whatever
        other terms there are. Only then can labels that are tokens be replayed a few at a time. True, False, or
        ``options -> bool``.
    axes
        ``(options, components) -> dimension -> labels``, for dimensions of its own that follow from options and the
        labels on the ``component`` axis alone, such as ``subset``; must import no torch. What it raises as UsageError
        is a problem of the plan. A token metric must give all of its own dimensions; an accumulator has `HasAxes` for
        them, and may give some here for the sake of the plan.
    reads
        Of a token metric: ``logits`` where all it takes of the terms is what they give to a head's logits
        (`head_contributions`). Where the head reads one token of each sentence, terms of single tokens need then not be
        carried: one backward pass tells them apart.
    footprint
        ``(options, Sizes) -> Footprint`` of an accumulator, for the plan; must import no torch.
    undefined
        What stands where the value is 0/0 or otherwise undefined, in words; NaN unless said.
    requires
        What it cannot do without. ``head``: the model's own head, which `Reading.head` then is (``head: own`` in the
        spec); of an encoder-decoder such a metric measures the decoder alone. ``maps``: `FactoredTerms`, the terms of
        single blocks by source token; ``attention``: at scopes which hold terms of an attention; ``onward``: at the
        attention's own output, from where `Reading.onward` runs the block on. ``states``: terms of hidden states, no
        parts of single blocks. ``masks``: a corpus that masks. ``sublayers``, for an accumulator: what the sub-layers
        of a described model read and wrote, which `Reading.sublayers` then is.
    inputs
        For ``derived``: the least and the greatest number of datasets it reads, tables included; None for no limit.
    members
        For ``derived``: how it wants several nodes that one name stands for (the members of a matrix). ``stacked``: as
        one dataset with the dimension ``model``; ``separate``: as one dataset each.
    needs
        For ``derived``: variables that every node it reads must have.
    naming
        For ``derived``: names of the options whose values name variables of its nodes.
    paths
        For ``derived``: names of the options that hold file paths (one path, or a list of them). In a spec they start
        at the spec's folder; the files must be there, and their contents are part of the digest.
    """

    produces: tuple[Variable, ...]
    form: MetricForm = "token"
    requires: frozenset[Requirement] = frozenset()
    undefined: str = "NaN where a denominator is 0"
    produces_for: Callable[[Any], tuple[Variable, ...]] | None = None
    per_term: bool | Callable[[Any], bool] = False
    axes: Callable[[Any, Sequence[Component]], Mapping[str, Sequence[str]]] | None = None
    reads: Literal["terms", "logits"] = "terms"
    footprint: Callable[[Any, Sizes], Footprint] | None = None
    inputs: tuple[int, int | None] = (1, None)
    members: Literal["stacked", "separate"] = "stacked"
    needs: tuple[str, ...] = ()
    naming: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()

    kind: ClassVar[str] = "metrics"

    def variables(self, options: BaseModel) -> tuple[Variable, ...]:
        """Return its variables under these options."""
        return self.produces if self.produces_for is None else self.produces_for(options)

    def of_single_terms(self, options: BaseModel) -> bool:
        """Tell whether the values of a term do not depend on the others under these options."""
        return self.per_term if isinstance(self.per_term, bool) else self.per_term(options)

    def own_axes(self, options: BaseModel, components: Sequence[Component]) -> Mapping[str, Sequence[str]]:
        """Return the labels of the dimensions of its own, as far as it declares them."""
        return {} if self.axes is None else self.axes(options, components)


@dataclass(frozen=True, kw_only=True)
class CorpusDeclaration(Declaration):
    """A kind of corpus.

    The implementation is ``read(options, folder: Path) -> Iterator[Sentence]``; it imports no torch.
    Options may have a property ``annotation_names``: the annotations that they ask for, in a tuple. A plan then
    finds a misspelt annotation before anything is read. Options that hold the sentences themselves may have
    a property ``sentence_tokens``: for each side the tokens of each sentence, counted or estimated, for the plan.

    Attributes
    ----------
    paths
        Names of the options that hold file paths (one path, or a list of them); they are resolved
        against the spec's folder and must exist when the spec is checked.
    tokenizer
        False where sentences come as token ids.
    targets
        The corpus has a target side, for encoder-decoders.
    """

    paths: tuple[str, ...] = ("path",)
    tokenizer: bool = True
    targets: bool = False

    kind: ClassVar[str] = "corpora"


AnyDeclaration = ArchitectureDeclaration | DecompositionDeclaration | MetricDeclaration | CorpusDeclaration
DECLARATIONS: Final[Mapping[str, type[AnyDeclaration]]] = {
    declaration.kind: declaration
    for declaration in (ArchitectureDeclaration, DecompositionDeclaration, MetricDeclaration, CorpusDeclaration)
}

DescribeFunction = Callable[[Mapping[str, Any]], object]
RulesFunction = Callable[[Any, Stream], Rules | None]
#: Datasets and options to a dataset; xarray is not imported here.
DeriveFunction = Callable[[Sequence[Any], Any], Any]


@dataclass(frozen=True)
class Origin:
    """The distribution and entry point a declaration came from."""

    distribution: str
    version: str
    entry_point: str

    def __str__(self) -> str:
        return f"{self.distribution} {self.version} ({self.entry_point})"


@dataclass(frozen=True)
class BrokenPlugin:
    """A plugin, or a part of one, that could not be taken in.

    Attributes
    ----------
    origin
        Where it came from.
    reason
        What is wrong with it, in words.
    names
        Names that it would have given; empty where that could not be told.
    kind
        The kind of declaration that is lost; None where that could not be told.
    """

    origin: Origin
    reason: str
    names: tuple[str, ...] = field(default=())
    kind: str | None = None
