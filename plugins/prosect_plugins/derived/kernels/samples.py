"""Tests of two samples: exact permutation of labels, and Mann-Whitney."""

from __future__ import annotations

from itertools import combinations
from math import comb
from typing import Literal

import numpy as np
from jaxtyping import Float
from scipy import stats

Array = np.ndarray
Alternative = Literal["two-sided", "less", "greater"]

#: Values that differ by rounding count as equal, so that ties are found whatever the order of summation.
_ROUNDING = 1e-12


def permutation_test(
    first: Float[Array, " n"],
    second: Float[Array, " m"],
    *,
    alternative: Alternative = "two-sided",
    most: int = 1_000_000,
    draws: int = 99_999,
    seed: int = 0,
) -> tuple[float, float, int]:
    """Permutation (Pitman) test of a difference of means.

    p is the share of all C(n + m, n) ways to call n of the pooled values the first sample, the true one among them,
    whose difference of means is at least as extreme. Where there are more than ``most`` ways, ``draws`` random ones and
    the true one stand for them.

    Returns
    -------
    tuple
        Difference of means (first - second), p, and the number of ways that were counted.
    """
    pooled = np.concatenate([first, second])
    n, total = len(first), len(first) + len(second)
    observed = float(first.mean() - second.mean())
    ways = comb(total, n)
    if ways <= most:
        chosen = np.fromiter((i for way in combinations(range(total), n) for i in way), dtype=np.intp, count=ways * n)
        sums = pooled[chosen.reshape(ways, n)].sum(axis=1)
    else:
        generator = np.random.default_rng(seed)
        sums = np.array([generator.permutation(pooled)[:n].sum() for _ in range(draws)])
        sums = np.append(sums, first.sum())
    found = sums / n - (pooled.sum() - sums) / (total - n)
    slack = _ROUNDING * max(float(np.abs(pooled).max()), 1e-300)
    extreme = {
        "less": found <= observed + slack,
        "greater": found >= observed - slack,
        "two-sided": np.abs(found) >= abs(observed) - slack,
    }[alternative]
    return observed, float(extreme.mean()), len(sums)


def mann_whitney(
    first: Float[Array, " n"],
    second: Float[Array, " m"],
    *,
    alternative: Alternative = "two-sided",
    method: Literal["auto", "asymptotic", "exact"] = "auto",
) -> tuple[float, float, float]:
    """Mann-Whitney test of two samples.

    Returns
    -------
    tuple
        U of the first sample; p; and U / (n m), the share of pairs in which the first value is the greater one, ties
        counted half (common-language effect).
    """
    found = stats.mannwhitneyu(first, second, alternative=alternative, method=method)
    return float(found.statistic), float(found.pvalue), float(found.statistic) / (len(first) * len(second))


def greater_share(first: Float[Array, " n"], second: Float[Array, " m"]) -> float:
    """U / (n m) of two samples, from ranks alone."""
    n, m = len(first), len(second)
    ranks = stats.rankdata(np.concatenate([first, second]))
    return float((ranks[:n].sum() - n * (n + 1) / 2) / (n * m))


def adjusted(p: Float[Array, " n"], method: Literal["holm", "benjamini_hochberg", "none"]) -> Float[Array, " n"]:
    """p-values adjusted for being many; NaN values are none of them (Holm 1979; Benjamini & Hochberg 1995)."""
    found = np.array(p, dtype=np.float64)
    known = np.flatnonzero(~np.isnan(found))
    if method == "none" or not known.size:
        return found
    order = known[np.argsort(found[known], kind="stable")]
    number = len(order)
    if method == "holm":
        steps = np.maximum.accumulate(found[order] * np.arange(number, 0, -1))
    else:
        steps = np.minimum.accumulate((found[order] * number / np.arange(1, number + 1))[::-1])[::-1]
    found[order] = np.minimum(steps, 1.0)
    return found
