"""ALBERT: post-norm encoder whose blocks share weights in groups; the embeddings are projected after their norm."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from prosect.api import Architecture, Block, FeedForward, Projection, Stage, Stream
from prosect_plugins.architectures import bert
from prosect_plugins.architectures.parts import attention, layer_norm, post_norm

EXAMPLE: Final = {
    **bert.EXAMPLE,
    "model_type": "albert",
    "embedding_size": 16,
    "num_hidden_layers": 3,
    "num_hidden_groups": 2,
    "inner_group_num": 2,
    "hidden_act": "gelu_new",
}


def describe(config: Mapping[str, Any]) -> Architecture:
    """Describe an ALBERT encoder from its ``config.json``."""
    hidden, eps = config["hidden_size"], config.get("layer_norm_eps", 1e-12)
    self_attention = attention(
        "attention", "attention.value", "attention.dense", heads=config["num_attention_heads"], width=hidden
    )
    feed_forward = FeedForward(
        path="ffn_output",
        up=Projection(path="ffn"),
        down=Projection(path="ffn_output"),
        activation=config.get("hidden_act", "gelu_new"),
    )
    stages = (
        post_norm(self_attention, layer_norm("attention.LayerNorm", eps)),
        post_norm(feed_forward, layer_norm("full_layer_layer_norm", eps)),
    )
    stream = Stream(
        name="main",
        hidden=hidden,
        blocks=tuple(_blocks(config, stages)),
        embedding_norm=layer_norm("embeddings.LayerNorm", eps),
        embedding_projection=Projection(path="encoder.embedding_hidden_mapping_in"),
    )
    return Architecture(family="albert", streams=(stream,))


def _blocks(config: Mapping[str, Any], stages: tuple[Stage, ...]) -> Iterator[Block]:
    """Name the module of every pass: each group of modules serves an equal part of the layers."""
    layers, groups = config["num_hidden_layers"], config.get("num_hidden_groups", 1)
    for layer in range(layers):
        group = int(layer / (layers / groups))
        for inner in range(config.get("inner_group_num", 1)):
            yield Block(path=f"encoder.albert_layer_groups.{group}.albert_layers.{inner}", stages=stages)
