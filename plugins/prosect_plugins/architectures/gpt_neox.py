"""GPT-NeoX and Pythia: pre-norm decoder, usually parallel; query, key and value interleaved head by head."""

from collections.abc import Mapping
from typing import Any, Final

from prosect.api import Architecture, FeedForward, Projection, Stream
from prosect_plugins.architectures.parts import attention, blocks, layer_norm, parallel, pre_norm

EXAMPLE: Final = {
    "model_type": "gpt_neox",
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 40,
    "vocab_size": 60,
    "max_position_embeddings": 40,
    "rotary_pct": 0.25,
    "use_parallel_residual": True,
    "layer_norm_eps": 1e-3,
}


def describe(config: Mapping[str, Any]) -> Architecture:
    """Describe a GPT-NeoX decoder from its ``config.json``."""
    hidden, heads, eps = config["hidden_size"], config["num_attention_heads"], config.get("layer_norm_eps", 1e-5)
    head = hidden // heads
    self_attention = attention(
        "attention",
        Projection(path="attention.query_key_value", interleave=(3 * head, 2 * head, 3 * head)),
        "attention.dense",
        heads=heads,
        width=hidden,
    )
    feed_forward = FeedForward(
        path="mlp",
        up=Projection(path="mlp.dense_h_to_4h"),
        down=Projection(path="mlp.dense_4h_to_h"),
        activation=config.get("hidden_act", "gelu"),
    )
    before, between = layer_norm("input_layernorm", eps), layer_norm("post_attention_layernorm", eps)
    stages = [pre_norm(self_attention, before), pre_norm(feed_forward, between)]
    if config.get("use_parallel_residual", True):
        stages = [parallel((self_attention, before), (feed_forward, between))]
    stream = Stream(
        name="main",
        hidden=hidden,
        blocks=blocks("layers", stages, config["num_hidden_layers"]),
        final_norm=layer_norm("final_layer_norm", eps),
        causal=True,
    )
    return Architecture(family="gpt_neox", streams=(stream,))
