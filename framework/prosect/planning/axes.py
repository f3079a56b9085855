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
from prosect.vocab.architecture import Stream
from prosect.vocab.rules import Rules, shown
from prosect.vocab.scopes import stream_scopes


@dataclass(frozen=True, kw_only=True)
class Axes:
    """Axes of one stream's results.

    Attributes
    ----------
    components
        Number of labels; with ``by_token`` those beside the tokens. None where they are values of an annotation.
    by_token
        The labels are the tokens of the sentence: variables have an axis ``source``.
    scopes
        Number of scopes; 1 gives no axis.
    annotation
        The coordinate of the tokens whose values are the labels.
    """

    components: int | None
    by_token: bool = False
    scopes: int = 1
    annotation: str | None = None


def axes_by_stream(step: Step) -> Mapping[str, Axes] | None:
    """Axes of each stream; None where the model's description is not known yet.

    Raises
    ------
    ProsectError
        The decomposition refuses the model, or its rules are broken.
    """
    if not step.decomposition.declaration.described:
        return {shape.name: Axes(components=1) for shape in shapes(step.model) or ()}
    if step.model.architecture is None:
        return None
    return {stream.name: _axes(step.decomposition, stream) for stream in step.model.architecture.streams}


def _axes(decomposition: Bound[DecompositionDeclaration], stream: Stream) -> Axes:
    rules = _rules(decomposition, stream)
    labels = shown(stream, rules)
    if not rules.by_token:
        found, scopes = rules.annotation, _scopes(rules, stream)
        return Axes(components=None if found else len(labels), scopes=scopes, annotation=found)
    # Beside the tokens stand the bias, and what a decoder takes from its encoder where that is one term.
    crossing = any(label.kind == "source" for label in labels)
    return Axes(components=crossing + (rules.bias == "own"), by_token=True, scopes=_scopes(rules, stream))


def _rules(decomposition: Bound[DecompositionDeclaration], stream: Stream) -> Rules:
    result = guarded(lambda: implementation(decomposition.declaration)(decomposition.options, stream))
    if isinstance(result, Failure) and isinstance(result.error, ProsectError):
        raise result.error
    if isinstance(result, Failure):
        raise ProsectError(f"the rules of {decomposition.name!r} fail: {result}") from result.error
    if not isinstance(result.value, Rules):
        raise ProsectError(f"{decomposition.declaration.implementation} returned no Rules")
    return result.value


def _scopes(rules: Rules, stream: Stream) -> int:
    if rules.scopes is None:
        return 1
    found = stream_scopes(stream)
    return len(found if rules.scopes == ("all",) else set(found) & set(rules.scopes))
