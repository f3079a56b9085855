"""Mixtral: Llama's blocks, each with a mixture of gated experts; the routing is frozen as it was."""

from collections.abc import Mapping
from typing import Any, Final

from prosect.api import Architecture, Experts
from prosect_plugins.architectures import llama, mistral

EXAMPLE: Final = {
    **mistral.EXAMPLE,
    "model_type": "mixtral",
    "num_local_experts": 4,
    "num_experts_per_tok": 2,
}


def describe(config: Mapping[str, Any]) -> Architecture:
    """Describe a Mixtral decoder from its ``config.json``."""
    experts = Experts(path="mlp", router="mlp.gate", experts="mlp.experts", activation=config["hidden_act"])
    return llama.decoder("mixtral", config, llama.pre_norm_stages(config, llama.attention(config), experts))
