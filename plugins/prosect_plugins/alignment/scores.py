"""How well links agree with a gold alignment (Och & Ney 2003), from counts that add up over sentences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from jaxtyping import Float

from prosect_plugins.alignment.links import Link, Links

IntArray = npt.NDArray[np.integer[Any]]
FloatArray = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True)
class Counts:
    """Numbers of links, each an array of one shape or a number; they add up over sentences.

    Attributes
    ----------
    links
        |A|, links that were made.
    sure_found, possible_found
        |A and S|, |A and P|.
    sure
        |S|, sure links of the gold alignment.
    """

    links: IntArray
    sure_found: IntArray
    possible_found: IntArray
    sure: IntArray

    def aer(self) -> Float[FloatArray, "*map"]:
        """Compute 1 - (|A and S| + |A and P|) / (|A| + |S|), the alignment error rate; NaN where there are no links."""
        return 1.0 - _ratio(self.sure_found + self.possible_found, self.links + self.sure)

    def precision(self) -> Float[FloatArray, "*map"]:
        """Divide |A and P| by |A|; NaN where no link was made."""
        return _ratio(self.possible_found, self.links)

    def recall(self) -> Float[FloatArray, "*map"]:
        """Divide |A and S| by |S|; NaN where no link is sure."""
        return _ratio(self.sure_found, self.sure)

    def f1(self) -> Float[FloatArray, "*map"]:
        """Return the harmonic mean of precision and recall; 0 where both are 0."""
        precision, recall = self.precision(), self.recall()
        product = 2 * precision * recall
        return np.where(product == 0, product, _ratio(product, precision + recall))


def count_links(links: frozenset[Link], gold: Links) -> tuple[int, int, int]:
    """Count the links of one sentence pair: |A|, |A and S|, |A and P|."""
    return len(links), len(links & gold.sure), len(links & gold.possible)


def _ratio(above: npt.NDArray[Any], below: npt.NDArray[Any]) -> FloatArray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(np.asarray(below) == 0, np.nan, np.asarray(above, dtype=np.float64) / below)
