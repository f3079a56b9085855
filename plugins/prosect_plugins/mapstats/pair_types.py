"""Pairs of types: of every (type that takes, type that gives) the number of occurrences and the mean of maps.

Two passes keep memory small: first all pairs are counted without any map, then maps are summed for the pairs that
occur often enough.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float, Int

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.floating[Any]]

#: Pairs that are held before they are counted together.
HELD: Final = 2**22


@dataclass(frozen=True)
class Occurrences:
    """The pairs of one sentence that count.

    Attributes
    ----------
    takers, givers
        Type of every token, and of every source, numbered by one table of types.
    chosen
        Pairs that count, shape (token, source).
    """

    takers: Int[IntArray, " token"]
    givers: Int[IntArray, " source"]
    chosen: Bool[BoolArray, "token source"]

    def codes(self, types: int) -> Int[IntArray, " pair"]:
        """Give numbers to the types of the pairs that count, row by row."""
        found: IntArray = (self.takers[:, None] * types + self.givers)[self.chosen]
        return found


@dataclass
class PairTypes:
    """Pairs of types that occur often enough.

    Attributes
    ----------
    codes
        Numbers of the pairs, ascending: type that takes * types + type that gives.
    counts
        Their occurrences.
    types
        Number of types.
    """

    codes: Int[IntArray, " type_pair"]
    counts: Int[IntArray, " type_pair"]
    types: int

    @classmethod
    def count(cls, sentences: Iterable[Occurrences], types: int, minimum: int) -> PairTypes:
        """Count all pairs of a corpus, and keep those with ``minimum`` occurrences or more."""
        counter = _Counter()
        for sentence in sentences:
            counter.take(sentence.codes(types))
        codes, counts = counter.result()
        often = counts >= minimum
        return cls(codes[often], counts[often], types)

    def places(self, codes: Int[IntArray, " pair"]) -> tuple[IntArray, BoolArray]:
        """Find pairs in the table: the places of those that are there, and which are."""
        if not len(self.codes):
            return np.zeros(0, np.int64), np.zeros(codes.shape, np.bool_)
        places = np.minimum(np.searchsorted(self.codes, codes), len(self.codes) - 1)
        known = self.codes[places] == codes
        return places[known], known

    def sides(self, places: IntArray) -> tuple[IntArray, IntArray]:
        """Types that take and types that give, of pairs in the table."""
        return self.codes[places] // self.types, self.codes[places] % self.types


@dataclass
class PairSums:
    """Sums over the occurrences of each pair of types.

    Attributes
    ----------
    table
        The pairs.
    values
        Sums of numbers of each occurrence, shape (type_pair, *number); made at the first occurrence.
    """

    table: PairTypes
    values: FloatArray | None = field(default=None)

    def take(self, codes: Int[IntArray, " pair"], numbers: Float[FloatArray, "pair ..."]) -> None:
        """Add the numbers of some occurrences."""
        places, known = self.table.places(codes)
        if self.values is None:
            self.values = np.zeros((len(self.table.codes), *numbers.shape[1:]))
        np.add.at(self.values, places, numbers[known])

    def means(self) -> Float[FloatArray, "type_pair ..."]:
        """Average over the occurrences."""
        if self.values is None:
            raise ValueError("there are no occurrences to average over")
        counts = self.table.counts.reshape(-1, *[1] * (self.values.ndim - 1))
        found: FloatArray = self.values / counts
        return found


@dataclass
class _Counter:
    """Counts codes, merging a few at a time."""

    held: list[IntArray] = field(default_factory=list)
    size: int = 0
    codes: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))
    counts: IntArray = field(default_factory=lambda: np.zeros(0, np.int64))

    def take(self, codes: IntArray) -> None:
        self.held.append(codes)
        self.size += len(codes)
        if self.size >= HELD:
            self._merge()

    def result(self) -> tuple[IntArray, IntArray]:
        self._merge()
        return self.codes, self.counts

    def _merge(self) -> None:
        found, counts = np.unique(np.concatenate([np.zeros(0, np.int64), *self.held]), return_counts=True)
        both = np.concatenate([self.codes, found])
        self.codes, places = np.unique(both, return_inverse=True)
        merged = np.zeros(len(self.codes), np.int64)
        np.add.at(merged, places, np.concatenate([self.counts, counts]))
        self.counts, self.held, self.size = merged, [], 0
