"""Replays whose labels are tokens, on one small model of every order of blocks."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from prosect.api import Architecture, Rules, Stream
from prosect.model.load import LoadedModel, wrap_module
from prosect.model.tokens import Batch, TokenStream, Unit
from prosect.plugins.registry import implementation, load_registry
from prosect.running.budget import Budget
from prosect.running.compute import UnitComputer
from prosect.running.work import StreamWork
from prosect.terms.closure import tolerance
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
PAIRED: Final = tuple(shape for shape in SHAPES if shape.startswith("encoder-decoder"))
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


class Keeper:
    """Stands among measures, keeps what they are given, and has no variables of its own."""

    variables = ()
    per_term = True

    def __init__(self) -> None:
        self.terms: dict[int, Tensor] = {}
        self.states: dict[int, Tensor] = {}
        self.labels: tuple[str, ...] = ()

    def __call__(self, reading: Any, total: Tensor) -> dict[str, Tensor]:
        self.labels = tuple(component.label for component in reading.components)
        self.terms[reading.layer], self.states[reading.layer] = reading.dense().clone(), total
        return {}


def stream_of(shape: str, name: str) -> Stream:
    """Description of a stream, or of ``cross``."""
    architecture = small(shape).architecture
    crossing = architecture.crossing
    return crossing if name == "cross" and crossing is not None else architecture.stream(name)


def token_wise_rules(shape: str, stream: str, **options: Any) -> Rules:
    """Table of rules of token_wise."""
    found = token_wise(TokenWiseOptions(**options), stream_of(shape, stream))
    assert found is not None
    return found


def work_of(shape: str, name: str, measures: Any = (), **options: Any) -> StreamWork:
    """Work with the options of token_wise."""
    stream, rules = stream_of(shape, name), token_wise_rules(shape, name, **options)
    return StreamWork(
        name=name,
        depth=stream.layers,
        stream=stream,
        rules=rules,
        labels=shown(stream, rules),
        layers=tuple(range(stream.layers + 1)),
        measures=measures,
        keep_terms=None,
        encoder=None if rules.encoder is None else stream_of(shape, "encoder"),
    )


def batch_of(ids: Tensor) -> Batch:
    """Sentences of one length."""
    rows, columns = np.indices(ids.shape)
    return Batch(
        sentences=np.arange(len(ids)),
        ids=ids.numpy(),
        mask=np.ones(ids.shape, dtype=np.int64),
        rows=rows.ravel(),
        columns=columns.ravel(),
        targets=np.arange(ids.numel()),
    )


def carry(shape: str, stream: str, ids: Tensor, *, budget: Budget | None = None, **options: Any) -> Carried:
    """Carry tokens through a stream with the options of token_wise, and prove closure to the family's tolerance.

    A decoder gets the sentences in reverse, without their first token.
    """
    chosen, keeper = small(shape), Keeper()
    source, target = batch_of(ids), None
    if stream in ("decoder", "cross"):
        target = batch_of(ids.flip(1)[:, 1:] if ids.shape[1] > 1 else ids)
    own = source if target is None else target
    tokens = TokenStream(ids=own.ids.ravel(), offsets=np.arange(len(ids) + 1) * own.ids.shape[1])
    work = work_of(shape, stream, (keeper,), **options)
    computer = UnitComputer(chosen.model, [work], [chosen.limit], budget)
    unit = Unit(0, 0, tokens.tokens, 0, tokens.sentences)
    (result,) = computer.compute([(source, target)], tokens, unit)
    return Carried(keeper.terms, keeper.states, keeper.labels, result.closure_max)
