"""TransformerLens' residual decompositions; nothing of prosect is imported here."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor


@dataclass(frozen=True)
class Decomposed:
    """Terms (component, sentence, token, hidden) and the state that they are said to sum to."""

    terms: Tensor
    state: Tensor

    @property
    def gap(self) -> float:
        """Largest |sum of terms - state| / |state| of any token."""
        distance = (self.terms.sum(dim=0) - self.state).norm(dim=-1)
        return float((distance / self.state.norm(dim=-1)).max())


def bridge(module: Any, device: str) -> Any:
    """Wrap a model with its head; the peer takes no headless one."""
    from transformer_lens.model_bridge import TransformerBridge

    with tempfile.TemporaryDirectory() as folder:
        # It reads the configuration from files, whatever model it is given.
        module.config.save_pretrained(folder)
        return TransformerBridge.boot_transformers(folder, hf_model=module.to(device), device=device)


def full(model: Any, ids: Tensor) -> Decomposed:
    """Take heads, feed-forward blocks, embeddings and biases from a cache of everything."""
    with torch.no_grad():
        _, cache = model.run_with_cache(ids)
        return Decomposed(cache.get_full_resid_decomposition(expand_neurons=False), cache["resid_post", -1])


def by_sublayer(model: Any, ids: Tensor) -> Decomposed:
    """Take sub-layers and embeddings from a cache of their outputs alone."""
    with torch.no_grad():
        _, cache = model.run_with_cache(ids, names_filter=of_sublayers)
        return Decomposed(cache.decompose_resid(), cache["resid_post", -1])


def of_sublayers(name: str) -> bool:
    """Tell what `decompose_resid` reads."""
    ends = ("hook_embed", "hook_pos_embed", "hook_token_type_embed", "hook_attn_out", "hook_mlp_out", "hook_resid_post")
    return name.endswith((*ends, "hook_out"))


PEER: dict[str, Callable[[Any, Tensor], Decomposed]] = {"full": full, "by sublayer": by_sublayer}
