"""What the replay of an analysis starts from, for the sentences of a batch."""

from __future__ import annotations

import torch
from jaxtyping import Int
from torch import Tensor

from prosect.running.work import StreamWork
from prosect.terms.factored import FactoredStart
from prosect.terms.start import InputStart, Start, TokenStart
from prosect.vocab.architecture import Stream
from prosect.vocab.components import Component, Site
from prosect.vocab.rules import Rules, beside, components


def start_of(work: StreamWork, index: Int[Tensor, "batch token"], *, sources: int) -> Start:
    """Choose the terms of a replay; maps of single blocks stay factored.

    Parameters
    ----------
    work
        The analysis; it has a description and rules.
    index
        Place of each token of the batch on the flat axis of its stream, -1 for padding.
    sources
        Positions of the encoder's sentences, padding included; they matter for the node ``cross``.
    """
    stream, rules = work.stream, work.rules
    if stream is None or rules is None:
        raise RuntimeError("nothing to replay")
    if rules.start == "input":
        return InputStart(stream, rules)
    if rules.span == "block":
        crossing = sources if rules.crossing else None
        return FactoredStart(causal=stream.causal, labels=beside(stream, rules), sources=crossing)
    labels, slots = _labels(work, stream, rules, index)
    return TokenStart(labels, slots, shared=rules.bias == "share_abs_dot")


def _labels(
    work: StreamWork, stream: Stream, rules: Rules, index: Int[Tensor, "batch token"]
) -> tuple[tuple[Component, ...], Int[Tensor, "batch token"]]:
    """Labels of the terms that are carried, and the place of each token's label."""
    carried = components(stream, rules)
    if rules.group == "stream":
        return carried, torch.full_like(index, carried.index(rules.book(Site("input"))))
    others = beside(stream, rules)
    if work.groups is not None:
        slots = torch.from_numpy(work.groups.slots).to(index.device)
        return (*work.groups.labels, *others), torch.where(index >= 0, slots[index], -1)
    tokens = tuple(Component(str(position), "source") for position in range(index.shape[1]))
    return (*tokens, *others), torch.arange(index.shape[1], device=index.device).expand_as(index)
