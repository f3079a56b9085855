"""What the replay of an analysis starts from, for the sentences of a batch."""

from __future__ import annotations

from typing import Final

import torch
from jaxtyping import Int
from torch import Tensor

from prosect.running.budget import Cut
from prosect.running.work import StreamWork
from prosect.terms.factored import FactoredStart
from prosect.terms.moved import MovedStart
from prosect.terms.start import InputStart, Start, TokenStart
from prosect.vocab.architecture import Stream
from prosect.vocab.components import Component, Site
from prosect.vocab.rules import SHARED, Rules, beside, components

# What stands at all positions without a label of their own, where labels are replayed a few at a time.
OTHERS: Final = Component("others", "source")

Index = Int[Tensor, "batch token"]


def start_of(work: StreamWork, index: Index, cut: Cut) -> Start:
    """Choose the terms of a replay; maps of single blocks, and heads split by source token, stay factored.

    Parameters
    ----------
    work
        The analysis; it has a description and rules.
    index
        Place of each token of the batch on the flat axis of its stream, -1 for padding.
    cut
        The positions that have a label of their own, where labels are tokens: those of the sentence, or in ``cross``
        those of the encoder's sentence.
    """
    stream, rules = work.stream, work.rules
    if stream is None or rules is None:
        raise RuntimeError("nothing to replay")
    if rules.start == "input":
        split = MovedStart(stream, rules, cut.width if rules.crossing else None)
        return InputStart(stream, rules) if rules.per_source is None else split
    if rules.span == "block":
        sources = cut.width if rules.crossing else None
        return FactoredStart(causal=stream.causal, labels=beside(stream, rules), sources=sources)
    shared, own = rules.bias == SHARED, rules.book(Site("input"))
    if rules.group == "stream":
        labels = components(stream, rules)
        return TokenStart(labels, torch.full_like(index, labels.index(own)), shared=shared)
    if work.groups is not None:
        slots = torch.from_numpy(work.groups.slots).to(index.device)
        labels = (*work.groups.labels, *beside(stream, rules))
        return TokenStart(labels, torch.where(index >= 0, slots[index], -1), shared=shared)
    labels, slots = _positions(stream, rules, cut, index)
    if rules.crossing:
        return TokenStart(labels, torch.full_like(index, labels.index(own)), encoder_slots=slots, shared=shared)
    return TokenStart(labels, slots, shared=shared)


def _positions(stream: Stream, rules: Rules, cut: Cut, index: Index) -> tuple[tuple[Component, ...], Index]:
    """Labels of the positions of a cut, then the others, and the place of each position's label."""
    tokens = tuple(Component(str(position), "source") for position in range(cut.start, cut.stop))
    places = torch.arange(cut.width, device=index.device).expand(len(index), cut.width) - cut.start
    rest = beside(stream, rules)
    if cut.whole:
        return (*tokens, *rest), places
    own = (places >= 0) & (places < cut.labels)
    return (*tokens, *rest, OTHERS), torch.where(own, places, len(tokens) + len(rest))
