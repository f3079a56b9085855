"""What is to be computed on one stream of one model: rules, labels, layers and measures, resolved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal, cast

import torch
from torch import Tensor

from prosect.measures.gathering import Accumulation
from prosect.measures.token import Measure
from prosect.model.head import Head, HeadView
from prosect.model.tokens import TokenStream
from prosect.planning.model import Bound
from prosect.plugins.declarations import DecompositionDeclaration, RulesFunction
from prosect.plugins.registry import implementation
from prosect.running.grouping import Grouping, grouping
from prosect.terms.replay import needs
from prosect.vocab.architecture import Stream
from prosect.vocab.components import BIAS, TOTAL, Component
from prosect.vocab.rules import SHARED, Rules, beside, scopes_read, shown, split_heads, suffix


@dataclass(frozen=True, kw_only=True)
class StreamWork:
    """One analysis on one stream.

    Attributes
    ----------
    name
        ``main``, ``encoder``, ``decoder`` or ``cross``.
    depth
        Number of blocks L.
    stream, rules
        Description and table of rules; None for ``decomposition: none``, which needs no description.
    labels
        Components in the order of their axis, as results have them.
    layers
        Layers that are read, ascending.
    measures
        Token metrics.
    accumulation
        What is accumulated over the corpus; None where nothing is.
    keep_terms
        None, or how vectors are kept: ``computed`` or ``float16``.
    scopes
        Scopes at which terms are read; empty for the state after each block.
    width
        Length of the ``source`` axis: the longest sentence of the corpus.
    longest
        Tokens of the longest sentence of the stream itself.
    groups
        The group of every token, where the labels are values of an annotation.
    head
        The model's own head, where a measure requires it.
    encoder
        In a decoder or ``cross``: the encoder, where its tokens are carried through it first.
    gains
        Where scopes are read: the gain of the norm around each, by block and scope.
    gives
        In the encoder: the work in ``cross`` whose variables of single source tokens are computed with it.
    """

    name: str
    depth: int
    stream: Stream | None
    rules: Rules | None
    labels: tuple[Component, ...]
    layers: tuple[int, ...]
    measures: tuple[Measure, ...]
    keep_terms: Literal["computed", "float16"] | None
    scopes: tuple[str, ...] = ()
    width: int = 0
    longest: int = 0
    groups: Grouping | None = None
    encoder: Stream | None = None
    gives: StreamWork | None = None
    head: Head | None = None
    accumulation: Accumulation | None = None
    gains: Mapping[tuple[int, str], Tensor] = field(default_factory=dict)

    def head_view(self, layer: int) -> HeadView | None:
        """Return the head as a measure sees it at a layer."""
        if self.head is None:
            return None
        if self.stream is None or self.rules is None:
            # States of a model without a description are as transformers returns them.
            return HeadView(self.head, False if layer == self.depth else None)
        behind = self.rules.readout == "final_norm" or (
            self.rules.readout == "hidden_states" and self.rules.span == "stack" and layer == self.depth
        )
        return HeadView(self.head, self.stream.final_norm is not None and not behind)

    @property
    def watches(self) -> bool:
        """Whether an accumulator looks at the sub-layers themselves."""
        metrics = () if self.accumulation is None else self.accumulation.metrics
        return any("sublayers" in metric.declaration.requires for metric in metrics)

    @property
    def crossing(self) -> bool:
        """Whether labels are the tokens of the encoder."""
        return self.rules is not None and self.rules.crossing

    @property
    def sources(self) -> bool:
        """Whether labels are source tokens, one for each position of the sentence."""
        return self.rules is not None and self.rules.by_token

    @property
    def split(self) -> bool:
        """Whether every label is split by source token."""
        return self.rules is not None and self.rules.per_source is not None

    @property
    def pairwise(self) -> bool:
        """Whether there is a term for every pair of tokens."""
        return self.sources or self.split

    @cached_property
    def rest(self) -> tuple[str, ...]:
        """Labels behind the source tokens, as names of variables end: ``encoder``, ``own``, ``bias``."""
        if self.rules is None or self.stream is None:
            return ()
        own = self.rules.bias == "own"
        return tuple(suffix(label) for label in beside(self.stream, self.rules) if label != BIAS or own)

    @property
    def drops_bias(self) -> bool:
        """Whether the terms have a bias which results leave out."""
        return self.rules is not None and self.rules.start != "input" and self.rules.bias == "drop"

    def on(self, tokens: TokenStream) -> StreamWork:
        """Fit the work to the tokens of a corpus: the width of the ``source`` axis, the groups of an annotation.

        A decoder whose tokens lack an annotation (those of words belong to the source side) has them in one group.

        Raises
        ------
        UsageError
            The tokens lack the annotation by which they are to be grouped.
        """
        placed = replace(self, width=int(tokens.lengths.max()))
        if self.rules is None or self.rules.annotation is None:
            return placed
        if self.name == "decoder" and self.rules.annotation not in tokens.coordinates:
            return replace(placed, rules=replace(self.rules, group="stream"))
        found = () if self.stream is None else beside(self.stream, self.rules)
        others = tuple(label for label in found if label != BIAS or not self.drops_bias)
        groups = grouping(tokens, self.rules.annotation, others)
        return replace(placed, groups=groups, labels=(*groups.labels, *others))

    @property
    def hidden(self) -> int:
        """Width of the residual stream; 0 where it is not described."""
        return 0 if self.stream is None else self.stream.hidden

    @property
    def cuttable(self) -> bool:
        """Whether labels can be replayed a few at a time: source tokens that nothing has to see all at once."""
        if self.rules is None or not self.sources or self.accumulation is not None:
            return False
        if not all(measure.per_term for measure in self.measures):
            return False
        return self.rules.span == "stack" and self.rules.bias != SHARED

    @property
    def backward(self) -> bool:
        """Whether one backward pass tells tokens apart: all that is read is what they give to a sentence's logits."""
        if not self.cuttable or self.encoder is not None or self.head is None or self.head.reads == "token":
            return False
        return bool(self.measures) and all(measure.reads == "logits" for measure in self.measures)

    @property
    def whole(self) -> bool:
        """Whether sentences must stay whole and padded, because the terms of other tokens are mixed in."""
        return self.split or (self.rules is not None and self.rules.start != "input")

    def of_source(self) -> StreamWork:
        """Keep the measures which say something of single source tokens."""
        kept = tuple(measure for measure in self.measures if any(variable.of_source for variable in measure.variables))
        return replace(self, measures=kept)

    @property
    def scoped(self) -> bool:
        """Whether variables have a dimension ``scope``."""
        return len(self.scopes) > 1

    @property
    def needs_attention(self) -> bool:
        """Whether the forward pass must return attention weights."""
        return self.rules is not None and self.stream is not None and needs(self.rules, self.stream).attention


def stream_work(
    decomposition: Bound[DecompositionDeclaration],
    measures: tuple[Measure, ...],
    stream: Stream,
    *,
    layers: Sequence[int] | None,
    keep_terms: Literal["computed", "float16"] | None,
) -> StreamWork | None:
    """Resolve an analysis on a stream; ``layers=None`` means all. None where it has nothing to say about ``cross``.

    The stream of ``decomposition: none`` may be a bare one (`bare_stream`): its blocks are not looked at.
    """
    described, rules = decomposition.declaration.described, None
    if described:
        rules = cast("RulesFunction", implementation(decomposition.declaration))(decomposition.options, stream)
        if rules is None:
            return None
    first = decomposition.declaration.first_layer
    return StreamWork(
        name=stream.name,
        depth=stream.layers,
        stream=stream if described else None,
        rules=rules,
        labels=_labels(stream, rules),
        layers=tuple(range(first, stream.layers + 1)) if layers is None else tuple(layers),
        measures=measures,
        keep_terms=keep_terms,
        scopes=() if rules is None else scopes_read(stream, rules),
    )


def _labels(stream: Stream, rules: Rules | None) -> tuple[Component, ...]:
    if rules is None:
        return (TOTAL,)
    return shown(stream, rules) if rules.per_source is None else split_heads(stream, rules)


def numpy_name(dtype: torch.dtype) -> str:
    """Name of a floating-point dtype as numpy knows it."""
    return str(dtype).removeprefix("torch.")
