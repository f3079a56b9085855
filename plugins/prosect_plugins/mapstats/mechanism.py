"""Why maps change in the feed-forward block (Kobayashi et al. 2024): norms of states, norms without some dimensions.

Tensors have the axes (batch, position) where a declaration says ``token``.
"""

from __future__ import annotations

import math

import torch

from prosect.api import Options, UsageError
from prosect.api.tensors import Float, Reading, Tensor
from prosect_plugins.mapstats.options import PartialNormOptions


def state_norm(reading: Reading, total: Float[Tensor, "*token hidden"], _options: Options) -> Float[Tensor, "*token"]:
    """Norm |h| of the whole state, biases included."""
    found: Tensor = torch.linalg.vector_norm(total, dim=-1)
    return found


def partial_norm(
    reading: Reading, total: Float[Tensor, "*token hidden"], options: PartialNormOptions
) -> Float[Tensor, " component *token"]:
    """Norm of every term over some of its dimensions only: sqrt(sum_{k not in D} t_k^2)."""
    kept = _kept(reading, total, options)
    if kept is None:
        return reading.norm() * float("nan")
    return reading.reduced(lambda terms, keep: torch.linalg.vector_norm(terms * keep, dim=-1), kept.to(total.dtype))


def _kept(
    reading: Reading, total: Float[Tensor, "*token hidden"], options: PartialNormOptions
) -> Float[Tensor, "*token hidden"] | None:
    """Mark the dimensions that count; None where they cannot be told."""
    if isinstance(options.without, str):
        sizes = total if options.without == "state" else reading.gain
        if sizes is None:
            return None
        number = max(1, math.floor(options.share * total.shape[-1]))
        largest = sizes.abs().topk(number, dim=-1).indices
        return torch.ones_like(sizes).scatter(-1, largest, 0.0).expand_as(total)
    listed = options.without if isinstance(options.without, list) else options.without.get(reading.layer or 0, [])
    beyond = [dimension for dimension in listed if not 0 <= dimension < total.shape[-1]]
    if beyond:
        raise UsageError(f"there is no dimension {beyond[0]}: states have {total.shape[-1]}, from 0")
    kept = total.new_ones(total.shape[-1])
    kept[listed] = 0.0
    return kept.expand_as(total)
