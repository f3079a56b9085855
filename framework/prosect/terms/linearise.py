"""Feed-forward blocks made linear: slopes and constants frozen at the true pre-activation.

With s = x W_1 + b_1 and an activation g, a term t of x contributes (r * (t W_1)) W_2, and the constant part is
(r * b_1 + q) W_2 + b_2, where

    tangent    r = g'(s),   q = g(s) - g'(s) s                      (Oh & Schuler 2023)
    secant     r = (g(s) - g(0)) / s,  q = g(0)   (integrated gradients from zero: Kobayashi 2024, DecompX)
    relu_mask  r = [g(s) != 0],  q = g(s) - r s

A gated block g(a) * u with a = x W_g + b_g, u = x W_1 + b_1 has two slopes, c_a and c_u:

    path       c_u = A(a),  c_a = u A'(a),  A(a) = int_0^1 g(tau a) dtau     (integrated gradients on the straight path)
    half       c_u = g(a) / 2,  c_a = u (g(a) - g(0)) / (2 a)
    frozen     c_u = g(a),  c_a = 0
    tangent    c_u = g(a),  c_a = u g'(a)

and the constant q makes the sum exact in each case.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from prosect.model.activations import Activation, activation_function, bloom_kappa
from prosect.model.weights import ExpertsWeights, FeedForwardWeights, chosen

Rule = Literal["tangent", "secant", "relu_mask"]
GatedRule = Literal["path", "half", "frozen", "tangent"]

# Gauss-Legendre nodes on [0, 1]: 32 leave 4e-10 of SiLU for |a| <= 60, 96 leave rounding.
NODES: Final = {torch.float32: 32, torch.float64: 96}


@dataclass(frozen=True)
class Linearised:
    """A feed-forward block as a linear map of its input's terms, token by token.

    Attributes
    ----------
    weights
        Its maps.
    up
        Slope of the first map's output, shape (*token, inner).
    gate
        Slope of the gate's pre-activation, or None for a block without a gate.
    rest
        The constant q, shape (*token, inner).
    """

    weights: FeedForwardWeights
    up: Float[Tensor, "*token inner"]
    gate: Float[Tensor, "*token inner"] | None
    rest: Float[Tensor, "*token inner"]

    @property
    def width(self) -> int:
        """Inner width."""
        return int(self.up.shape[-1])

    def flat(self) -> Linearised:
        """Join all axes of tokens into one."""
        gate = None if self.gate is None else self.gate.flatten(0, -2)
        return Linearised(self.weights, self.up.flatten(0, -2), gate, self.rest.flatten(0, -2))

    def tokens(self, some: slice) -> Linearised:
        """Take some tokens, where they have one axis."""
        gate = None if self.gate is None else self.gate[some]
        return Linearised(self.weights, self.up[some], gate, self.rest[some])

    def apply(self, terms: Float[Tensor, "component *token hidden"]) -> Float[Tensor, "component *token hidden"]:
        """Send terms through the linear part."""
        inner = self.up * (terms @ self.weights.up.weight)
        if self.gate is not None and self.weights.gate is not None:
            inner = inner + self.gate * (terms @ self.weights.gate.weight)
        return inner @ self.weights.down.weight

    def constant(self) -> Float[Tensor, "*token hidden"]:
        """Compute what does not depend on the terms: biases and the rest."""
        inner = self.rest
        if self.weights.up.bias is not None:
            inner = inner + self.up * self.weights.up.bias
        if self.gate is not None and self.weights.gate is not None and self.weights.gate.bias is not None:
            inner = inner + self.gate * self.weights.gate.bias
        out = inner @ self.weights.down.weight
        return out if self.weights.down.bias is None else out + self.weights.down.bias


def linearise(
    weights: FeedForwardWeights, x: Float[Tensor, "*token hidden"], rule: Rule, gated: GatedRule
) -> Linearised:
    """Linearise a feed-forward block at its true input ``x``."""
    g = activation_function(weights.shape.activation)
    if weights.gate is None:
        s = weights.up(x)
        slope = SLOPES[rule](g, weights.shape.activation, s)
        return Linearised(weights, slope, None, g(s) - slope * s)
    a, u = weights.gate(x), weights.up(x)
    c_a, c_u = GATED[gated](g, weights.shape.activation, a, u)
    return Linearised(weights, c_u, c_a, g(a) * u - c_u * u - c_a * a)


def linearise_experts(
    experts: ExpertsWeights,
    x: Float[Tensor, "*token hidden"],
    routing: Float[Tensor, "*token expert"],
    gated: GatedRule,
) -> Linearised:
    """Linearise a mixture of experts at its true input: one gated block, as wide as all experts that were chosen.

    Slopes and constants of every expert are multiplied by its frozen weight; where a limit cut off a
    pre-activation its slope is 0. What the outputs' biases add is not in the constant part.
    """
    numbers, g = chosen(routing), activation_function(experts.shape.activation)
    wide = experts.joined(numbers)
    a, u = wide.factors(x)
    factor_a, factor_u = experts.limited(a, u)
    c_a, c_u = GATED[gated](g, experts.shape.activation, factor_a, factor_u)
    w = routing[..., numbers].repeat_interleave(a.shape[-1] // len(numbers), dim=-1)
    up = w * c_u * (factor_u == u + experts.shape.up_offset)
    gate = w * c_a * (factor_a == a)
    return Linearised(wide, up, gate, w * g(factor_a) * factor_u - up * u - gate * a)


def derivative(g: Activation, s: Tensor) -> Tensor:
    """g'(s) of an elementwise activation, by automatic differentiation."""
    with torch.enable_grad():
        leaf = s.detach().clone().requires_grad_()
        (slope,) = torch.autograd.grad(g(leaf).sum(), leaf)
    return slope


def secant(g: Activation, name: str, s: Tensor) -> Tensor:
    """(g(s) - g(0)) / s, without a division for the activations of the form s k(s)."""
    if name in KAPPA:
        return KAPPA[name](s)
    zero = torch.zeros((), dtype=s.dtype, device=s.device)
    near = s.abs() < torch.finfo(s.dtype).eps ** 0.5
    safe = torch.where(near, torch.ones_like(s), s)
    return torch.where(near, derivative(g, torch.zeros_like(s)), (g(safe) - g(zero)) / safe)


def path_integral(g: Activation, a: Tensor) -> tuple[Tensor, Tensor]:
    """A(a) = int_0^1 g(tau a) dtau and A'(a) = int_0^1 tau g'(tau a) dtau, by Gauss-Legendre quadrature."""
    value, slope = torch.zeros_like(a), torch.zeros_like(a)
    for node, weight in _nodes(NODES.get(a.dtype, NODES[torch.float32])):
        value += weight * g(node * a)
        slope += weight * node * derivative(g, node * a)
    return value, slope


@lru_cache
def _nodes(number: int) -> tuple[tuple[float, float], ...]:
    nodes, weights = np.polynomial.legendre.leggauss(number)
    return tuple(zip(((nodes + 1) / 2).tolist(), (weights / 2).tolist(), strict=True))


def _tanh_gelu(s: Tensor) -> Tensor:
    return 0.5 * (1 + torch.tanh((2 / torch.pi) ** 0.5 * (s + 0.044715 * s**3)))


def _gelu(s: Tensor) -> Tensor:
    return 0.5 * (1 + torch.erf(s / 2**0.5))


def _step(s: Tensor) -> Tensor:
    return (s > 0).to(s.dtype)


KAPPA: Final[dict[str, Callable[[Tensor], Tensor]]] = {
    "gelu": _gelu,
    "gelu_python": _gelu,
    "gelu_new": _tanh_gelu,
    "gelu_bloom": bloom_kappa,
    "gelu_fast": _tanh_gelu,
    "gelu_pytorch_tanh": _tanh_gelu,
    "gelu_python_tanh": _tanh_gelu,
    "quick_gelu": lambda s: torch.sigmoid(1.702 * s),
    "silu": torch.sigmoid,
    "swish": torch.sigmoid,
    "relu": _step,
    "relu2": lambda s: s.clamp(min=0),
}
SLOPES: Final[dict[Rule, Callable[[Activation, str, Tensor], Tensor]]] = {
    "tangent": lambda g, _name, s: derivative(g, s),
    "secant": secant,
    "relu_mask": lambda g, _name, s: (g(s) != 0).to(s.dtype),
}


def _path(g: Activation, _name: str, a: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    value, slope = path_integral(g, a)
    return u * slope, value


def _half(g: Activation, name: str, a: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    return 0.5 * u * secant(g, name, a), 0.5 * g(a)


def _frozen(g: Activation, _name: str, a: Tensor, _u: Tensor) -> tuple[Tensor, Tensor]:
    return torch.zeros_like(a), g(a)


def _tangent(g: Activation, _name: str, a: Tensor, u: Tensor) -> tuple[Tensor, Tensor]:
    return u * derivative(g, a), g(a)


GATED: Final[dict[GatedRule, Callable[[Activation, str, Tensor, Tensor], tuple[Tensor, Tensor]]]] = {
    "path": _path,
    "half": _half,
    "frozen": _frozen,
    "tangent": _tangent,
}
