"""Numbers of sentences, averaged or side by side."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating[Any]]


class OverSentences:
    """Collects arrays of one shape, one per sentence; NaN means that a sentence has no value there.

    Parameters
    ----------
    how
        ``mean`` keeps sums only; ``each`` keeps all.
    """

    def __init__(self, how: Literal["mean", "each"]) -> None:
        self._how = how
        self._each: list[FloatArray] = []
        self._total: FloatArray | float = 0.0
        self._known: npt.NDArray[np.int64] | int = 0

    def take(self, values: FloatArray) -> None:
        """Take in a sentence."""
        known = ~np.isnan(values)
        self._total = self._total + np.where(known, values, 0.0)
        self._known = self._known + known.astype(np.int64)
        if self._how == "each":
            self._each.append(values)

    def values(self) -> FloatArray:
        """Return the mean over sentences that have a value (NaN where none has), or all on a last axis of sentences."""
        if self._how == "each":
            return np.stack(self._each, axis=-1)
        known = np.asarray(self._known)
        return np.where(known > 0, self._total / np.maximum(known, 1), np.nan)

    def counts(self) -> npt.NDArray[np.int64]:
        """Count the sentences that have a value."""
        return np.asarray(self._known)

    @property
    def dims(self) -> tuple[str, ...]:
        """Dimensions behind those of a sentence's array."""
        return ("sentence",) if self._how == "each" else ()
