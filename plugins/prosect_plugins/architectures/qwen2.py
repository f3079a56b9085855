"""Qwen2: Llama's blocks with biases on query, key and value; some blocks may look a window back."""

from collections.abc import Mapping
from typing import Any, Final

from prosect.api import Architecture
from prosect_plugins.architectures import llama, mistral

EXAMPLE: Final = {
    **mistral.EXAMPLE,
    "model_type": "qwen2",
    "head_dim": 6,
    "use_sliding_window": True,
    "max_window_layers": 1,
}


def describe(config: Mapping[str, Any]) -> Architecture:
    """Describe a Qwen2 decoder from its ``config.json``."""
    stages = llama.pre_norm_stages(config, llama.attention(config), llama.feed_forward(config))
    return llama.decoder("qwen2", config, stages)
