"""Activations by the names that descriptions use: those of transformers, and what a family has for itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor

from prosect.errors import SelfTestError

Activation = Callable[[Tensor], Tensor]


def bloom_kappa(s: Tensor) -> Tensor:
    """Compute k(s) of BLOOM's GELU, s k(s), in which the root of 2 / pi has eight digits."""
    return 0.5 * (1.0 + torch.tanh(0.79788456 * s * (1 + 0.044715 * s * s)))


OWN: Final[dict[str, Activation]] = {"gelu_bloom": lambda s: s * bloom_kappa(s)}


def activation_function(name: str) -> Activation:
    """Return the activation of that name.

    Raises
    ------
    SelfTestError
        Neither transformers nor this module has it.
    """
    from transformers.activations import ACT2FN as untyped

    known: Any = untyped
    if name in OWN:
        return OWN[name]
    if name not in known:
        raise SelfTestError(f"the description names the activation {name!r}, which transformers does not know")
    found: Activation = known[name]
    return found
