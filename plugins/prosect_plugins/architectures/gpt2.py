"""GPT-2: pre-norm decoder. Sub-layers read a normed copy of the stream and add to the stream itself."""

from collections.abc import Mapping
from typing import Any, Final

from prosect.api import Architecture, FeedForward, ModelError, Projection, Stream
from prosect_plugins.architectures.parts import attention, blocks, layer_norm, pre_norm

EXAMPLE: Final = {
    "model_type": "gpt2",
    "n_embd": 24,
    "n_layer": 2,
    "n_head": 4,
    "vocab_size": 60,
    "n_positions": 40,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "layer_norm_epsilon": 1e-3,
}


def describe(config: Mapping[str, Any]) -> Architecture:
    """Describe a GPT-2 decoder from its ``config.json``."""
    if config.get("add_cross_attention"):
        raise ModelError("this GPT-2 has cross-attention (add_cross_attention), which is not described")
    hidden, eps = config["n_embd"], config.get("layer_norm_epsilon", 1e-5)
    self_attention = attention(
        "attn",
        Projection(path="attn.c_attn", layout="conv1d", rows=(2 * hidden, 3 * hidden)),
        Projection(path="attn.c_proj", layout="conv1d"),
        heads=config["n_head"],
        width=hidden,
    )
    feed_forward = FeedForward(
        path="mlp",
        up=Projection(path="mlp.c_fc", layout="conv1d"),
        down=Projection(path="mlp.c_proj", layout="conv1d"),
        activation=config.get("activation_function", "gelu_new"),
    )
    stages = (
        pre_norm(self_attention, layer_norm("ln_1", eps)),
        pre_norm(feed_forward, layer_norm("ln_2", eps)),
    )
    stream = Stream(
        name="main",
        hidden=hidden,
        blocks=blocks("h", stages, config["n_layer"]),
        final_norm=layer_norm("ln_f", eps),
        causal=True,
    )
    return Architecture(family="gpt2", streams=(stream,))
