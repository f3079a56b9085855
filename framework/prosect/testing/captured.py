"""Attention weights as they are captured, and as transformers returns them."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from prosect.model.capture import BlockCapture, Needs, StreamTap
from prosect.model.forward import Feed, eager_attention, forward
from prosect.model.load import LoadedModel
from prosect.testing.models import targets
from prosect.vocab.architecture import Stream

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
        forward(model, _feed(stream, row))
    return listener.weights


def attention_of_transformers(model: LoadedModel, stream: Stream, row: list[int]) -> Weights:
    """Ask transformers for the same."""
    fed = _feed(stream, row)
    with eager_attention(model), torch.no_grad():
        if stream.name == "encoder":
            output: Any = model.base.get_submodule("encoder")(**fed.source, output_attentions=True)
        else:
            output = model.base(**fed.source, **fed.target, output_attentions=True, use_cache=False)
    if stream.name != "decoder":
        return {"attention": list(output.attentions)}
    return {"attention": list(output.decoder_attentions), "cross_attention": list(output.cross_attentions)}


def _feed(stream: Stream, row: list[int]) -> Feed:
    ids = torch.tensor([row])
    source = {"input_ids": ids, "attention_mask": torch.ones_like(ids)}
    if stream.name != "decoder":
        return Feed(source, {})
    target = torch.tensor(targets([row]))
    return Feed(source, {"decoder_input_ids": target, "decoder_attention_mask": torch.ones_like(target)})
