"""What stands on the axes of a step's results besides tokens, known from the rules of its decomposition alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from prosect.errors import ProsectError
from prosect.planning.model import Bound, Step
from prosect.planning.shapes import shapes
from prosect.plugins.declarations import DecompositionDeclaration
from prosect.plugins.loading import Failure, guarded
from prosect.plugins.registry import implementation
from prosect.vocab.architecture import Architecture, Stream
from prosect.vocab.components import BIAS, TOTAL, Component
from prosect.vocab.rules import Rules, beside, scopes_read, shown, split_heads


@dataclass(frozen=True, kw_only=True)
class Axes:
    """Axes of one stream's results.

    Attributes
    ----------
    components
        Number of labels; with ``by_token`` those beside the tokens. None where they are values of an annotation.
    by_token
        The labels are the tokens of the sentence: variables have an axis ``source``.
    per_source
        Every label is split by source token: variables have an axis ``source`` beside that of the labels.
    annotation
        The coordinate of the tokens whose values are the labels.
    crossing
        The tokens are the encoder's.
    labels
        The labels themselves; None where they are tokens or values of an annotation.
    maps
        They are terms of single blocks by source token, which stay factored.
    at
        Names of the scopes at which terms are read; empty for the state after each block.
    """

    components: int | None
    by_token: bool = False
    per_source: bool = False
    annotation: str | None = None
    crossing: bool = False
    labels: tuple[Component, ...] | None = None
    maps: bool = False
    at: tuple[str, ...] = ()

    @property
    def scopes(self) -> int:
        """Number of scopes; 1 gives no axis."""
        return len(self.at) or 1


def axes_by_stream(step: Step) -> Mapping[str, Axes] | None:
    """Axes of each stream, ``cross`` included; None where the model's description is not known yet.

    Raises
    ------
    ProsectError
        The decomposition refuses the model, or its rules are broken.
    """
    if not step.decomposition.declaration.described:
        return {shape.name: Axes(components=1, labels=(TOTAL,)) for shape in shapes(step.model) or ()}
    if step.model.architecture is None:
        return None
    described = described_streams(step.decomposition.declaration, step.model.architecture)
    found = ((stream, _rules(step.decomposition, stream)) for stream in described)
    return {stream.name: _axes(stream, rules) for stream, rules in found if rules is not None}


def described_streams(declaration: DecompositionDeclaration, architecture: Architecture) -> tuple[Stream, ...]:
    """Streams whose rules a decomposition is asked for."""
    crossing = architecture.crossing if declaration.crosses else None
    return architecture.streams if crossing is None else (*architecture.streams, crossing)


def _axes(stream: Stream, rules: Rules) -> Axes:
    if rules.per_source is not None:
        return Axes(components=len(split_heads(stream, rules)), per_source=True, crossing=rules.crossing)
    at = scopes_read(stream, rules)
    if not rules.by_token:
        found, labels = rules.annotation, None if rules.annotation else shown(stream, rules)
        return Axes(
            components=None if labels is None else len(labels),
            at=at,
            annotation=found,
            crossing=rules.crossing,
            labels=labels,
        )
    rest = [label for label in beside(stream, rules) if label != BIAS or rules.bias == "own"]
    maps = rules.span == "block"
    return Axes(components=len(rest), by_token=True, crossing=rules.crossing, maps=maps, at=at)


def _rules(decomposition: Bound[DecompositionDeclaration], stream: Stream) -> Rules | None:
    result = guarded(lambda: implementation(decomposition.declaration)(decomposition.options, stream))
    if isinstance(result, Failure) and isinstance(result.error, ProsectError):
        raise result.error
    if isinstance(result, Failure):
        raise ProsectError(f"the rules of {decomposition.name!r} fail: {result}") from result.error
    if result.value is None and decomposition.declaration.crosses:
        return None
    if not isinstance(result.value, Rules):
        raise ProsectError(f"{decomposition.declaration.implementation} returned no Rules")
    return result.value
