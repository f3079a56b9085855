"""Estimators of intrinsic dimension from distances to nearest neighbours r_1 <= r_2 <= … of N points.

All take `Neighbours` of points that differ. What has no answer (two points, or distances that are all equal, as on a
lattice) is NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from prosect_plugins.metrics.geometry.neighbour_options import DimensionOptions
from prosect_plugins.metrics.geometry.neighbours import FloatArray, Neighbours, Points

#: Shape and rate of the prior of the Bayesian fit (DADApy).
PRIOR_SHAPE, PRIOR_RATE = 2.0, 5.0
#: In the code of LLM-Microscope a neighbour nearer than this, in units of the mean length of centred points, is a twin.
TWIN = 1e-8
NAN = float("nan")


@dataclass(frozen=True)
class Fit:
    """A dimension with its nominal error, and how many ratios entered the fit."""

    value: float
    error: float = NAN
    kept: int = 0


def kept_number(keep: float, number: int) -> int:
    """How many of so many ratios a share keeps: floor(keep N), whatever 0.2 N rounds to in binary."""
    return int(np.floor(keep * number + 1e-9))


def twonn(points: Points, options: DimensionOptions) -> Fit:
    """Fit the ratios mu = r_2 / r_1, which follow F(mu) = 1 - mu^-D (Facco et al. 2017)."""
    if options.fit == "llm_microscope":
        return _llm_microscope(points, options.keep)
    squares = points.neighbours(2).squares
    if squares.shape[1] < 2:  # noqa: PLR2004 - r_1 and r_2
        return Fit(NAN)
    logs = np.sort(_log_ratios(squares[:, 0], squares[:, 1]))
    return FITS[options.fit](logs, options.keep)


def _log_ratios(nearer: FloatArray, farther: FloatArray) -> FloatArray:
    """log(r_b / r_a) from squared distances; points with a twin are left out."""
    apart = nearer > 0
    found: FloatArray = 0.5 * (np.log(farther[apart]) - np.log(nearer[apart]))
    return found


def _linear(logs: FloatArray, keep: float) -> Fit:
    """Slope through the origin of -log(1 - i / N) on log mu_(i), over the kept ratios."""
    number = len(logs)
    kept = min(kept_number(keep, number), number - 1)
    return Fit(_slope(logs[:kept], np.arange(1, kept + 1) / number), kept=kept) if kept > 1 else Fit(NAN, kept=kept)


def _slope(logs: FloatArray, shares: FloatArray) -> float:
    square = float(logs @ logs)
    return float(logs @ -np.log1p(-shares)) / square if square > 0 else NAN


def _maximum_likelihood(logs: FloatArray, _keep: float) -> Fit:
    """(N - 1) / sum log mu."""
    total, number = float(logs.sum()), len(logs)
    if number < 2 or not total > 0:  # noqa: PLR2004 - N - 1
        return Fit(NAN, kept=number)
    value = (number - 1) / total
    return Fit(value, value / np.sqrt(number), number)


def _censored(logs: FloatArray, keep: float) -> Fit:
    """(K - 1) / (sum_(i <= K) x_(i) + (N - K) x_(K)) of the K kept ratios."""
    number = len(logs)
    kept = kept_number(keep, number)
    if kept < 2:  # noqa: PLR2004 - K - 1
        return Fit(NAN, kept=kept)
    total = float(logs[:kept].sum() + (number - kept) * logs[kept - 1])
    value = (kept - 1) / total if total > 0 else NAN
    return Fit(value, value / np.sqrt(kept), kept)


def _bayesian(logs: FloatArray, _keep: float) -> Fit:
    """Mean and standard deviation of the posterior Gamma(2 + N, 5 + sum log mu)."""
    total, number = float(logs.sum()), len(logs)
    if not total > 0:
        return Fit(NAN, kept=number)
    rate = PRIOR_RATE + total
    return Fit((PRIOR_SHAPE + number) / rate, float(np.sqrt(PRIOR_SHAPE + number)) / rate, number)


FITS: dict[str, Callable[[FloatArray, float], Fit]] = {
    "linear": _linear,
    "maximum_likelihood": _maximum_likelihood,
    "censored": _censored,
    "bayesian": _bayesian,
}


def _llm_microscope(points: Points, keep: float) -> Fit:
    """Fit a line to ratios above 1 only, while the others keep their ranks, in front of them.

    So the line starts above the origin where points have twins, and its slope grows with their number.
    """
    squares = points.neighbours(2).squares
    if squares.shape[1] < 2:  # noqa: PLR2004 - r_1 and r_2
        return Fit(NAN)
    wide = points.vectors.double()
    scale = float((wide - wide.mean(dim=0)).norm(dim=1).mean())
    apart = squares[:, 0] > (TWIN * scale) ** 2
    logs = np.sort(_log_ratios(squares[apart, 0], squares[apart, 1]))
    logs = logs[logs > np.log1p(TWIN)]
    number, first = len(squares), len(squares) - len(logs)
    kept = min(kept_number(keep, len(logs)), len(logs) - 1)
    if kept < 1:
        return Fit(NAN, kept=max(0, kept))
    return Fit(_slope(logs[:kept], np.arange(first + 1, first + kept + 1) / number), kept=kept)


def mle(points: Points, options: DimensionOptions) -> Fit:
    """[1 / (k - 1) sum_(j < k) log(r_k / r_j)]^-1 of every point (Levina & Bickel 2004), brought together."""
    mean = options.aggregate == "mean"
    return _over_neighbours(points, options, lambda logs, k: _mle(logs, k, mean=mean, unbiased=options.unbiased))


def _mle(table: FloatArray, k: int, *, mean: bool, unbiased: bool) -> float:
    sums = (0.5 * np.log(table[:, k - 1 :]) - 0.5 * np.log(table[:, : k - 1])).sum(axis=1)
    return _together((k - 2 if unbiased else k - 1) / _or_nan(sums), harmonic=not mean)


def mom(points: Points, options: DimensionOptions) -> Fit:
    """M / (r_k - m), m the mean of r_1 … r_k, of every point (method of moments, Amsaleg et al. 2018)."""
    harmonic = options.aggregate == "harmonic"

    def local(table: FloatArray, k: int) -> float:
        distances = np.sqrt(table[:, :k])
        means = distances.mean(axis=1)
        return _together(means / _or_nan(distances[:, -1] - means), harmonic=harmonic)

    return _over_neighbours(points, options, local)


def mada(points: Points, options: DimensionOptions) -> Fit:
    """Log 2 / log(r_k / r_(k / 2)) of every point (Farahmand et al. 2007), averaged."""

    def local(table: FloatArray, k: int) -> float:
        logs = 0.5 * (np.log(table[:, k - 1]) - np.log(table[:, k // 2 - 1]))
        return _together(np.log(2) / _or_nan(logs), harmonic=False)

    return _over_neighbours(points, options, local)


def _over_neighbours(points: Points, options: DimensionOptions, local: Callable[[FloatArray, int], float]) -> Fit:
    """Average over the numbers of neighbours; k is N - 1 where there are fewer."""
    found = []
    for wanted in options.ks:
        table = points.neighbours(wanted).squares
        apart = table[table[:, 0] > 0] if table.shape[1] else table
        k = apart.shape[1]
        found.append(local(apart, k) if k > 2 and len(apart) else NAN)  # noqa: PLR2004 - k - 2 is divided by
    return Fit(float(np.mean(found)))


def _or_nan(values: FloatArray) -> FloatArray:
    """Positive values; NaN for others, where all distances are equal."""
    return np.where(values > 0, values, np.nan)


def _together(values: FloatArray, *, harmonic: bool) -> float:
    known = values[np.isfinite(values)]
    if not len(known):
        return NAN
    return float(1 / np.mean(1 / known)) if harmonic else float(np.mean(known))


def gride(points: Points, scale: int) -> Fit:
    """Maximum likelihood of mu = r_(n_2) / r_(n_1), n_1 = n_2 / 2 (Denti et al. 2022), with its Fisher information.

    f(mu) = D (mu^D - 1)^(n_2 - n_1 - 1) / (B(n_2 - n_1, n_1) mu^((n_2 - 1) D + 1)).
    """
    table: Neighbours = points.neighbours(scale)
    if table.squares.shape[1] < scale:
        return Fit(NAN)
    logs = _log_ratios(table.squares[:, scale // 2 - 1], table.squares[:, scale - 1])
    logs = logs[logs > 0]
    if len(logs) < 2:  # noqa: PLR2004 - a likelihood of one ratio says nothing
        return Fit(NAN, kept=len(logs))
    return _gride(logs, scale - scale // 2 - 1, scale - 1)


def _gride(logs: FloatArray, power: int, slope: int) -> Fit:
    """Solve (N - 1) / N / D + power mean(x / (1 - e^(-D x))) = slope mean x for D, x = log mu.

    Both packages put N - 1 where the likelihood has N, as in the estimate of TwoNN by maximum likelihood, which this is
    at n_2 = 2.
    """
    from scipy.optimize import brentq

    mean, share = float(logs.mean()), (len(logs) - 1) / len(logs)

    def score(value: float) -> float:
        return share / value + power * float(np.mean(logs / -np.expm1(-value * logs))) - slope * mean

    low, high = 1e-6 / mean, 1 / mean
    while score(high) > 0:
        low, high = high, 2 * high
    value = float(brentq(score, low, high, xtol=1e-14 * high, rtol=8.9e-16))
    bent = np.square(logs) * np.exp(-value * logs) / np.square(np.expm1(-value * logs))
    information = len(logs) / value**2 + power * float(bent.sum())
    return Fit(value, float(1 / np.sqrt(information)), len(logs))


def is_within(points: Points, sentence: npt.NDArray[np.int64]) -> float:
    """Share of points with a nearest or second neighbour in their own sentence."""
    index = points.neighbours(2).index
    if not index.size:
        return NAN
    own = sentence[points.places]
    return float((own[index] == own[:, None]).any(axis=1).mean())
