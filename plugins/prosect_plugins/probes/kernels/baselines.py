"""What can be reached without vectors: the most frequent class, and guessing."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int

from prosect_plugins.probes.kernels.scores import NOTHING, Codes, Floats


def seen_labels(
    labels: Int[Codes, " train"], groups: Int[Codes, " train"], shape: tuple[int, int]
) -> Int[Codes, "group label"]:
    """Count how often each class occurs in each group of the training part; ``shape`` is (groups, labels)."""
    table = np.zeros(shape, dtype=np.int64)
    np.add.at(table, (groups, labels), 1)
    return table


def majority(table: Int[Codes, "group label"], groups: Int[Codes, " test"]) -> Int[Codes, " test"]:
    """Most frequent class of each item's group, the first of several; -1 for a group that was not seen."""
    best = np.where(table.sum(axis=1) > 0, table.argmax(axis=1), NOTHING)
    chosen: Codes = best[groups]
    return chosen


def guessed(
    table: Int[Codes, "group label"], groups: Int[Codes, " test"], gold: Int[Codes, " test"]
) -> Float[Floats, " test"]:
    """Chance that a guess among the classes seen in an item's group is right; 0 where its own was not seen there."""
    allowed = table[groups] > 0
    known: Bool[np.ndarray, " test"] = allowed[np.arange(len(gold)), gold]
    chances: Floats = np.where(known, 1.0 / np.maximum(allowed.sum(axis=1), 1), 0.0)
    return chances
