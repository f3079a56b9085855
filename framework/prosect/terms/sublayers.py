"""Norms and feed-forward sub-layers as functions of their input, from the pieces that a description names."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from prosect.model.activations import activation_function
from prosect.model.weights import ExpertsWeights, FeedForwardWeights, NormWeights, chosen


def normed(weights: NormWeights, y: Float[Tensor, "*token hidden"]) -> Float[Tensor, "*token hidden"]:
    """Apply a norm; statistics are taken in float32 where the family does so."""
    statistic = y.float() if weights.shape.float32 else y
    if weights.shape.kind == "layer_norm":
        statistic = statistic - statistic.mean(dim=-1, keepdim=True)
    inverse = torch.rsqrt(statistic.square().mean(dim=-1, keepdim=True) + weights.shape.eps)
    out = (statistic * inverse).to(y.dtype) * weights.gain
    return out if weights.bias is None else out + weights.bias


def feed_forward(weights: FeedForwardWeights, x: Float[Tensor, "*token hidden"]) -> Float[Tensor, "*token hidden"]:
    """Apply a feed-forward sub-layer: g(x W_1 + b_1) W_2 + b_2, or its gated form."""
    activation = activation_function(weights.shape.activation)
    if weights.gate is None:
        return weights.down(activation(weights.up(x)))
    return weights.down(activation(weights.gate(x)) * weights.up(x))


def experts(
    weights: ExpertsWeights, x: Float[Tensor, "*token hidden"], routing: Float[Tensor, "*token expert"]
) -> Float[Tensor, "*token hidden"]:
    """Apply a mixture of experts under a given routing."""
    activation = activation_function(weights.shape.activation)
    bias, output = weights.output_bias(routing), torch.zeros_like(x)
    for number in chosen(routing):
        expert = weights.joined([number])
        gate, up = weights.limited(*expert.factors(x))
        output += routing[..., number, None] * expert.down(activation(gate) * up)
    return output if bias is None else output + bias
