"""Replays whose labels are tokens, on one small model of every order of blocks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import torch
from torch import Tensor

from prosect.api import Architecture, Rules
from prosect.model.capture import StreamTap
from prosect.model.forward import eager_attention, forward
from prosect.model.load import LoadedModel, wrap_module
from prosect.plugins.registry import implementation, load_registry
from prosect.running.budget import Cut
from prosect.running.starts import start_of
from prosect.running.work import StreamWork
from prosect.terms.closure import ClosureGauge, tolerance
from prosect.terms.replay import Replay, needs, stream_weights
from prosect.testing.models import small_module, whole_config
from prosect.vocab.rules import shown
from prosect_plugins.architectures import (
    albert,
    bert,
    bloom,
    falcon,
    gemma2,
    gpt2,
    gpt_neox,
    gpt_oss,
    llama,
    marian,
    mixtral,
    olmo2,
    opt,
    t5,
)
from prosect_plugins.decompositions import TokenWiseOptions
from prosect_plugins.decompositions.token_wise import rules as token_wise
from support.replays import feed_of

SHAPES: Final[dict[str, dict[str, Any]]] = {
    "post-norm": bert.EXAMPLE,
    "post-norm, one set of weights": albert.EXAMPLE,
    "post-norm, projected in and out": {**opt.EXAMPLE, "do_layer_norm_before": False, "word_embed_proj_dim": 16},
    "pre-norm": gpt2.EXAMPLE,
    "pre-norm, gated": llama.EXAMPLE,
    "pre-norm, normed residual": {**bloom.EXAMPLE, "apply_residual_connection_post_layernorm": True},
    "parallel, two norms": gpt_neox.EXAMPLE,
    "parallel, one norm": falcon.EXAMPLE,
    "sandwich": gemma2.EXAMPLE,
    "norm after": olmo2.EXAMPLE,
    "experts": mixtral.EXAMPLE,
    "sinks": gpt_oss.EXAMPLE,
    "encoder-decoder, post-norm": marian.EXAMPLE,
    "encoder-decoder, pre-norm, gated": t5.EXAMPLE,
}
STREAMS: Final = [
    (shape, stream)
    for shape in SHAPES
    for stream in (("encoder", "decoder") if shape.startswith("encoder-decoder") else ("main",))
]


@dataclass(frozen=True)
class Small:
    """A small model in float64 with its description, and the tolerance of its arithmetic."""

    model: LoadedModel
    architecture: Architecture

    @property
    def limit(self) -> float:
        return tolerance("float64", self.architecture)


@dataclass(frozen=True)
class Carried:
    """Vectors (component, batch, token, hidden) and true states by layer, labels, the largest gap."""

    terms: dict[int, Tensor]
    states: dict[int, Tensor]
    labels: tuple[str, ...]
    gap: float


@cache
def small(shape: str) -> Small:
    """Make the small model of a shape."""
    config = SHAPES[shape]
    module = small_module(config, torch.float64)
    declaration = load_registry().architecture_for(config["model_type"])
    assert declaration is not None
    architecture: Architecture = implementation(declaration)(whole_config(config))
    return Small(wrap_module(module, None), architecture)


def token_wise_rules(shape: str, stream: str, **options: Any) -> Rules:
    """Table of rules of token_wise."""
    return token_wise(TokenWiseOptions(**options), small(shape).architecture.stream(stream))


def work_of(stream: Any, rules: Rules) -> StreamWork:
    """Work without any measure."""
    return StreamWork(
        name=stream.name,
        depth=stream.layers,
        stream=stream,
        rules=rules,
        labels=shown(stream, rules),
        layers=tuple(range(stream.layers + 1)),
        measures=(),
        keep_terms=None,
    )


def carry(shape: str, stream_name: str, ids: Tensor, **options: Any) -> Carried:
    """Carry tokens through a stream with the options of token_wise, and prove closure to the family's tolerance."""
    chosen = small(shape)
    stream, rules = chosen.architecture.stream(stream_name), token_wise_rules(shape, stream_name, **options)
    gauge = ClosureGauge(chosen.limit)
    terms: dict[int, Tensor] = {}
    states: dict[int, Tensor] = {}
    labels: list[str] = []

    def keep(layer: int, read: Any, state: Tensor) -> None:
        labels[:] = [component.label for component in read.components]
        terms[layer], states[layer] = read.dense().clone(), state

    replay = Replay(
        stream=stream,
        rules=rules,
        weights=stream_weights(chosen.model.base, stream, torch.float64),
        layers=range(stream.layers + 1),
        pick=lambda captured: captured.double(),
        gauge=gauge,
        sink=keep,
        start=start_of(
            work_of(stream, rules), torch.arange(ids.numel()).reshape(ids.shape), Cut(0, ids.shape[1], ids.shape[1])
        ),
    )
    with (
        eager_attention(chosen.model),
        StreamTap(chosen.model.base, stream, needs(rules, stream), replay).attached(),
    ):
        forward(chosen.model, feed_of(chosen.model, ids, stream_name))
    gauge.settle()
    return Carried(terms, states, tuple(labels), gauge.largest)
