"""Measures of the spectrum l_1 >= … >= l_d of a covariance (or, uncentred, of the second moments).

Kernels take a `Scatter`. With S = M / n they depend on the eigenvalues up to a common factor only, but for `isoscore`
with shrinkage.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from prosect.api.tensors import Context, Finaliser, Values
from prosect_plugins.metrics.geometry.cosine import mean_cosine
from prosect_plugins.metrics.geometry.covariance import EPSILON, Scatter, Spectra
from prosect_plugins.metrics.geometry.estimates import Estimator
from prosect_plugins.metrics.geometry.spectral_options import (
    AnisotropyOptions,
    EffectiveRankOptions,
    EntropyOptions,
    IsoScoreOptions,
    RankMeOptions,
    SpectrumOptions,
)

#: Vectors differ from their mean by rounding alone where they differ by fewer units in the last place than this.
CONSTANT_UNITS = 64.0


def is_constant(scatter: Scatter, *, center: bool) -> bool:
    """Whether nothing varies: all vectors are equal (centred) or 0, but for rounding."""
    size = scatter.count * float(scatter.mean.square().sum())
    trace = scatter.trace(center=center)
    return not trace > (size * (CONSTANT_UNITS * EPSILON) ** 2 if center else 0.0)


def anisotropy_of(scatter: Scatter, *, center: bool) -> float:
    """Share l_1 / sum_i l_i of the leading direction in the variance, in [1 / rank, 1]."""
    return scatter.leading(center=center) / scatter.trace(center=center)


def anisotropy_null(scatter: Scatter) -> float:
    """Anisotropy of as many vectors of an isotropic cloud, (1 + sqrt(d / n))^2 / d (Marchenko-Pastur edge)."""
    size, count = scatter.hidden, scatter.count
    edge: float = (1 + math.sqrt(size / count)) ** 2 / size
    return min(1.0, edge)


def participation_ratio_of(scatter: Scatter, *, center: bool) -> float:
    """(sum_i l_i)^2 / sum_i l_i^2, in [1, rank], without any eigenvalue."""
    return scatter.trace(center=center) ** 2 / scatter.square(center=center)


def participation_ratio_null(scatter: Scatter) -> float:
    """Participation ratio of as many vectors of an isotropic cloud, d / (1 + d / n)."""
    return scatter.hidden / (1 + scatter.hidden / scatter.count)


def isoscore_of(scatter: Scatter, options: IsoScoreOptions) -> float:
    """(PR - 1) / (d - 1), to which the steps of Rudman et al. 2022 collapse; NaN for d = 1.

    With shrinkage z, PR is that of (1 - z) S + z I with S = M / (n - 1) (Rudman & Eickhoff 2024).
    """
    size, shrinkage = scatter.hidden, options.shrinkage
    if size == 1 or (shrinkage and scatter.count == 1):
        return float("nan")
    trace, square = scatter.trace(center=options.center), scatter.square(center=options.center)
    if shrinkage:
        scale = (1 - shrinkage) / (scatter.count - 1)
        square = scale**2 * square + 2 * scale * shrinkage * trace + shrinkage**2 * size
        trace = scale * trace + shrinkage * size
    # Rounding may take one direction alone below PR = 1.
    return float(np.maximum((trace**2 / square - 1) / (size - 1), 0.0))


def stable_rank_of(scatter: Scatter, *, center: bool) -> float:
    """sum_i l_i / l_1: the squared Frobenius norm over the squared spectral norm."""
    return scatter.trace(center=center) / scatter.leading(center=center)


def effective_rank_of(scatter: Scatter, options: EffectiveRankOptions) -> float:
    """Exp H(p), p the singular values (or the eigenvalues) over their sum (Roy & Vetterli 2007)."""
    values = scatter.eigenvalues(center=options.center)
    return float(np.exp(_entropy(np.sqrt(values) if options.spectrum == "singular" else values)))


def rankme_of(scatter: Scatter, options: RankMeOptions) -> float:
    """exp(-sum_k p_k log p_k), p_k = s_k / sum s + epsilon over the min(n, d) singular values (Garrido et al. 2023)."""
    singular = np.sqrt(scatter.eigenvalues(center=options.center))
    shares = singular / singular.sum() + options.epsilon
    return float(np.exp(-(shares * np.log(shares)).sum()))


def matrix_entropy_of(scatter: Scatter, options: EntropyOptions) -> float:
    """Rényi entropy log(sum p_i^alpha) / (1 - alpha) of p = l / sum l; alpha = 1: -sum p_i log p_i."""
    values = scatter.eigenvalues(center=options.center)
    entropy = _entropy(values, options.alpha)
    if options.normalise == "none":
        return entropy
    cap = scatter.rank_cap(center=options.center)
    return entropy / np.log(cap) if cap > 1 else float("nan")


def _entropy(values: npt.NDArray[np.float64], alpha: float = 1.0) -> float:
    shares = values[values > 0] / values.sum()
    if alpha == 1:
        return float(-(shares * np.log(shares)).sum())
    if alpha == np.inf:
        return float(-np.log(shares.max()))
    return float(np.log((shares**alpha).sum()) / (1 - alpha))


def participation_ratio(options: SpectrumOptions, context: Context) -> Finaliser:
    """Make the accumulator of `participation_ratio`."""
    return _measure(
        "participation_ratio",
        lambda scatter: participation_ratio_of(scatter, center=options.center),
        options,
        context,
        participation_ratio_null,
    )


def isoscore(options: IsoScoreOptions, context: Context) -> Finaliser:
    """Make the accumulator of `isoscore`."""
    return _measure("isoscore", lambda scatter: isoscore_of(scatter, options), options, context, isoscore_null)


def isoscore_null(scatter: Scatter) -> float:
    """IsoScore of as many vectors of an isotropic cloud, without shrinkage."""
    size = scatter.hidden
    return (participation_ratio_null(scatter) - 1) / (size - 1) if size > 1 else float("nan")


def stable_rank(options: SpectrumOptions, context: Context) -> Finaliser:
    """Make the accumulator of `stable_rank`."""
    return _measure(
        "stable_rank",
        lambda scatter: stable_rank_of(scatter, center=options.center),
        options,
        context,
        lambda scatter: 1 / anisotropy_null(scatter),
    )


def effective_rank(options: EffectiveRankOptions, context: Context) -> Finaliser:
    """Make the accumulator of `effective_rank`."""
    return _measure("effective_rank", lambda scatter: effective_rank_of(scatter, options), options, context)


def rankme(options: RankMeOptions, context: Context) -> Finaliser:
    """Make the accumulator of `rankme`."""
    return _measure("rankme", lambda scatter: rankme_of(scatter, options), options, context)


def matrix_entropy(options: EntropyOptions, context: Context) -> Finaliser:
    """Make the accumulator of `matrix_entropy`."""
    return _measure("matrix_entropy", lambda scatter: matrix_entropy_of(scatter, options), options, context)


def anisotropy(options: AnisotropyOptions, context: Context) -> Finaliser:
    """Make the accumulator of `anisotropy`."""
    if options.method == "cosine":
        return mean_cosine(options, context)
    return _measure(
        "anisotropy",
        lambda scatter: anisotropy_of(scatter, center=options.center),
        options,
        context,
        anisotropy_null,
    )


def _measure(
    name: str,
    function: Callable[[Scatter], float],
    options: SpectrumOptions,
    context: Context,
    null: Callable[[Scatter], float] | None = None,
) -> Finaliser:
    """Make an accumulator of a function of the scatter, NaN where nothing varies."""
    spectra = Spectra.of(options, context)
    estimator = Estimator(spectra.cells, spectra.sums.shape, spectra.scatter, options)

    def defined(scatter: Scatter) -> float:
        return float("nan") if is_constant(scatter, center=options.center) else function(scatter)

    def finalise() -> Values:
        found: dict[str, Any] = {
            name: estimator.values(defined),
            f"{name}_n_used": estimator.used(lambda scatter: scatter.count),
        }
        if null is not None:
            found[f"{name}_null"] = estimator.values(null)
        if options.error != "none":
            found[f"{name}_error"] = estimator.errors(defined)
        return found

    return Finaliser(finalise, {**spectra.cells.axes, **spectra.sums.axes})
