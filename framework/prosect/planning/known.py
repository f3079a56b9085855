"""The nodes that a derived metric may read: those of the spec and those that the store already holds."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Final

from prosect.planning.model import DERIVED, PlannedInput, Step
from prosect.planning.records import StepRecord
from prosect.planning.shapes import is_encoder_decoder
from prosect.spec.places import nearest

#: Child nodes of a step of an encoder-decoder.
STREAMS: Final = ("encoder", "decoder", "cross")
#: Child node with the texts of an encoder-decoder's sentences.
SENTENCES: Final = "sentences"
_TEXTS: Final = frozenset({"source", "target", "reference"})
_TERMS: Final = "terms"
_MAIN: Final = "main"
_PARTS: Final = (2, 3)


@dataclass(frozen=True, kw_only=True)
class Known:
    """One step that may be read.

    Attributes
    ----------
    node
        ``MODEL/ANALYSIS``.
    entry
        Name of the model's entry in the spec; what stands before ``@``.
    streams
        Names of its child nodes; empty where it has none itself, None while that is not known.
    variables
        Names of its variables; None while they are not known.
    """

    node: str
    entry: str
    streams: tuple[str, ...] | None
    variables: frozenset[str] | None

    @property
    def model(self) -> str:
        """Name of the model."""
        return self.node.partition("/")[0]

    @property
    def analysis(self) -> str:
        """Name of the analysis."""
        return self.node.partition("/")[2]


@dataclass(frozen=True)
class ReferenceFault:
    """Why a reference leads nowhere."""

    message: str
    suggestion: str | None = None


@dataclass(frozen=True, kw_only=True)
class KnownNodes:
    """All steps that may be read, and the names of derived results.

    Attributes
    ----------
    steps
        ``MODEL/ANALYSIS`` -> what is known of it.
    matrices
        Names of entries that stand for several models.
    derived
        Names of the ``derived`` section and of derived results in the store.
    """

    steps: Mapping[str, Known]
    matrices: frozenset[str] = frozenset()
    derived: tuple[str, ...] = field(default=())

    @classmethod
    def of(cls, steps: Iterable[Step], stored: Mapping[str, StepRecord], derived: Iterable[str]) -> KnownNodes:
        """Collect them; a step of the spec goes before what the store has under its name."""
        finished = [record for record in stored.values() if record.state == "finished"]
        there = {r.node: _of_record(r) for r in finished if not r.node.startswith(f"{DERIVED}/")}
        results = [r.node.partition("/")[2] for r in finished if r.node.startswith(f"{DERIVED}/")]
        planned = {step.node: _of_step(step) for step in steps}
        found = {**planned, **{node: known for node, known in there.items() if node not in planned}}
        matrices = frozenset(known.entry for known in found.values() if known.entry != known.model)
        return cls(steps=found, matrices=matrices, derived=tuple(dict.fromkeys((*derived, *results))))

    def find(self, reference: str) -> PlannedInput | ReferenceFault:
        """Resolve ``MODEL/ANALYSIS[/STREAM]`` or ``derived/NAME``."""
        parts = reference.split("/")
        if len(parts) not in _PARTS or not all(parts):
            return ReferenceFault(
                f"expected MODEL/ANALYSIS, MODEL/ANALYSIS/STREAM or {DERIVED}/NAME, not {reference!r}"
            )
        if parts[0] == DERIVED:
            return self._derived(reference, parts[1:])
        model, analysis, *stream = parts
        several = model in self.matrices or _is_pattern(model) or _is_pattern(analysis)
        chosen = [known for known in self.steps.values() if _fits(known, model, analysis)]
        if not chosen:
            return self._nowhere(reference, parts)
        faults = [fault for known in chosen if (fault := _stream_fault(known, *stream)) is not None]
        if faults:
            return faults[0]
        nodes = tuple("/".join((known.node, *stream)) for known in chosen)
        return PlannedInput(reference=reference, nodes=nodes, several=several)

    def variables(self, node: str) -> frozenset[str] | None:
        """Variables of a node; None where they are not known."""
        model, analysis, *stream = node.split("/")
        if model == DERIVED:
            return None
        return _TEXTS if stream == [SENTENCES] else self.steps[f"{model}/{analysis}"].variables

    def _derived(self, reference: str, rest: list[str]) -> PlannedInput | ReferenceFault:
        if rest[0] in self.derived and len(rest) == 1:
            return PlannedInput(reference=reference, nodes=(reference,))
        names = [f"{DERIVED}/{name}" for name in self.derived]
        return ReferenceFault(f"there is no derived result {reference!r}", nearest(reference, names))

    def _nowhere(self, reference: str, parts: list[str]) -> ReferenceFault:
        listed = list(dict.fromkeys((*self._references(), *self.steps)))
        close = nearest("/".join(parts[:2]), listed)
        more = f"; there are: {', '.join(listed)}" if close is None else ""
        return ReferenceFault(f"no step of this spec or of its store fits {reference!r}{more}", close)

    def _references(self) -> Iterator[str]:
        for known in self.steps.values():
            yield f"{known.entry}/{known.analysis}"


def _of_step(step: Step) -> Known:
    names = {variable.name for metric in step.metrics for variable in metric.declaration.variables(metric.options)}
    named = frozenset({*names, *((_TERMS,) if step.keep_terms else ())})
    streams: tuple[str, ...] | None = None
    if step.model.config is not None:
        streams = (*STREAMS, SENTENCES) if is_encoder_decoder(step.model) else ()
    return Known(node=step.node, entry=step.model.entry, streams=streams, variables=named)


def _of_record(record: StepRecord) -> Known:
    streams = () if set(record.units) == {_MAIN} else (*record.units, SENTENCES)
    entry = record.node.partition("/")[0].partition("@")[0]
    return Known(node=record.node, entry=entry, streams=streams, variables=None)


def _fits(known: Known, model: str, analysis: str) -> bool:
    same = model in (known.model, known.entry) or (_is_pattern(model) and fnmatchcase(known.model, model))
    return same and (known.analysis == analysis or (_is_pattern(analysis) and fnmatchcase(known.analysis, analysis)))


def _is_pattern(text: str) -> bool:
    return "*" in text or "?" in text


def _stream_fault(known: Known, stream: str | None = None) -> ReferenceFault | None:
    if known.streams is None or (stream is None and not known.streams) or stream in known.streams:
        return None
    if not known.streams:
        return ReferenceFault(f"{known.node} has no node {stream!r}: the model has one stream, so write {known.node!r}")
    choices = ", ".join(f"{known.node}/{name}" for name in known.streams)
    if stream is None:
        return ReferenceFault(f"{known.node} has a node for every stream; write one of {choices}")
    return ReferenceFault(f"{known.node} has no node {stream!r}; it has {choices}", nearest(stream, known.streams))
