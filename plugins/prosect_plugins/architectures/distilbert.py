"""DistilBERT: BERT's order of norms in blocks with other names, and other names in its configuration."""

from collections.abc import Mapping
from typing import Any, Final

from prosect.api import Architecture, FeedForward, Projection, Stream
from prosect_plugins.architectures.parts import attention, blocks, layer_norm, post_norm

# Written into the modules; not configured.
EPS: Final = 1e-12

EXAMPLE: Final = {
    "model_type": "distilbert",
    "dim": 24,
    "n_layers": 2,
    "n_heads": 4,
    "hidden_dim": 40,
    "vocab_size": 60,
    "max_position_embeddings": 40,
}


def describe(config: Mapping[str, Any]) -> Architecture:
    """Describe a DistilBERT encoder from its ``config.json``."""
    hidden = config["dim"]
    self_attention = attention(
        "attention", "attention.v_lin", "attention.out_lin", heads=config["n_heads"], width=hidden
    )
    feed_forward = FeedForward(
        path="ffn",
        up=Projection(path="ffn.lin1"),
        down=Projection(path="ffn.lin2"),
        activation=config.get("activation", "gelu"),
    )
    stages = (
        post_norm(self_attention, layer_norm("sa_layer_norm", EPS)),
        post_norm(feed_forward, layer_norm("output_layer_norm", EPS)),
    )
    stream = Stream(
        name="main",
        hidden=hidden,
        blocks=blocks("transformer.layer", stages, config["n_layers"]),
        embedding_norm=layer_norm("embeddings.LayerNorm", EPS),
    )
    return Architecture(family="distilbert", streams=(stream,))
