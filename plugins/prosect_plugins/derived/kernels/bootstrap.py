"""Bootstrap of a mean over clusters: whole sentences are drawn, not tokens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from scipy import stats

Array = np.ndarray
Interval = Literal["percentile", "basic", "bca"]

#: Cells of one table of resampled sums that are held at once.
_CELLS = 4_000_000


def cluster_sums(
    values: Float[Array, "*batch n"], clusters: Int[Array, " n"]
) -> tuple[Float[Array, "*batch c"], Float[Array, "*batch c"]]:
    """Sum and number of the known values of every cluster; clusters are numbered from 0."""
    known = ~np.isnan(values)
    number = int(clusters.max(initial=-1)) + 1
    order = np.argsort(clusters, kind="stable")
    starts = np.searchsorted(clusters[order], np.arange(number))
    filled = np.where(known, values, 0.0)[..., order]
    sums = np.add.reduceat(filled, starts, axis=-1)
    counts = np.add.reduceat(known[..., order].astype(np.float64), starts, axis=-1)
    return sums, counts


def bootstrap_means(
    sums: Float[Array, "*batch c"], counts: Float[Array, "*batch c"], *, resamples: int, seed: int
) -> Float[Array, "*batch resamples"]:
    """Means of resampled clusters: sum of sums over sum of counts, of c clusters drawn with replacement."""
    clusters = sums.shape[-1]
    generator = np.random.default_rng(seed)
    found = []
    for size in _pieces(resamples, clusters):
        drawn = generator.multinomial(clusters, np.full(clusters, 1 / clusters), size=size).astype(np.float64)
        with np.errstate(invalid="ignore", divide="ignore"):
            found.append((sums @ drawn.T) / (counts @ drawn.T))
    return np.concatenate(found, axis=-1)


def jackknife_means(sums: Float[Array, "*batch c"], counts: Float[Array, "*batch c"]) -> Float[Array, "*batch c"]:
    """Means without one cluster each."""
    with np.errstate(invalid="ignore", divide="ignore"):
        found: Array = (sums.sum(-1, keepdims=True) - sums) / (counts.sum(-1, keepdims=True) - counts)
    return found


def interval(
    estimate: Float[Array, "*batch"],
    resampled: Float[Array, "*batch resamples"],
    *,
    level: float,
    method: Interval,
    jackknife: Callable[[], Float[Array, "*batch c"]],
) -> tuple[Float[Array, "*batch"], Float[Array, "*batch"]]:
    """Compute the ends of a confidence interval (Efron & Tibshirani 1993, chapters 13 and 14).

    Parameters
    ----------
    estimate, resampled
        The statistic, and its values on resamples.
    level
        For example 0.95.
    method
        ``percentile``; ``basic``: percentiles reflected at the estimate; ``bca``: bias-corrected and accelerated.
    jackknife
        Gives the statistic without one cluster each; called for ``bca`` alone.
    """
    tails = np.array([(1 - level) / 2, (1 + level) / 2])
    if method != "bca":
        low, high = (np.asarray(end) for end in np.quantile(resampled, tails, axis=-1))
        return (
            (low, high) if method == "percentile" else (np.asarray(2 * estimate - high), np.asarray(2 * estimate - low))
        )
    below = (resampled < estimate[..., None]).mean(-1) + (resampled == estimate[..., None]).mean(-1) / 2
    bias = stats.norm.ppf(below)
    gaps = jackknife()
    gaps = gaps.mean(-1, keepdims=True) - gaps
    spread = np.asarray(6 * (gaps**2).sum(-1) ** 1.5)
    acceleration = np.divide((gaps**3).sum(-1), spread, out=np.zeros(spread.shape), where=spread > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        shifted = bias[..., None] + stats.norm.ppf(tails)
        places = stats.norm.cdf(bias[..., None] + shifted / (1 - acceleration[..., None] * shifted))
    ends = _quantiles(resampled, places)
    return np.asarray(ends[..., 0]), np.asarray(ends[..., 1])


def _quantiles(values: Float[Array, "*batch n"], places: Float[Array, "*batch 2"]) -> Float[Array, "*batch 2"]:
    found = np.full(places.shape, np.nan)
    for index in np.ndindex(values.shape[:-1]):
        if not np.isnan(places[index]).any() and not np.isnan(values[index]).any():
            found[index] = np.quantile(values[index], places[index])
    return found


def _pieces(resamples: int, clusters: int) -> Iterator[int]:
    size = max(1, min(resamples, _CELLS // max(1, clusters)))
    for start in range(0, resamples, size):
        yield min(size, resamples - start)
