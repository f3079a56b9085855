"""BERT: post-norm encoder; a LayerNorm follows each addition to the stream, and one stands over the embeddings."""

from collections.abc import Mapping
from typing import Any, Final

from prosect.api import Architecture, FeedForward, ModelError, Projection, Stream
from prosect_plugins.architectures.parts import attention, blocks, layer_norm, post_norm

EXAMPLE: Final = {
    "model_type": "bert",
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 40,
    "vocab_size": 60,
    "max_position_embeddings": 40,
    "layer_norm_eps": 1e-3,
}


def describe(config: Mapping[str, Any]) -> Architecture:
    """Describe a BERT encoder from its ``config.json``."""
    return Architecture(family="bert", streams=(encoder(config),))


def encoder(config: Mapping[str, Any], embedding_projection: Projection | None = None) -> Stream:
    """Describe the encoder that BERT shares with RoBERTa, ELECTRA and others."""
    if config.get("is_decoder") or config.get("add_cross_attention"):
        raise ModelError("this model is a decoder (is_decoder, add_cross_attention); only the encoder is described")
    hidden, eps = config["hidden_size"], config.get("layer_norm_eps", 1e-12)
    self_attention = attention(
        "attention.self",
        "attention.self.value",
        "attention.output.dense",
        heads=config["num_attention_heads"],
        width=hidden,
    )
    feed_forward = FeedForward(
        path="output.dense",
        up=Projection(path="intermediate.dense"),
        down=Projection(path="output.dense"),
        activation=config.get("hidden_act", "gelu"),
    )
    stages = (
        post_norm(self_attention, layer_norm("attention.output.LayerNorm", eps)),
        post_norm(feed_forward, layer_norm("output.LayerNorm", eps)),
    )
    return Stream(
        name="main",
        hidden=hidden,
        blocks=blocks("encoder.layer", stages, config["num_hidden_layers"]),
        embedding_norm=layer_norm("embeddings.LayerNorm", eps),
        embedding_projection=embedding_projection,
    )
