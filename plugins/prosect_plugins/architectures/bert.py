"""BERT: post-norm encoder; a LayerNorm follows each addition to the stream, and one stands over the embeddings."""

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
    """Describe a BERT encoder from its ``config.json``."""
    if config.get("is_decoder") or config.get("add_cross_attention"):
        raise ModelError("this BERT is a decoder (is_decoder, add_cross_attention); only the encoder is described")
    hidden, heads, eps = config["hidden_size"], config["num_attention_heads"], config.get("layer_norm_eps", 1e-12)
    attention = Attention(
        kind="attention",
        path="attention.self",
        value=Projection(path="attention.self.value"),
        output=Projection(path="attention.output.dense"),
        heads=heads,
        kv_heads=heads,
        head_dim=hidden // heads,
    )
    feed_forward = FeedForward(
        path="output.dense",
        up=Projection(path="intermediate.dense"),
        down=Projection(path="output.dense"),
        activation=config.get("hidden_act", "gelu"),
    )
    stages = (
        Stage(branches=(Branch(sublayer=attention),), norm=_norm("attention.output.LayerNorm", eps)),
        Stage(branches=(Branch(sublayer=feed_forward),), norm=_norm("output.LayerNorm", eps)),
    )
    blocks = tuple(Block(path=f"encoder.layer.{i}", stages=stages) for i in range(config["num_hidden_layers"]))
    stream = Stream(name="main", hidden=hidden, blocks=blocks, embedding_norm=_norm("embeddings.LayerNorm", eps))
    return Architecture(family="bert", streams=(stream,))


def _norm(path: str, eps: float) -> Norm:
    return Norm(path=path, kind="layer_norm", eps=eps)
