"""Norms made linear: frozen at the statistics of their true input."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from prosect.model.weights import NormWeights
from prosect.vocab.components import Component


@runtime_checkable
class Normable(Protocol):
    """Terms that can be sent through a norm, in place."""

    def add(self, component: Component, vectors: Tensor) -> None:
        """Add vectors (or one vector for all tokens) to one term."""
        ...

    def centre(self) -> None:
        """Subtract from every term its own mean over ``hidden``."""
        ...

    def normalise(self, inverse: Tensor, gain: Tensor) -> None:
        """Multiply every term by one number per token and one per coordinate."""
        ...


def through_norm(
    terms: Normable,
    weights: NormWeights,
    y: Float[Tensor, "*token hidden"],
    bias: Component,
    *,
    own_mean: bool,
) -> None:
    """Send terms through a norm whose true input was ``y``.

    With m = mean(y), s = sqrt(var(y) + eps), gain g and bias b (m = 0 for an RMSNorm):

        t_k <- (t_k - m_k) g / s,  m_k = mean(t_k), or m_bias = m and 0 for the others;  t_bias += b

    Parameters
    ----------
    terms
        Terms that sum to ``y``; changed in place.
    weights
        The norm; statistics are taken of ``y`` in float32 where the family does so.
    y
        True input of the norm.
    bias
        The label that takes the norm's bias and, unless ``own_mean``, minus the mean.
    own_mean
        Centre every term by its own mean.
    """
    statistic = y.float() if weights.shape.float32 else y
    if weights.shape.kind == "layer_norm":
        mean = statistic.mean(dim=-1, keepdim=True)
        statistic = statistic - mean
        if own_mean:
            terms.centre()
        else:
            terms.add(bias, -mean.to(y.dtype))
    variance = statistic.square().mean(dim=-1, keepdim=True)
    terms.normalise(torch.rsqrt(variance + weights.shape.eps).to(y.dtype), weights.gain)
    if weights.bias is not None:
        terms.add(bias, weights.bias)
