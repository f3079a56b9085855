"""Dynamic time warping of curves."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from jaxtyping import Float

Array = np.ndarray
Cost = Literal["absolute", "squared"]
Pattern = Literal["symmetric1", "symmetric2"]

#: What a diagonal step costs, in units of the local cost.
_DIAGONAL: Final = {"symmetric1": 1.0, "symmetric2": 2.0}


def warping_distance(
    first: Float[Array, "*#batch n"],
    second: Float[Array, "*#batch m"],
    *,
    cost: Cost = "absolute",
    pattern: Pattern = "symmetric1",
    window: int | None = None,
) -> Float[Array, ...]:
    """Cost of the cheapest monotone path that pairs all points of two curves.

    D(i, j) = c(i, j) + min(D(i-1, j), D(i, j-1), D(i-1, j-1)), with c = |a_i - b_j| or its square; ``symmetric2``
    counts c twice in a diagonal step (Sakoe & Chiba 1978). The total is not divided by anything.

    Parameters
    ----------
    first, second
        Curves of n and m points, whose batches are broadcast.
    cost, pattern
        The local cost, and what a diagonal step costs.
    window
        Only cells with |i - j| up to this are passed (Sakoe-Chiba band); None for all.

    Returns
    -------
    ndarray
        Infinite where the window leaves no path, NaN where a curve has a NaN.
    """
    first, second = np.broadcast_arrays(first[..., :, None], second[..., None, :])
    a, b = first[..., 0], second[..., 0, :]
    n, m = a.shape[-1], b.shape[-1]
    weight = _DIAGONAL[pattern]
    # One anti-diagonal after the other: cells of one do not depend on each other. Place 0 is the border.
    before = np.full((*a.shape[:-1], n + 1), np.inf)
    last = before.copy()
    last[..., 0] = np.inf
    for k in range(n + m - 1):
        low, high = max(0, k - m + 1), min(k, n - 1) + 1
        rows = np.arange(low, high)
        gap = np.abs(a[..., low:high] - b[..., k - rows])
        local = gap if cost == "absolute" else gap * gap
        now = np.full_like(last, np.inf)
        if k == 0:
            now[..., 1] = local[..., 0]
        else:
            straight = np.minimum(last[..., low:high], last[..., low + 1 : high + 1]) + local
            reached = np.minimum(straight, before[..., low:high] + weight * local)
            inside = True if window is None else np.abs(2 * rows - k) <= window
            now[..., low + 1 : high + 1] = np.where(inside, reached, np.inf)
        before, last = last, now
    undefined = np.isnan(a).any(axis=-1) | np.isnan(b).any(axis=-1)
    return np.where(undefined, np.nan, last[..., n])
