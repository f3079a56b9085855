"""What the replay of an analysis starts from, for the sentences of a batch."""

from __future__ import annotations

from typing import Final, cast

import numpy as np
import numpy.typing as npt
import torch

from prosect.model.tokens import Batch
from prosect.running.budget import Cut
from prosect.running.work import StreamWork
from prosect.terms.adjoint import AdjointStart
from prosect.terms.factored import FactoredStart
from prosect.terms.moved import MovedStart
from prosect.terms.once import OnceStart, booked_once
from prosect.terms.start import InputStart, Start, TokenStart
from prosect.vocab.architecture import Stream
from prosect.vocab.components import BIAS, Component, Site
from prosect.vocab.rules import SHARED, Rules, beside, components

# What stands at all positions without a label of their own, where labels are replayed a few at a time.
OTHERS: Final = Component("others", "source")


def start_of(work: StreamWork, own: Batch, source: Batch, cut: Cut, device: torch.device) -> Start:
    """Choose the terms of a replay; maps of single blocks, and heads split by source token, stay factored.

    Parameters
    ----------
    work
        The analysis; it has a description and rules.
    own, source
        Sentences of the stream, and of the encoder where there is one.
    cut
        The positions that have a label of their own, where labels are tokens: those of the sentence, or in ``cross``
        those of the encoder's sentence.
    device
        Where the terms are.
    """
    stream, rules = work.stream, work.rules
    if stream is None or rules is None:
        raise RuntimeError("nothing to replay")
    if rules.start == "input":
        return _input_start(stream, rules, cut)
    if rules.span == "block":
        sources = cut.width if rules.crossing else None
        return FactoredStart(causal=stream.causal, labels=beside(stream, rules), sources=sources)
    if cut.backward:
        stands = rules.book(Site("input")) if rules.crossing else None
        return AdjointStart(beside(stream, rules), cut.width, stands)
    labels, slots = _labelled(work, source if rules.crossing else own, cut)
    places, shared = torch.from_numpy(slots).to(device), rules.bias == SHARED
    if not rules.crossing:
        return TokenStart(labels, places, shared=shared)
    held = torch.full(own.ids.shape, labels.index(rules.book(Site("input"))), device=device)
    return TokenStart(labels, held, encoder_slots=places, shared=shared)


def _input_start(stream: Stream, rules: Rules, cut: Cut) -> Start:
    if rules.per_source is not None:
        return MovedStart(stream, rules, cut.width if rules.crossing else None)
    return OnceStart(stream, rules) if booked_once(stream, rules) else InputStart(stream, rules)


def carrier_of(rules: Rules, start: TokenStart, shape: tuple[int, int], device: torch.device) -> TokenStart:
    """Choose the terms of the encoder's replay, whose last ones a decoder's replay reads.

    Parameters
    ----------
    rules
        Those of the decoder's replay.
    start
        Its start: where the encoder's tokens have labels, these are carried; else they are one term.
    shape
        Sentences and positions of the encoder.
    device
        Where the terms are.
    """
    if start.encoder_slots is not None:
        return TokenStart(start.labels, start.encoder_slots, shared=start.shared)
    source = rules.book(Site("cross_attention"))
    labels = (source,) if start.shared else (source, BIAS)
    return TokenStart(labels, torch.zeros(shape, dtype=torch.int64, device=device), shared=start.shared)


def _labelled(work: StreamWork, batch: Batch, cut: Cut) -> tuple[tuple[Component, ...], npt.NDArray[np.int64]]:
    """Labels of a replay, and the place of the label of each token that has one."""
    stream, rules = cast("Stream", work.stream), cast("Rules", work.rules)
    if rules.group == "stream":
        labels = components(stream, rules)
        return labels, np.full(batch.ids.shape, labels.index(rules.book(Site("input"))))
    rest = beside(stream, rules)
    if work.groups is not None:
        return (*work.groups.labels, *rest), work.groups.of(batch)
    tokens = tuple(Component(str(position), "source") for position in range(cut.start, cut.stop))
    places = np.broadcast_to(np.arange(cut.width) - cut.start, batch.ids.shape)
    if cut.whole:
        return (*tokens, *rest), places.copy()
    own = (places >= 0) & (places < cut.labels)
    return (*tokens, *rest, OTHERS), np.where(own, places, len(tokens) + len(rest))
