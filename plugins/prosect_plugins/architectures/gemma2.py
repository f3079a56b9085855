"""Gemma 2: sandwich norms (before and after every sub-layer), gains stored minus 1, soft-capped attention."""

from collections.abc import Mapping
from typing import Any, Final

from prosect.api import Architecture, Stage
from prosect_plugins.architectures import llama
from prosect_plugins.architectures.parts import rms_norm, sandwich

EXAMPLE: Final = {
    "model_type": "gemma2",
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "query_pre_attn_scalar": 8,
    "intermediate_size": 40,
    "vocab_size": 60,
    "rms_norm_eps": 1e-3,
    "hidden_activation": "gelu_pytorch_tanh",
    "sliding_window": 4,
    "attn_logit_softcapping": 2.0,
    "attention_bias": True,
}


def describe(config: Mapping[str, Any]) -> Architecture:
    """Describe a Gemma 2 decoder from its ``config.json``."""
    return sandwiched("gemma2", config)


def sandwiched(family: str, config: Mapping[str, Any]) -> Architecture:
    """Describe the decoder that Gemma 2 and Gemma 3 share; it is bidirectional where the configuration says so."""
    causal = not config.get("use_bidirectional_attention")
    return llama.decoder(family, config, _stages(config), offset=1.0, causal=causal)


def _stages(config: Mapping[str, Any]) -> tuple[Stage, ...]:
    names = ("input", "post_attention", "pre_feedforward", "post_feedforward")
    before, after, then, last = (rms_norm(f"{name}_layernorm", config["rms_norm_eps"], offset=1.0) for name in names)
    return (
        sandwich(llama.attention(config), before, after),
        sandwich(llama.feed_forward(config, "hidden_activation"), then, last),
    )
