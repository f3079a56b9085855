"""GPT-J: parallel decoder whose attention and feed-forward block read the same norm; partial rotary positions."""

from collections.abc import Mapping
from typing import Any, Final

from prosect.api import Architecture, FeedForward, Projection, Stream
from prosect_plugins.architectures.parts import attention, blocks, layer_norm, parallel

EXAMPLE: Final = {
    "model_type": "gptj",
    "n_embd": 32,
    "n_layer": 2,
    "n_head": 4,
    "rotary_dim": 4,
    "vocab_size": 60,
    "n_positions": 40,
    "bos_token_id": 0,
    "eos_token_id": 0,
}


def describe(config: Mapping[str, Any]) -> Architecture:
    """Describe a GPT-J decoder from its ``config.json``."""
    hidden, eps = config["n_embd"], config.get("layer_norm_epsilon", 1e-5)
    self_attention = attention("attn", "attn.v_proj", "attn.out_proj", heads=config["n_head"], width=hidden)
    feed_forward = FeedForward(
        path="mlp",
        up=Projection(path="mlp.fc_in"),
        down=Projection(path="mlp.fc_out"),
        activation=config.get("activation_function", "gelu_new"),
    )
    shared = layer_norm("ln_1", eps)
    stages = (parallel((self_attention, shared), (feed_forward, shared)),)
    stream = Stream(
        name="main",
        hidden=hidden,
        blocks=blocks("h", stages, config["n_layer"]),
        final_norm=layer_norm("ln_f", eps),
        causal=True,
    )
    return Architecture(family="gptj", streams=(stream,))
