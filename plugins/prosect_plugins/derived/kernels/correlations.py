"""Correlations along the last axis, pairs with a NaN left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

import numpy as np
from jaxtyping import Float, Int, Num
from scipy import stats

Array = np.ndarray
Method = Literal["spearman", "pearson", "kendall"]


def correlate(
    x: Num[Array, "*#batch n"], y: Num[Array, "*#batch n"], method: Method = "spearman", minimum: int = 3
) -> tuple[Float[Array, ...], Int[Array, ...]]:
    """Correlation of two samples, and the number of pairs it is based on.

    Parameters
    ----------
    x, y
        Values, whose batches are broadcast; a pair with a NaN is left out.
    method
        ``spearman``: Pearson's of the ranks, ties by their mean rank; ``kendall``: tau-b.
    minimum
        NaN for fewer pairs.
    """
    x, y = np.broadcast_arrays(x, y)
    counts = np.zeros(x.shape[:-1], dtype=np.int64)
    found = np.full(counts.shape, np.nan)
    # Cell by cell: of millions of tokens only one cell is held in double precision, with its ranks.
    for place in np.ndindex(counts.shape):
        ours, theirs = x[place].astype(np.float64), y[place].astype(np.float64)
        known = ~(np.isnan(ours) | np.isnan(theirs))
        counts[place] = known.sum()
        if counts[place] >= minimum:
            found[place] = _METHODS[method](ours[known], theirs[known])
    return found, counts


def pearson(x: Float[Array, " n"], y: Float[Array, " n"]) -> float:
    """Pearson's correlation; NaN where a sample is constant."""
    x, y = x - x.mean(), y - y.mean()
    size = float(np.linalg.norm(x) * np.linalg.norm(y))
    return float(np.clip(x @ y / size, -1.0, 1.0)) if size > 0 else float("nan")


def spearman(x: Float[Array, " n"], y: Float[Array, " n"]) -> float:
    """Spearman's correlation; NaN where a sample is constant."""
    return pearson(stats.rankdata(x), stats.rankdata(y))


def kendall(x: Float[Array, " n"], y: Float[Array, " n"]) -> float:
    """Kendall's tau-b; NaN where a sample is constant."""
    constant = np.ptp(x) == 0 or np.ptp(y) == 0
    return float("nan") if constant else float(stats.kendalltau(x, y).statistic)


_METHODS: Final[dict[str, Callable[[Array, Array], float]]] = {
    "spearman": spearman,
    "pearson": pearson,
    "kendall": kendall,
}
