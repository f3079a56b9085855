"""Feed-forward blocks made linear: exact in value, and the integrals are integrals."""

import numpy as np
import pytest
import torch
from scipy import integrate

from prosect.api import FeedForward, Projection
from prosect.model.activations import activation_function
from prosect.model.weights import Affine, FeedForwardWeights
from prosect.terms.linearise import KAPPA, derivative, linearise, path_integral, secant

POINTS = torch.tensor([-30.0, -8.0, -1.3, -0.02, -1e-9, 0.0, 1e-9, 0.02, 1.3, 8.0, 30.0], dtype=torch.float64)
SMOOTH = ["gelu", "gelu_new", "silu", "quick_gelu", "gelu_pytorch_tanh"]


def weights(activation, *, gated, seed=0):
    generator = torch.Generator().manual_seed(seed)

    def affine(rows, columns):
        draw = torch.randn(rows + 1, columns, generator=generator, dtype=torch.float64)
        return Affine(draw[:rows], draw[rows])

    shape = FeedForward(
        path="ff",
        up=Projection(path="up"),
        down=Projection(path="down"),
        gate=Projection(path="gate") if gated else None,
        activation=activation,
    )
    return FeedForwardWeights(shape, affine(6, 10), affine(10, 6), affine(6, 10) if gated else None)


@pytest.mark.parametrize("activation", [*SMOOTH, "relu", "relu2", "tanh", "sigmoid"])
@pytest.mark.parametrize("rule", ["tangent", "secant", "relu_mask"])
def test_parts_and_constant_sum_to_the_block_for_every_rule(activation, rule):
    ff = weights(activation, gated=False)
    parts = torch.randn(4, 5, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    lin = linearise(ff, parts.sum(0), rule, "path")
    true = ff.down(activation_function(activation)(ff.up(parts.sum(0))))
    torch.testing.assert_close(lin.apply(parts).sum(0) + lin.constant(), true, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("activation", [*SMOOTH, "relu"])
@pytest.mark.parametrize("rule", ["path", "half", "frozen", "tangent"])
def test_parts_and_constant_sum_to_the_gated_block_for_every_rule(activation, rule):
    ff = weights(activation, gated=True)
    parts = torch.randn(4, 5, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    lin = linearise(ff, parts.sum(0), "secant", rule)
    x = parts.sum(0)
    true = ff.down(activation_function(activation)(ff.gate(x)) * ff.up(x))
    torch.testing.assert_close(lin.apply(parts).sum(0) + lin.constant(), true, rtol=1e-10, atol=1e-10)
    if rule != "tangent":
        # complete rules leave nothing to the constant but biases
        assert lin.rest.abs().max() < 1e-9


@pytest.mark.parametrize("activation", sorted(KAPPA))
def test_the_secant_slope_is_the_activation_over_its_argument(activation):
    g = activation_function(activation)
    slope = secant(g, activation, POINTS)
    away = POINTS.abs() > 1e-3
    torch.testing.assert_close(slope[away], (g(POINTS) / POINTS)[away], rtol=1e-9, atol=1e-12)
    assert torch.isfinite(slope).all()


@pytest.mark.parametrize("activation", ["tanh", "sigmoid"])
def test_the_secant_slope_has_its_limit_at_zero(activation):
    g = activation_function(activation)
    at_zero = derivative(g, torch.zeros(1, dtype=torch.float64))
    near = secant(g, activation, torch.tensor([0.0, 1e-12, 1e-6], dtype=torch.float64))
    torch.testing.assert_close(near, at_zero.expand(3), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("activation", SMOOTH)
def test_path_integrals_are_those_of_adaptive_quadrature(activation):
    g = activation_function(activation)
    value, slope = path_integral(g, POINTS)
    for place, a in enumerate(POINTS.tolist()):
        at = lambda tau, a=a: float(g(torch.tensor(tau * a, dtype=torch.float64)))  # noqa: E731 - an integrand
        steep = lambda tau, a=a: tau * float(derivative(g, torch.tensor(tau * a, dtype=torch.float64)))  # noqa: E731 - see above
        assert value[place].item() == pytest.approx(integrate.quad(at, 0, 1, epsabs=1e-13)[0], abs=1e-8)
        assert slope[place].item() == pytest.approx(integrate.quad(steep, 0, 1, epsabs=1e-13)[0], abs=1e-8)


def test_the_even_split_of_a_gated_relu_is_its_path_integral():
    value, slope = path_integral(torch.relu, torch.tensor([3.0], dtype=torch.float64))
    assert (value.item(), slope.item()) == (pytest.approx(1.5), pytest.approx(0.5))
    assert np.isfinite(value.item())
