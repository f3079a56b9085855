"""Qwen3: Llama's blocks; queries and keys are normed, which acts on attention weights only."""

from collections.abc import Mapping
from typing import Any, Final

from prosect.api import Architecture
from prosect_plugins.architectures import llama, mistral

EXAMPLE: Final = {**mistral.EXAMPLE, "model_type": "qwen3", "head_dim": 8, "attention_bias": True}


def describe(config: Mapping[str, Any]) -> Architecture:
    """Describe a Qwen3 decoder from its ``config.json``."""
    stages = llama.pre_norm_stages(config, llama.attention(config), llama.feed_forward(config))
    return llama.decoder("qwen3", config, stages)
