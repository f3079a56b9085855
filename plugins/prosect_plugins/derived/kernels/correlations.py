"""Correlations along the last axis, pairs with a NaN left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

import numpy as np
from jaxtyping import Float, Int
from scipy import stats

Array = np.ndarray
Method = Literal["spearman", "pearson", "kendall"]


def correlate(
    x: Float[Array, "*batch n"], y: Float[Array, "*batch n"], method: Method = "spearman", minimum: int = 3
) -> tuple[Float[Array, "*batch"], Int[Array, "*batch"]]:
    """Correlation of two samples, and the number of pairs it is based on.

    Parameters
    ----------
    x, y
        Values; a pair with a NaN is left out.
    method
        ``spearman``: Pearson's of the ranks, ties by their mean rank; ``kendall``: tau-b.
    minimum
        NaN for fewer pairs.
    """
    x, y = np.broadcast_arrays(np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64))
    known = ~(np.isnan(x) | np.isnan(y))
    counts = known.sum(axis=-1)
    found = np.full(counts.shape, np.nan)
    if method != "kendall" and known.all():
        return (_BATCHED[method](x, y) if x.shape[-1] >= minimum else found), counts
    for place in np.ndindex(counts.shape):
        if counts[place] >= minimum:
            kept = known[place]
            found[place] = _one(x[place][kept], y[place][kept], method)
    return found, counts


def pearson(x: Float[Array, "*batch n"], y: Float[Array, "*batch n"]) -> Float[Array, "*batch"]:
    """Pearson's correlation; NaN where a sample is constant."""
    x, y = x - x.mean(axis=-1, keepdims=True), y - y.mean(axis=-1, keepdims=True)
    size = np.linalg.norm(x, axis=-1) * np.linalg.norm(y, axis=-1)
    dot = np.einsum("...n,...n->...", x, y)
    found: Array = np.divide(dot, size, out=np.full(size.shape, np.nan), where=size > 0)
    clipped: Array = np.clip(found, -1.0, 1.0)
    return clipped


def spearman(x: Float[Array, "*batch n"], y: Float[Array, "*batch n"]) -> Float[Array, "*batch"]:
    """Spearman's correlation; NaN where a sample is constant."""
    return pearson(stats.rankdata(x, axis=-1), stats.rankdata(y, axis=-1))


_BATCHED: Final[dict[str, Callable[[Array, Array], Array]]] = {"pearson": pearson, "spearman": spearman}


def _one(x: Array, y: Array, method: Method) -> float:
    if method != "kendall":
        return float(_BATCHED[method](x, y))
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return float("nan")
    return float(stats.kendalltau(x, y).statistic)
