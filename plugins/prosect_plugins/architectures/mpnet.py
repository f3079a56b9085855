"""MPNet: post-norm encoder with relative positions, which act on attention weights only."""

from collections.abc import Mapping
from typing import Any, Final

from prosect.api import Architecture, FeedForward, Projection, Stream
from prosect_plugins.architectures import bert
from prosect_plugins.architectures.parts import attention, blocks, layer_norm, post_norm

EXAMPLE: Final = {**bert.EXAMPLE, "model_type": "mpnet", "pad_token_id": 1}


def describe(config: Mapping[str, Any]) -> Architecture:
    """Describe an MPNet encoder from its ``config.json``."""
    hidden, eps = config["hidden_size"], config.get("layer_norm_eps", 1e-12)
    self_attention = attention(
        "attention.attn", "attention.attn.v", "attention.attn.o", heads=config["num_attention_heads"], width=hidden
    )
    feed_forward = FeedForward(
        path="output.dense",
        up=Projection(path="intermediate.dense"),
        down=Projection(path="output.dense"),
        activation=config.get("hidden_act", "gelu"),
    )
    stages = (
        post_norm(self_attention, layer_norm("attention.LayerNorm", eps)),
        post_norm(feed_forward, layer_norm("output.LayerNorm", eps)),
    )
    stream = Stream(
        name="main",
        hidden=hidden,
        blocks=blocks("encoder.layer", stages, config["num_hidden_layers"]),
        embedding_norm=layer_norm("embeddings.LayerNorm", eps),
    )
    return Architecture(family="mpnet", streams=(stream,))
