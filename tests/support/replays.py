"""Running one replay over one batch, for tests of the engine."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prosect.api import Architecture, Rules
from prosect.model.capture import StreamTap
from prosect.model.forward import Feed, forward
from prosect.model.load import LoadedModel
from prosect.terms.closure import ClosureGauge
from prosect.terms.dense import DenseTerms
from prosect.terms.rebuild import working_dtype
from prosect.terms.replay import Replay, needs, stream_weights
from prosect_plugins.decompositions import SumOfFactorsOptions
from prosect_plugins.decompositions.sum_of_factors import rules as sum_of_factors


@dataclass
class Replayed:
    """Terms and true states by layer, the model's own output, and the largest gap."""

    terms: dict[int, DenseTerms]
    states: dict[int, Tensor]
    output: Any
    gap: float


def token_ids(model: LoadedModel, shape: tuple[int, int], seed: int = 0) -> Tensor:
    """Draw token ids that are not padding."""
    return torch.from_numpy(np.random.default_rng(seed).integers(1, 58, size=shape))


def feed_of(model: LoadedModel, ids: Tensor, stream: str, mask: Tensor | None = None) -> Feed:
    """Feed ids to a stream; a decoder gets them reversed."""
    mask = torch.ones_like(ids) if mask is None else mask
    source = {"input_ids": ids, "attention_mask": mask}
    target = (
        {"decoder_input_ids": ids.flip(1), "decoder_attention_mask": torch.ones_like(ids)}
        if stream == "decoder"
        else {}
    )
    return Feed(source, target)


def run_replay(
    model: LoadedModel,
    architecture: Architecture,
    stream_name: str,
    fed: Feed,
    options: SumOfFactorsOptions | None = None,
    limit: float = float("inf"),
) -> Replayed:
    """Replay one batch with the rules of sum_of_factors."""
    stream = architecture.stream(stream_name)
    rules: Rules = sum_of_factors(options or SumOfFactorsOptions(), stream)
    dtype, gauge = working_dtype(model.dtype), ClosureGauge(limit)
    terms: dict[int, DenseTerms] = {}
    states: dict[int, Tensor] = {}

    def keep(layer: int, read: DenseTerms, state: Tensor) -> None:
        terms[layer], states[layer] = read.copy(), state

    replay = Replay(
        stream=stream,
        rules=rules,
        weights=stream_weights(model.base, stream, dtype),
        layers=range(stream.layers + 1),
        pick=lambda captured: captured.to(dtype),
        gauge=gauge,
        sink=keep,
    )
    with StreamTap(model.base, stream, needs(rules, stream), replay).attached():
        output = forward(model, fed, hidden_states=True)
    gauge.settle()
    return Replayed(terms, states, output, gauge.largest)


def hidden_states(replayed: Replayed, stream: str) -> tuple[Tensor, ...]:
    """Hugging Face's own hidden states of the stream."""
    output = replayed.output
    return tuple(output.decoder_hidden_states if stream == "decoder" else output.hidden_states)
