"""Scaling and differences along the last axis."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

Array = np.ndarray


def z_scores(values: Float[Array, "*batch n"], *, ddof: int = 1, sign: int = 1) -> Float[Array, "*batch n"]:
    """Scores sign * (x - mean) / sd along the last axis; NaN values are left out, a constant gives NaN.

    Parameters
    ----------
    values
        Samples of n values.
    ddof
        The variance is divided by n - ddof.
    sign
        1 for value minus mean; -1 for mean minus value.
    """
    known = ~np.isnan(values)
    number = known.sum(axis=-1, keepdims=True)
    mean = np.where(known, values, 0.0).sum(axis=-1, keepdims=True) / np.maximum(number, 1)
    gaps = values - mean
    squares = np.where(known, gaps * gaps, 0.0).sum(axis=-1, keepdims=True)
    free = number - ddof
    deviation = np.sqrt(np.divide(squares, free, out=np.full(squares.shape, np.nan), where=free > 0))
    found: Array = np.divide(sign * gaps, deviation, out=np.full(values.shape, np.nan), where=deviation > 0)
    return found


def differences(values: Float[Array, "*batch n"], *, times: int = 1, lag: int = 1) -> Float[Array, "*batch m"]:
    """x[i + lag] - x[i] along the last axis, so many times over; m = n - times * lag."""
    for _ in range(times):
        values = values[..., lag:] - values[..., :-lag]
    return values
