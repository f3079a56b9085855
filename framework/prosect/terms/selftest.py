"""Load-time self-test: whether the description of an architecture fits the weights that were loaded.

On a small batch it shows that
1. every sub-layer, rebuilt from the description's own pieces (sum_h alpha v W_O + rowsum W_O b_V + b_O, or
   act(x W_1 + b_1) W_2 + b_2 and its gated form), equals the module's output, because closure alone cannot
   see a bias that is booked under the wrong label;
2. the terms of a replay by head close at every step;
3. states are the same with and without other sentences and padding beside them, and with the family's own
   eager attention.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from torch import Tensor

from prosect.errors import ClosureError, SelfTestError
from prosect.model.capture import BlockCapture, Needs, StreamTap
from prosect.model.forward import Feed, eager_attention, feed, forward
from prosect.model.load import LoadedModel
from prosect.model.tokens import Batch
from prosect.terms.closure import ClosureGauge, tolerance
from prosect.terms.rebuild import SAME_STATE, Rebuild, relative_gap, working_dtype
from prosect.terms.replay import Replay, StreamWeights, needs, stream_weights
from prosect.vocab.architecture import Architecture, Stream
from prosect.vocab.components import Component, Site
from prosect.vocab.rules import Rules

LENGTHS: Final = (7, 3, 5)


def self_test(model: LoadedModel, architecture: Architecture) -> None:
    """Prove a description against a loaded model.

    Raises
    ------
    SelfTestError
        Names the family, the stream, the block and the sub-layer that does not fit.
    """
    for stream in architecture.streams:
        _test_stream(model, architecture, stream)


def _test_stream(model: LoadedModel, architecture: Architecture, stream: Stream) -> None:
    place = f"self-test of {architecture.family!r}, stream {stream.name!r}"
    ids = _sentences(model)
    whole = _feed(model, ids, stream)
    weights = stream_weights(model.base, stream, working_dtype(model.dtype))
    with eager_attention(model):
        checker = Rebuild(model, stream, weights, place)
        tap = StreamTap(model.base, stream, Needs(attention=True, contexts=True, sublayers=True), checker)
        with tap.attached():
            forward(model, whole)
        eager = _states(model, stream, whole)
    _close(model, architecture, stream, weights, whole, place)
    states, real = _states(model, stream, whole), _real(whole)
    message = f"{place}: eager and {_attention_name(model)} attention differ"
    _compare([state[real] for state in eager], [state[real] for state in states], model.dtype, message)
    for row, sentence in enumerate(ids):
        alone = _states(model, stream, _feed(model, [sentence], stream))
        beside = [state[row : row + 1, : len(sentence)] for state in states]
        _compare(alone, beside, model.dtype, f"{place}: a sentence alone and padded in a batch differ")


def _real(fed: Feed) -> Tensor:
    """Tell real tokens of the stream that is tested from padding."""
    return fed.target.get("decoder_attention_mask", fed.source["attention_mask"]).bool()


def _attention_name(model: LoadedModel) -> str:
    return str(getattr(getattr(model.base, "config", None), "_attn_implementation", "the default"))


def _sentences(model: LoadedModel) -> list[list[int]]:
    vocabulary, pad = int(model.config["vocab_size"]), model.config.get("pad_token_id")
    allowed = np.array([i for i in range(min(vocabulary, 1000)) if i != pad])
    generator = np.random.default_rng(0)
    return [generator.choice(allowed, size=length).tolist() for length in LENGTHS]


def _batch(sentences: Sequence[Sequence[int]], pad: int) -> Batch:
    width = max(len(sentence) for sentence in sentences)
    ids = np.array([[*sentence, *[pad] * (width - len(sentence))] for sentence in sentences])
    mask = np.array([[1] * len(sentence) + [0] * (width - len(sentence)) for sentence in sentences])
    rows, columns = np.nonzero(mask)
    return Batch(
        sentences=np.arange(len(sentences)),
        ids=ids,
        mask=mask,
        rows=rows,
        columns=columns,
        targets=np.arange(len(rows)),
    )


def _feed(model: LoadedModel, sentences: Sequence[Sequence[int]], stream: Stream) -> Feed:
    pad = model.config.get("pad_token_id") or 0
    source = _batch(sentences, pad)
    target = _batch([sentence[::-1] for sentence in sentences], pad) if stream.name == "decoder" else None
    return feed(model, source, target)


class _Keep:
    """Keeps the state before and after every block of one forward pass."""

    def __init__(self) -> None:
        self.states: list[Tensor] = []

    def embedded(self, raw: Tensor | None, state: Tensor) -> None:
        del raw
        self.states.append(state)

    def block(self, capture: BlockCapture) -> None:
        self.states.append(capture.outputs[""])

    def finished(self, normed: Tensor | None) -> None:
        if normed is not None:
            self.states.append(normed)

    def projected(self, output: Tensor) -> None:
        self.states.append(output)


def _states(model: LoadedModel, stream: Stream, fed: Feed) -> list[Tensor]:
    keep = _Keep()
    with StreamTap(model.base, stream, Needs(), keep).attached():
        forward(model, fed)
    if len(keep.states) < stream.layers + 1:
        raise SelfTestError(
            f"only {len(keep.states) - 1} of {stream.layers} blocks ran; is the stream described in order?"
        )
    return keep.states


def _compare(one: Sequence[Tensor], other: Sequence[Tensor], dtype: torch.dtype, message: str) -> None:
    for layer, (left, right) in enumerate(zip(one, other, strict=True)):
        gap = relative_gap(left, right)
        if not gap <= SAME_STATE[dtype]:
            raise SelfTestError(f"{message} by {gap:.1e} of the norm at layer {layer}")


def _close(
    model: LoadedModel, architecture: Architecture, stream: Stream, weights: StreamWeights, fed: Feed, place: str
) -> None:
    def book(site: Site) -> Component:
        return Component(f"{site.kind}.{site.block}.{site.head}", site.kind, site.block, site.head)

    dtype, rules = working_dtype(model.dtype), Rules(book=book, heads=True)
    gauge = ClosureGauge(tolerance(str(model.dtype).removeprefix("torch."), architecture))
    mask = _real(fed)
    replay = Replay(
        stream=stream,
        rules=rules,
        weights=weights,
        layers=(),
        pick=lambda captured: captured[mask].to(dtype),
        gauge=gauge,
        sink=lambda _layer, _terms, _state: None,
    )
    needed = needs(rules, stream)
    with eager_attention(model, wanted=needed.attention), StreamTap(model.base, stream, needed, replay).attached():
        forward(model, fed)
    try:
        gauge.settle()
    except ClosureError as error:
        raise SelfTestError(f"{place}: {error}") from None
