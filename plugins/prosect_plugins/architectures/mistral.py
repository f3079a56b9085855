"""Mistral: Llama's blocks; attention looks a window back, which acts on attention weights only."""

from collections.abc import Mapping
from typing import Any, Final

from prosect.api import Architecture
from prosect_plugins.architectures import llama

EXAMPLE: Final = {
    **{name: value for name, value in llama.EXAMPLE.items() if name not in ("attention_bias", "mlp_bias")},
    "model_type": "mistral",
    "head_dim": 8,
    "sliding_window": 4,
}


def describe(config: Mapping[str, Any]) -> Architecture:
    """Describe a Mistral decoder from its ``config.json``."""
    stages = llama.pre_norm_stages(config, llama.attention(config), llama.feed_forward(config))
    return llama.decoder("mistral", config, stages)
