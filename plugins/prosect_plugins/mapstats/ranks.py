"""Correlations: of what stands in memory, and of pairs that come in pieces and are too many to keep."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from jaxtyping import Float, Int
from scipy.stats import rankdata

FloatArray = npt.NDArray[np.floating[Any]]

#: Leading bits of a float32 that tell bins apart: sign, exponent and 11 bits of the fraction.
BITS: Final = 20


def correlate(
    x: Float[FloatArray, "*map value"],
    y: Float[FloatArray, "*map value"],
    method: Literal["spearman", "pearson", "cosine"],
) -> Float[FloatArray, "*map"]:
    """Correlate over the last axis; NaN for fewer than two values, a constant, or a NaN among them.

    ``spearman``: Pearson's correlation of ranks, of which equal values share their mean. ``cosine``: without centring.
    """
    x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
    if x.shape[-1] < 2:  # noqa: PLR2004 - nothing to correlate
        return np.full(np.broadcast_shapes(x.shape[:-1], y.shape[:-1]), np.nan)
    constant = (np.ptp(x, axis=-1) == 0) | (np.ptp(y, axis=-1) == 0)
    if method == "spearman":
        x, y = rankdata(x, axis=-1, nan_policy="propagate"), rankdata(y, axis=-1, nan_policy="propagate")
    if method != "cosine":
        x, y = x - x.mean(axis=-1, keepdims=True), y - y.mean(axis=-1, keepdims=True)
    below = np.sqrt(np.square(x).sum(axis=-1) * np.square(y).sum(axis=-1))
    undefined = (below == 0) if method == "cosine" else constant
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.clip(np.where(undefined, np.nan, (x * y).sum(axis=-1) / below), -1.0, 1.0)


class Pearson:
    """Pearson's correlation of pairs that come in pieces, from moments merged in float64 (Chan et al. 1983)."""

    def __init__(self) -> None:
        self._count = 0
        self._means, self._products = np.zeros(2), np.zeros((2, 2))

    def add(self, x: Float[FloatArray, " pair"], y: Float[FloatArray, " pair"]) -> None:
        """Take in some pairs."""
        both = np.stack([x, y]).astype(np.float64)
        size = both.shape[1]
        if not size:
            return
        own = both.mean(axis=1)
        centred, apart = both - own[:, None], own - self._means
        total = self._count + size
        self._products += centred @ centred.T + np.outer(apart, apart) * (self._count * size / total)
        self._means += apart * (size / total)
        self._count = total

    def value(self) -> float:
        """Return the correlation; NaN where one side is constant."""
        return _ratio(self._products[0, 1], self._products[0, 0], self._products[1, 1])


class ExactSpearman:
    """Spearman's correlation of pairs that come in pieces, which are kept until the end."""

    def __init__(self) -> None:
        self._pieces: list[tuple[FloatArray, FloatArray]] = []

    def add(self, x: Float[FloatArray, " pair"], y: Float[FloatArray, " pair"]) -> None:
        """Take in some pairs."""
        self._pieces.append((x, y))

    def value(self) -> float:
        """Return the correlation; NaN where one side is constant."""
        if not self._pieces:
            return float("nan")
        x, y = (np.concatenate(side) for side in zip(*self._pieces, strict=True))
        return float(correlate(x, y, "spearman"))


class BinnedSpearman:
    """Spearman's correlation of pairs that come in pieces and are read twice, with the mean ranks of bins.

    Values that agree in their first bits as float32 (a relative difference below 2^-11) count as equal. First all pairs
    are counted (`count`), then their products are summed (`add`); the order of the pieces does not matter.
    """

    def __init__(self) -> None:
        self._counts = np.zeros((2, 2**BITS), dtype=np.int64)
        self._products = 0.0

    def count(self, x: Float[FloatArray, " pair"], y: Float[FloatArray, " pair"]) -> None:
        """Count the bins of some pairs."""
        self._counts += np.stack([np.bincount(bins(values), minlength=2**BITS) for values in (x, y)])

    def add(self, x: Float[FloatArray, " pair"], y: Float[FloatArray, " pair"]) -> None:
        """Sum the products of the ranks of some pairs."""
        first, second = self._ranks
        self._products += float(first[bins(x)] @ second[bins(y)])

    def value(self) -> float:
        """Return the correlation; NaN where one side is constant."""
        squares = [float(side @ np.square(rank)) for side, rank in zip(self._counts, self._ranks, strict=True)]
        return _ratio(self._products, *squares)

    @cached_property
    def _ranks(self) -> Float[npt.NDArray[np.float64], "2 bin"]:
        """Mean rank of the values of each bin, about the mean of all ranks."""
        centre = (self._counts[0].sum() + 1) / 2
        found: npt.NDArray[np.float64] = np.cumsum(self._counts, axis=1) - (self._counts - 1) / 2 - centre
        return found


def bins(values: FloatArray) -> Int[npt.NDArray[np.int64], " value"]:
    """Find the bin of each value; larger values never have smaller numbers."""
    # 0.0 is added because -0.0 has other bits.
    bits = (np.ravel(values).astype(np.float32) + np.float32(0.0)).view(np.uint32)
    ordered = np.where(bits >> 31, ~bits, bits | np.uint32(1 << 31))
    return (ordered >> (32 - BITS)).astype(np.int64)


def _ratio(product: float, first: float, second: float) -> float:
    return float(product / np.sqrt(first * second)) if first > 0 and second > 0 else float("nan")
