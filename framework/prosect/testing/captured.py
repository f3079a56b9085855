"""One forward pass of a small model: attention weights as they are captured and as transformers has them, and terms."""

from __future__ import annotations

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from prosect.model.capture import BlockCapture, Needs, StreamTap
from prosect.model.forward import Feed, eager_attention, forward
from prosect.model.load import LoadedModel
from prosect.terms.closure import ClosureGauge
from prosect.terms.rebuild import working_dtype
from prosect.terms.replay import Replay, needs, stream_weights
from prosect.testing.models import targets
from prosect.vocab.architecture import Stream
from prosect.vocab.rules import Rules

Weights = dict[str, list[Tensor]]


class _Listener:
    """Keeps the attention weights of every block by kind."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self.weights: Weights = {}

    def embedded(self, raw: Tensor | None, state: Tensor) -> None:
        """Nothing is kept."""

    def block(self, capture: BlockCapture) -> None:
        """Keep the weights."""
        for attention in self._stream.blocks[capture.number - 1].attentions:
            self.weights.setdefault(attention.kind, []).append(capture.attention[attention.path])

    def finished(self, normed: Tensor | None) -> None:
        """Nothing is kept."""

    def projected(self, output: Tensor) -> None:
        """Nothing is kept."""


def attention_of(model: LoadedModel, stream: Stream, row: list[int]) -> Weights:
    """Capture the attention weights of one sentence, block by block, by kind of attention."""
    listener = _Listener(stream)
    with (
        eager_attention(model),
        StreamTap(model.base, stream, Needs(attention=True), listener).attached(),
    ):
        forward(model, feed_of(model, stream, [row]))
    return listener.weights


def attention_of_transformers(model: LoadedModel, stream: Stream, row: list[int]) -> Weights:
    """Ask transformers for the same."""
    fed = feed_of(model, stream, [row])
    with eager_attention(model), torch.no_grad():
        if stream.name == "encoder":
            output: Any = model.base.get_submodule("encoder")(**fed.source, output_attentions=True)
        else:
            output = model.base(**fed.source, **fed.target, output_attentions=True, use_cache=False)
    if stream.name != "decoder":
        return {"attention": list(output.attentions)}
    return {"attention": list(output.decoder_attentions), "cross_attention": list(output.cross_attentions)}


def terms_of(
    model: LoadedModel, stream: Stream, rows: list[list[int]], rules: Rules
) -> Float[Tensor, "layer component token hidden"]:
    """Replay one batch of sentences, padded to the longest, and return the terms of their tokens at every layer."""
    fed, dtype = feed_of(model, stream, rows), working_dtype(model.dtype)
    real = (fed.target.get("decoder_attention_mask", fed.source["attention_mask"])).bool()
    layers: dict[int, Tensor] = {}
    replay = Replay(
        stream=stream,
        rules=rules,
        weights=stream_weights(model.base, stream, dtype),
        layers=range(stream.layers + 1),
        pick=lambda captured: captured[real].to(dtype),
        gauge=ClosureGauge(float("inf")),
        sink=lambda layer, terms, _state: layers.update({layer: terms.dense().clone()}),
    )
    needed = needs(rules, stream)
    with (
        eager_attention(model, wanted=needed.attention),
        StreamTap(model.base, stream, needed, replay).attached(),
    ):
        forward(model, fed)
    return torch.stack([layers[layer] for layer in range(stream.layers + 1)])


def feed_of(model: LoadedModel, stream: Stream, rows: list[list[int]]) -> Feed:
    """Put sentences of ids into one batch; a decoder is fed with `targets` of them."""
    pad = model.config.get("pad_token_id") or 0
    ids, mask = _padded(rows, pad)
    source = {"input_ids": ids, "attention_mask": mask}
    if stream.name != "decoder":
        return Feed(source, {})
    ids, mask = _padded(targets(rows), pad)
    return Feed(source, {"decoder_input_ids": ids, "decoder_attention_mask": mask})


def _padded(rows: list[list[int]], pad: int) -> tuple[Tensor, Tensor]:
    width = max(map(len, rows))
    ids = torch.tensor([[*row, *[pad] * (width - len(row))] for row in rows])
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows])
    return ids, mask
