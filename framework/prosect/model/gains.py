"""Gains of the norms that scopes lie around."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from prosect.model.weights import norm_weights, submodule
from prosect.vocab.architecture import Stream
from prosect.vocab.scopes import scope_norms

Gains = dict[tuple[int, str], Float[Tensor, " hidden"]]


def scope_gains(model: nn.Module, stream: Stream, dtype: torch.dtype) -> Gains:
    """Read the gain (offset included) of the norm behind or before every scope, by block and scope.

    Parameters
    ----------
    model
        The headless model.
    stream
        Its description.
    dtype
        Dtype of the replay.
    """
    found: Gains = {}
    for number, block in enumerate(stream.blocks, 1):
        module = submodule(model, block.path)
        for scope, norm in scope_norms(block).items():
            found[number, scope] = norm_weights(module, norm, dtype).gain.expand(stream.hidden)
    return found
