"""The plan as data: everything that is settled before a weight is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Generic, Literal, TypeVar

from pydantic import BaseModel

from prosect.plugins.declarations import (
    ArchitectureDeclaration,
    CorpusDeclaration,
    Declaration,
    DecompositionDeclaration,
    MetricDeclaration,
)
from prosect.spec.models import CommonCorpusOptions, ModelSpec, Scalar, Spec, TableSpec
from prosect.vocab.architecture import Architecture

D = TypeVar("D", bound=Declaration)

#: First part of the path of every result that is derived from others.
DERIVED: Final = "derived"


@dataclass(frozen=True)
class Bound(Generic[D]):
    """A declaration with the options a spec gave it, validated."""

    declaration: D
    options: BaseModel

    @property
    def name(self) -> str:
        """The declaration's name."""
        return self.declaration.name

    def record(self) -> dict[str, Any]:
        """Name, algorithm version and options (defaults filled in), as they enter a digest."""
        options = self.options.model_dump(mode="json")
        return {"name": self.name, "version": self.declaration.version, "options": options}


@dataclass(frozen=True, kw_only=True)
class PlannedModel:
    """One member of a model entry after its matrix was expanded.

    Attributes
    ----------
    name
        ``m``, or ``m@value`` for a member of a matrix (values joined by ``,`` for several fields).
    entry
        Name of the entry in the spec.
    spec
        Its fields with the matrix values filled in; ``matrix`` is empty.
    matrix
        The values that make this member.
    location
        Local folder the model is read from; None for a hub model that is not at hand.
    tokenizer_location
        Local folder of the tokenizer, where the spec names one and it is at hand.
    config
        ``config.json`` with the spec's ``config`` laid over it; None where it is not at hand.
    architecture, family
        Description and the declaration it came from; None where unknown until loaded or not needed.
    """

    name: str
    entry: str
    spec: ModelSpec
    matrix: Mapping[str, Scalar] = field(default_factory=dict)
    location: Path | None = None
    tokenizer_location: Path | None = None
    config: Mapping[str, Any] | None = None
    architecture: Architecture | None = None
    family: ArchitectureDeclaration | None = None


@dataclass(frozen=True, kw_only=True)
class PlannedCorpus:
    """A corpus with its validated options; paths in ``options`` are absolute.

    Attributes
    ----------
    folder
        Folder of the spec file that declared it (relative paths started there).
    files
        Every file that it reads.
    """

    name: str
    common: CommonCorpusOptions
    reader: Bound[CorpusDeclaration]
    folder: Path
    files: tuple[Path, ...]


StepState = Literal["new", "continue", "done", "changed", "replace", "unknown"]


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Size of a step: tokens read and bytes written. ``exact`` when the corpus was tokenised.

    Attributes
    ----------
    state
        Bytes of the running state of its accumulators, on the device (twice: of a unit too) and saved beside the
        results until the step is finished; 0 where it has none.
    """

    tokens: int | None
    bytes: int | None
    exact: bool = False
    state: int | None = 0


@dataclass(frozen=True, kw_only=True)
class Step:
    """One model x one analysis: the unit of what is finished.

    Attributes
    ----------
    layers
        Layers asked for, ascending; None until the model's depth is known.
    layer_selection
        The selection as the spec says it.
    keep_terms
        None, or the dtype in which vectors are stored: ``computed`` or ``float16``.
    config
        Normalised configuration that enters the digest, input digests included where known.
    state, why
        Whether it will run, and the reason in words.
    """

    model: PlannedModel
    analysis: str
    corpus: PlannedCorpus
    decomposition: Bound[DecompositionDeclaration]
    metrics: tuple[Bound[MetricDeclaration], ...]
    layers: tuple[int, ...] | None
    layer_selection: str | int | list[str | int]
    keep_terms: Literal["computed", "float16"] | None
    config: Mapping[str, Any]
    cost: Cost
    state: StepState
    why: str

    @property
    def node(self) -> str:
        """Path of its node in the result tree."""
        return f"{self.model.name}/{self.analysis}"


@dataclass(frozen=True, kw_only=True)
class PlannedInput:
    """What one entry of ``of`` stands for.

    Attributes
    ----------
    reference
        As the spec says it.
    nodes
        Paths of nodes in the store, in the order of the spec.
    several
        It names a matrix or a pattern, so that its nodes go together, however many they are.
    """

    reference: str
    nodes: tuple[str, ...]
    several: bool = False


@dataclass(frozen=True, kw_only=True)
class PlannedTable:
    """An external table: how it is read, and its file."""

    name: str
    spec: TableSpec
    file: Path


@dataclass(frozen=True, kw_only=True)
class DerivedStep:
    """One entry of ``derived``.

    Attributes
    ----------
    metric
        The metric with its options.
    inputs, tables
        What it reads: nodes, then tables.
    config, state, why
        As of `Step`.
    """

    name: str
    metric: Bound[MetricDeclaration]
    inputs: tuple[PlannedInput, ...]
    tables: tuple[PlannedTable, ...]
    config: Mapping[str, Any] = field(default_factory=dict)
    state: StepState = "unknown"
    why: str = ""

    @property
    def node(self) -> str:
        """Path of its node in the result tree."""
        return f"{DERIVED}/{self.name}"

    @property
    def nodes(self) -> tuple[str, ...]:
        """All nodes that it reads."""
        return tuple(dict.fromkeys(node for found in self.inputs for node in found.nodes))


@dataclass(frozen=True, kw_only=True)
class Plan:
    """All steps of a spec, in the order of the spec.

    Attributes
    ----------
    spec, source
        The spec, and its text as read (None for a spec built in Python).
    folder
        Where relative paths start.
    store
        The folder or URL of the results; None when nothing is to be stored.
    derived
        Metrics over stored results, each behind those that it reads.
    """

    spec: Spec
    source: str | None
    folder: Path
    store: str | None
    models: tuple[PlannedModel, ...]
    corpora: tuple[PlannedCorpus, ...]
    steps: tuple[Step, ...]
    derived: tuple[DerivedStep, ...] = ()

    @property
    def everything(self) -> tuple[Step | DerivedStep, ...]:
        """All steps, and all metrics over stored results."""
        return (*self.steps, *self.derived)
