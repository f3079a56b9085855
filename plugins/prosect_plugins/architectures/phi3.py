"""Phi-3: Llama's blocks with packed projections: query, key and value in one module, gate and up in another."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from prosect.api import Architecture, Projection
from prosect_plugins.architectures import llama, mistral

EXAMPLE: Final = {
    **mistral.EXAMPLE,
    "model_type": "phi3",
    "head_dim": 8,
    "hidden_size": 32,
    "partial_rotary_factor": 0.5,
    "pad_token_id": 0,
    "eos_token_id": 1,
}


def describe(config: Mapping[str, Any]) -> Architecture:
    """Describe a Phi-3 decoder from its ``config.json``."""
    attention, inner = llama.attention(config), config["intermediate_size"]
    # Queries of all heads come first, then all keys, then all values.
    start = (attention.heads + attention.kv_heads) * attention.head_dim
    values = (start, start + attention.kv_heads * attention.head_dim)
    feed_forward = replace(
        llama.feed_forward(config),
        gate=Projection(path="mlp.gate_up_proj", rows=(0, inner)),
        up=Projection(path="mlp.gate_up_proj", rows=(inner, 2 * inner)),
    )
    attention = replace(attention, value=Projection(path="self_attn.qkv_proj", rows=values))
    return llama.decoder("phi3", config, llama.pre_norm_stages(config, attention, feed_forward))
