"""An architecture: data that says where the parts of a block live and in which order they come.

ERNIE has the blocks of BERT. Its embeddings of task types are added before the embedding norm, so that they
are part of the input.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prosect.api import (
    Architecture,
    Attention,
    Block,
    Branch,
    FeedForward,
    ModelError,
    Norm,
    Projection,
    Stage,
    Stream,
)


def describe(config: Mapping[str, Any]) -> Architecture:
    """Describe an ERNIE encoder from its ``config.json``."""
    if config.get("is_decoder") or config.get("add_cross_attention"):
        raise ModelError("this ERNIE is a decoder (is_decoder, add_cross_attention); only the encoder is described")
    eps = config.get("layer_norm_eps", 1e-12)
    stages = (
        Stage(branches=(Branch(sublayer=_attention(config)),), norm=_norm("attention.output.LayerNorm", eps)),
        Stage(branches=(Branch(sublayer=_feed_forward(config)),), norm=_norm("output.LayerNorm", eps)),
    )
    stream = Stream(
        name="main",
        hidden=config["hidden_size"],
        embedding_norm=_norm("embeddings.LayerNorm", eps),
        blocks=tuple(Block(path=f"encoder.layer.{i}", stages=stages) for i in range(config["num_hidden_layers"])),
    )
    return Architecture(family="ernie", streams=(stream,))


def _attention(config: Mapping[str, Any]) -> Attention:
    heads = config["num_attention_heads"]
    return Attention(
        kind="attention",
        path="attention.self",
        value=Projection(path="attention.self.value"),
        output=Projection(path="attention.output.dense"),
        heads=heads,
        kv_heads=heads,
        head_dim=config["hidden_size"] // heads,
    )


def _feed_forward(config: Mapping[str, Any]) -> FeedForward:
    return FeedForward(
        path="output.dense",
        up=Projection(path="intermediate.dense"),
        down=Projection(path="output.dense"),
        activation=config.get("hidden_act", "gelu"),
    )


def _norm(path: str, eps: float) -> Norm:
    return Norm(path=path, kind="layer_norm", eps=eps)
