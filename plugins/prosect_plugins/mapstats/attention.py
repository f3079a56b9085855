"""What tokens of a category give and take, of one sentence."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float

FloatArray = npt.NDArray[np.floating[Any]]
BoolArray = npt.NDArray[np.bool_]
Reduce = Literal["sum", "mean"]


def reduce_map(
    values: Float[FloatArray, "*map token source"],
    takers: Bool[BoolArray, "taker token"],
    givers: Bool[BoolArray, "giver source"],
    *,
    within: Reduce = "sum",
    over: Reduce = "mean",
) -> Float[FloatArray, "*map taker giver"]:
    """Reduce a map to categories: over the givers j of a category, then over the takers i.

    With ``within="sum"`` and ``over="mean"``: (1 / |T|) sum_{i in T} sum_{j in G} m_ij, the share of attention which a
    category gets (Kobayashi et al. 2020). NaN for a mean over no token; a sum over none is 0.

    Parameters
    ----------
    values
        The map, row by row what a token takes.
    takers, givers
        Tokens of the categories.
    within, over
        Reduction over givers, and over takers.
    """
    given = _reduce(np.asarray(values, dtype=np.float64), givers, within)
    return np.swapaxes(_reduce(np.swapaxes(given, -1, -2), takers, over), -1, -2)


def mean_by_category(
    values: Float[FloatArray, "*map token"], members: Bool[BoolArray, "category token"]
) -> Float[FloatArray, "*map category"]:
    """Average over the tokens of each category; NaN where it has none."""
    return _reduce(np.asarray(values, dtype=np.float64), members, "mean")


def mean_given(values: Float[FloatArray, "*map token source"]) -> Float[FloatArray, "*map source"]:
    """Return what each token gives, on average over the tokens that take."""
    return np.asarray(np.asarray(values, dtype=np.float64).mean(axis=-2))


def _reduce(values: FloatArray, members: BoolArray, how: Reduce) -> FloatArray:
    totals = values @ members.T.astype(np.float64)
    if how == "sum":
        return totals
    sizes = members.sum(axis=-1)
    return np.where(sizes > 0, totals / np.maximum(sizes, 1), np.nan)
