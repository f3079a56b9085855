"""GPT-Neo: GPT-2's order of norms with separate projections; every other block looks only a window back."""

from collections.abc import Mapping
from typing import Any, Final

from prosect.api import Architecture, FeedForward, Projection, Stream
from prosect_plugins.architectures.parts import attention, blocks, first, layer_norm, pre_norm

EXAMPLE: Final = {
    "model_type": "gpt_neo",
    "hidden_size": 24,
    "num_layers": 2,
    "num_heads": 4,
    "attention_types": [[["global", "local"], 1]],
    "window_size": 3,
    "vocab_size": 60,
    "max_position_embeddings": 40,
    "bos_token_id": 0,
    "eos_token_id": 0,
}


def describe(config: Mapping[str, Any]) -> Architecture:
    """Describe a GPT-Neo decoder from its ``config.json``."""
    hidden, eps = config["hidden_size"], config.get("layer_norm_epsilon", 1e-5)
    self_attention = attention(
        "attn.attention",
        "attn.attention.v_proj",
        "attn.attention.out_proj",
        heads=first(config, "num_heads", "num_attention_heads"),
        width=hidden,
    )
    feed_forward = FeedForward(
        path="mlp",
        up=Projection(path="mlp.c_fc"),
        down=Projection(path="mlp.c_proj"),
        activation=config.get("activation_function", "gelu_new"),
    )
    stages = (
        pre_norm(self_attention, layer_norm("ln_1", eps)),
        pre_norm(feed_forward, layer_norm("ln_2", eps)),
    )
    stream = Stream(
        name="main",
        hidden=hidden,
        blocks=blocks("h", stages, first(config, "num_layers", "num_hidden_layers")),
        final_norm=layer_norm("ln_f", eps),
        causal=True,
    )
    return Architecture(family="gpt_neo", streams=(stream,))
