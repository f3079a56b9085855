"""OLMo 2: sub-layers read the stream as it is; their outputs are normed before they are added to it."""

from collections.abc import Mapping
from typing import Any, Final

from prosect.api import Architecture
from prosect_plugins.architectures import llama, mistral
from prosect_plugins.architectures.parts import rms_norm, sandwich

EXAMPLE: Final = {
    **mistral.EXAMPLE,
    "model_type": "olmo2",
    "head_dim": 6,
    "attention_bias": True,
    "pad_token_id": 0,
    "eos_token_id": 1,
}


def describe(config: Mapping[str, Any]) -> Architecture:
    """Describe an OLMo 2 decoder from its ``config.json``."""
    eps = config["rms_norm_eps"]
    stages = (
        sandwich(llama.attention(config), None, rms_norm("post_attention_layernorm", eps)),
        sandwich(llama.feed_forward(config), None, rms_norm("post_feedforward_layernorm", eps)),
    )
    return llama.decoder("olmo2", config, stages)
