"""GPT-OSS: Llama's order of norms with attention sinks and a mixture of clamped gated experts with biases."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from prosect.api import Architecture, Experts, ModelError
from prosect_plugins.architectures import llama, mistral

EXAMPLE: Final = {
    **mistral.EXAMPLE,
    "model_type": "gpt_oss",
    "num_local_experts": 4,
    "num_experts_per_tok": 2,
    "swiglu_limit": 0.5,
}

# The gain of the sigmoid that makes g * sigmoid(gain * g) the activation 'quick_gelu'.
GAIN: Final = 1.702


def describe(config: Mapping[str, Any]) -> Architecture:
    """Describe a GPT-OSS decoder from its ``config.json``."""
    if config.get("swiglu_alpha", GAIN) != GAIN:
        raise ModelError(f"this GPT-OSS has 'swiglu_alpha' {config['swiglu_alpha']}; only {GAIN} is described")
    experts = Experts(
        path="mlp",
        router="mlp.router",
        experts="mlp.experts",
        activation="quick_gelu",
        layout="conv1d",
        interleaved=True,
        limit=config.get("swiglu_limit", 7.0),
        up_offset=1.0,
    )
    # The sink takes its share of every row of attention weights.
    attention = replace(llama.attention(config), rows_sum_to_one=False)
    return llama.decoder("gpt_oss", config, llama.pre_norm_stages(config, attention, experts))
