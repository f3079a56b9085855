"""From a function of a sample to a value with an error, for every selection, group and sum of components."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from prosect_plugins.metrics.geometry.cells import Cells
from prosect_plugins.metrics.geometry.spectral_options import ErrorOptions

Sample = TypeVar("Sample")
FloatArray = npt.NDArray[np.float64]
Function = Callable[[Sample], float]


@dataclass(frozen=True)
class Estimator(Generic[Sample]):
    """Applies functions to samples.

    Attributes
    ----------
    cells
        Cells of the corpus.
    subsets
        Shape of the dimension of the sums of components: () or one length.
    samples
        Gives the sample of a sum of components at a place of the token axes, within some blocks (None: all); None where
        there are no tokens.
    options
        How an error is estimated.
    """

    cells: Cells
    subsets: tuple[int, ...]
    samples: Callable[[tuple[int, ...], Sequence[int] | None, int], Sample | None]
    options: ErrorOptions

    def values(self, function: Function[Sample]) -> FloatArray:
        """Value over all tokens, or the mean over blocks, shape (*token axes, *subset)."""
        return self._each(lambda place, subset: self._value(function, place, subset))

    def errors(self, function: Function[Sample]) -> FloatArray:
        """Estimate the standard error of each value; NaN where fewer than two blocks have one."""
        return self._each(lambda place, subset: self._error(function, place, subset))

    def used(self, count: Callable[[Sample], int]) -> npt.NDArray[np.int64]:
        """Tokens that are counted, shape (*token axes, *subset)."""
        found = self._each(lambda place, subset: self._of(lambda sample: float(count(sample)), place, None, subset))
        return np.where(np.isnan(found), 0, found).astype(np.int64)

    def _each(self, function: Callable[[tuple[int, ...], int], float]) -> FloatArray:
        found = np.full((*self.cells.shape, *self.subsets), np.nan)
        for place in np.ndindex(*self.cells.shape):
            for subset in range(self.subsets[0] if self.subsets else 1):
                found[(*place, subset) if self.subsets else place] = function(place, subset)
        return found

    def _value(self, function: Function[Sample], place: tuple[int, ...], subset: int) -> float:
        if self.options.error != "batches":
            return self._of(function, place, None, subset)
        found = self._known(function, place, subset, [[block] for block in range(self.cells.blocks)])
        return float(np.mean(found)) if len(found) else np.nan

    def _error(self, function: Function[Sample], place: tuple[int, ...], subset: int) -> float:
        every = range(self.cells.blocks)
        batches = self.options.error == "batches"
        chosen = [[block] if batches else [other for other in every if other != block] for block in every]
        if not batches:
            # To leave out what is empty changes nothing, and is no replicate.
            chosen = [rest for block, rest in enumerate(chosen) if self.samples(place, [block], subset) is not None]
        found = self._known(function, place, subset, chosen)
        if len(found) < 2:  # noqa: PLR2004 - a spread takes two
            return np.nan
        spread = float(np.square(found - found.mean()).sum())
        scale = 1 / (len(found) * (len(found) - 1)) if batches else (len(found) - 1) / len(found)
        return float(np.sqrt(scale * spread))

    def _known(
        self, function: Function[Sample], place: tuple[int, ...], subset: int, chosen: Sequence[Sequence[int]]
    ) -> FloatArray:
        found = np.array([self._of(function, place, blocks, subset) for blocks in chosen], dtype=np.float64)
        finite: FloatArray = found[np.isfinite(found)]
        return finite

    def _of(
        self, function: Function[Sample], place: tuple[int, ...], blocks: Sequence[int] | None, subset: int
    ) -> float:
        sample = self.samples(place, blocks, subset)
        return np.nan if sample is None else function(sample)
