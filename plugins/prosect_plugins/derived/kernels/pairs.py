"""Which items are compared with which: all pairs, random ones, or a fixed distance apart."""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Bool, Int

Array = np.ndarray
Groups = Literal["any", "within", "across"]


def all_pairs(number: int) -> Int[Array, "2 pairs"]:
    """All pairs (i, j) with i < j, in lexicographic order."""
    return np.stack(np.triu_indices(number, k=1))


def lag_pairs(number: int, lag: int) -> Int[Array, "2 pairs"]:
    """Pairs (i, i + lag)."""
    first = np.arange(max(0, number - lag))
    return np.stack([first, first + lag])


def random_pairs(number: int, size: int, seed: int) -> Int[Array, "2 size"]:
    """So many different pairs (i, j) with i < j, drawn without replacement; all of them where there are not more."""
    total = number * (number - 1) // 2
    if size >= total:
        return all_pairs(number)
    drawn = np.sort(np.random.default_rng(seed).choice(total, size=size, replace=False, shuffle=False))
    return np.stack(_unranked(drawn, number))


def grouped(pairs: Int[Array, "2 pairs"], groups: Array, how: Groups) -> Bool[Array, " pairs"]:
    """Whether both items of each pair are of one group (``within``) or not (``across``)."""
    if how == "any":
        return np.ones(pairs.shape[1], dtype=np.bool_)
    same: Array = groups[pairs[0]] == groups[pairs[1]]
    return same if how == "within" else ~same


def _unranked(places: Int[Array, " size"], number: int) -> tuple[Array, Array]:
    """Pairs at places of the list that `all_pairs` gives."""
    starts = np.cumsum(np.concatenate([[0], np.arange(number - 1, 0, -1)]))
    first = np.searchsorted(starts, places, side="right") - 1
    return first, places - starts[first] + first + 1
