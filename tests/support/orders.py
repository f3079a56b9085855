"""Random models of every order of blocks, read at every scope with one kind of terms or another."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from prosect.api import BIAS, OWN, SOURCE, Architecture, Component, Rules, Site, Stream
from prosect.model.capture import StreamTap
from prosect.model.forward import eager_attention, forward
from prosect.model.load import LoadedModel, wrap_module
from prosect.plugins.registry import implementation, load_registry
from prosect.plugins.support import example_of
from prosect.terms.closure import ClosureGauge, tolerance
from prosect.terms.factored import BUDGET, FactoredStart
from prosect.terms.replay import Replay, needs, stream_weights
from prosect.terms.start import Start, TokenStart
from prosect.testing.models import small_module, whole_config
from prosect.vocab.rules import beside
from support.replays import feed_of

ORDERS = {
    "bert": "post-norm",
    "gpt2": "pre-norm",
    "llama": "pre-norm, gated, grouped queries",
    "gptj": "parallel",
    "gpt_neox": "parallel with two norms",
    "bloom": "pre-norm",
    "gemma2": "sandwich",
    "olmo2": "norms behind the sub-layers",
    "mixtral": "mixture of experts",
    "gpt_oss": "attention sinks",
    "marian": "post-norm encoder-decoder",
    "m2m_100": "pre-norm encoder-decoder, ReLU",
    "t5": "RMS norms, heads wider than the stream",
}
PAIRED = ("marian", "m2m_100", "t5")
STREAMS = [
    (name, stream) for name in ORDERS for stream in (("encoder", "decoder", "cross") if name in PAIRED else ("main",))
]
MakeStart = Callable[[Stream, Rules, Tensor], Start]
Read = Callable[..., Any]


@lru_cache
def _example(name: str) -> tuple[dict[str, Any], Architecture]:
    family = next(f for f in load_registry().declarations("architectures") if f.name == name)
    example = dict(example_of(family))
    described: Architecture = implementation(family)(whole_config(example))
    return example, described


def architecture(name: str) -> Architecture:
    """Describe the example of a family."""
    return _example(name)[1]


def stream_of(name: str, stream: str) -> Stream:
    """Find a stream of a family; ``cross`` among them."""
    found = architecture(name)
    crossing = found.crossing if stream == "cross" else found.stream(stream)
    assert crossing is not None
    return crossing


@lru_cache(maxsize=8)
def model(name: str, seed: int = 0) -> LoadedModel:
    """Make a random model of a family; seeds differ in all weights."""
    module = small_module(_example(name)[0], torch.float64)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64) * 0.1)
    return wrap_module(module, None)


def map_rules(stream: Stream, *, feed_forward: str = "secant", gated: str = "path", value_bias: str = "token") -> Rules:
    """Rules of a map at every scope."""
    crossing = stream.name == "cross"
    return Rules(
        book=book,
        start="encoder_tokens" if crossing else "tokens",
        span="block",
        attention="propagate",
        cross_attention="propagate" if crossing else "source",
        feed_forward=feed_forward,  # type: ignore[arg-type]  # any of the rules
        gated=gated,  # type: ignore[arg-type]  # any of the rules
        value_bias=value_bias,  # type: ignore[arg-type]  # any of the rules
        norm_mean="own",
        scopes=("all",),
    )


def book(site: Site) -> Component:
    """Book what stands beside the tokens."""
    return {"input": OWN, "cross_attention": SOURCE}.get(site.kind, BIAS)


def dense_start(stream: Stream, rules: Rules, ids: Tensor) -> Start:
    """Terms held as vectors."""
    rows, width = ids.shape
    labels = (*(Component(str(j), "source") for j in range(width)), *beside(stream, rules))
    places = torch.arange(width).expand(rows, width)
    if rules.crossing:
        return TokenStart(labels, torch.full((rows, width), labels.index(OWN)), encoder_slots=places)
    return TokenStart(labels, places)


def factored_start(budget: int = BUDGET) -> MakeStart:
    """Terms kept as factors."""

    def make(stream: Stream, rules: Rules, ids: Tensor) -> Start:
        sources = ids.shape[1] if rules.crossing else None
        return FactoredStart(stream.causal, labels=beside(stream, rules), sources=sources, budget=budget)

    return make


def walk(which: tuple[str, str], rules: Rules, ids: Tensor, start: MakeStart, take: Read, *, seed: int = 0) -> None:
    """Replay one batch, and call ``take(block, scope, terms, state, onward)`` at every scope."""
    name, stream = which
    found, loaded = stream_of(name, stream), model(name, seed)
    gauge = ClosureGauge(10 * tolerance("float64", architecture(name)))
    replay = Replay(
        stream=found,
        rules=rules,
        weights=stream_weights(loaded.base, found, torch.float64),
        layers=range(1, found.layers + 1),
        pick=lambda captured: captured.double(),
        gauge=gauge,
        start=start(found, rules, ids),
        scope_sink=take,
    )
    fed = feed_of(loaded, ids, "decoder" if stream == "cross" else stream)
    with eager_attention(loaded), StreamTap(loaded.base, found, needs(rules, found), replay).attached():
        forward(loaded, fed)
    gauge.settle()
