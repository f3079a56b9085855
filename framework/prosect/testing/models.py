"""Small random models for the kits, and what transformers itself says of their hidden states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from prosect.model.load import wrap_module

LENGTHS: Final = (7, 3, 5)

# One configuration per shape of block that a decomposition must cope with.
SHAPES: Final[Mapping[str, Mapping[str, Any]]] = {
    "bert": {
        "model_type": "bert",
        "hidden_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "intermediate_size": 40,
        "vocab_size": 60,
        "max_position_embeddings": 40,
    },
    "gpt2": {"model_type": "gpt2", "n_embd": 24, "n_layer": 2, "n_head": 4, "vocab_size": 60, "n_positions": 40},
    "llama": {
        "model_type": "llama",
        "hidden_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "intermediate_size": 40,
        "vocab_size": 60,
        "attention_bias": True,
        "mlp_bias": True,
    },
    "marian": {
        "model_type": "marian",
        "d_model": 24,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 4,
        "encoder_ffn_dim": 40,
        "decoder_ffn_dim": 40,
        "vocab_size": 60,
        "max_position_embeddings": 40,
        "pad_token_id": 59,
        "decoder_start_token_id": 59,
        "eos_token_id": 0,
        "forced_eos_token_id": 0,
    },
}


def small_module(config: Mapping[str, Any], dtype: torch.dtype) -> nn.Module:
    """Make a random model; weights are perturbed, since fresh biases are 0 and fresh gains 1 and would hide errors."""
    from transformers import AutoModel as untyped

    auto_model: Any = untyped
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module: nn.Module = auto_model.from_config(_configuration(config))
        with torch.no_grad():
            for parameter in module.parameters():
                if parameter.requires_grad:
                    parameter.add_(torch.randn_like(parameter) * 0.2)
    return wrap_module(module.to(dtype), None).module


def whole_config(config: Mapping[str, Any]) -> dict[str, Any]:
    """Fill in the family's defaults, as a model's own configuration has them."""
    found: dict[str, Any] = _configuration(config).to_dict()
    return found


def _configuration(config: Mapping[str, Any]) -> Any:  # noqa: ANN401 - transformers' configurations are untyped
    from transformers import AutoConfig

    return AutoConfig.for_model(**config)


def token_rows(module: nn.Module) -> list[list[int]]:
    """Draw sentences of several lengths, none of whose ids is the padding."""
    config: Any = module.config
    generator = torch.Generator().manual_seed(1)
    allowed = [i for i in range(config.vocab_size) if i != config.pad_token_id]
    return [
        [allowed[i] for i in torch.randint(len(allowed), (length,), generator=generator).tolist()] for length in LENGTHS
    ]


def streams(module: nn.Module) -> tuple[str, ...]:
    """Names of the model's streams."""
    config: Any = module.config
    return ("encoder", "decoder") if config.is_encoder_decoder else ("main",)


def hidden_states(module: nn.Module, rows: Sequence[Sequence[int]], stream: str) -> Float[Tensor, "layer token hidden"]:
    """Ask transformers for the hidden states, one sentence at a time, so that no padding is involved.

    A last state that the family projects to another width is left out.
    """
    found = [_states(module, torch.tensor([row]), stream) for row in rows]
    return torch.cat(found, dim=1)


def targets(rows: Sequence[Sequence[int]]) -> list[list[int]]:
    """Make decoder input ids of sentences."""
    return [list(reversed(row)) for row in rows]


def _states(module: nn.Module, ids: Tensor, stream: str) -> Tensor:
    extra = {} if stream == "main" else {"decoder_input_ids": torch.tensor(targets(ids.tolist()))}
    with torch.no_grad():
        output = module(input_ids=ids, output_hidden_states=True, use_cache=False, **extra)
    states = getattr(output, "hidden_states" if stream == "main" else f"{stream}_hidden_states")
    return torch.stack([state for state in states if state.shape[-1] == states[0].shape[-1]])[:, 0]
