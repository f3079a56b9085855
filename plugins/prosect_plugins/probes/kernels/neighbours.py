"""Nearest neighbours among items of the same group, and their vote."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
from jaxtyping import Float, Int

from prosect_plugins.probes.kernels.scores import NOTHING, Codes

Vectors = npt.NDArray[np.floating]

# Numbers in one table of distances.
TABLE: Final = 2**24


def nearest_labels(  # noqa: PLR0913 - two sides of vectors with their groups, and what a neighbour is
    train: Float[Vectors, "train hidden"],
    labels: Int[Codes, " train"],
    train_groups: Int[Codes, " train"],
    test: Float[Vectors, "test hidden"],
    test_groups: Int[Codes, " test"],
    *,
    neighbours: int,
    distance: Literal["cosine", "euclidean"],
) -> Int[Codes, " test"]:
    """Classify items by the vote of their nearest neighbours of the same group.

    Parameters
    ----------
    train, labels, train_groups
        Vectors, classes and groups of the items that are neighbours.
    test, test_groups
        Vectors and groups of the items that are classified.
    neighbours
        How many vote: fewer where the group has fewer.
    distance
        ``cosine``: 1 - cosine (a vector of zeros has cosine 0 with everything); ``euclidean``.

    Returns
    -------
    ndarray
        The class that most neighbours have; of several, that of the nearest neighbour among them. -1 for an item
        whose group has no neighbours.
    """
    one, other = (_unit(train), _unit(test)) if distance == "cosine" else (train, test)
    found = np.full(len(test), NOTHING, dtype=np.int64)
    for mine, theirs in _groups(train_groups, test_groups):
        step = max(1, TABLE // len(mine))
        for start in range(0, len(theirs), step):
            part = theirs[start : start + step]
            near = _nearest(_distances(other[part], one[mine]), neighbours)
            found[part] = _vote(labels[mine][near])
    return found


def _groups(train: Codes, test: Codes) -> Iterator[tuple[Codes, Codes]]:
    """Yield the places of either side for each group that both have."""
    order = np.argsort(train, kind="stable")
    for group in np.unique(test):
        first, last = np.searchsorted(train[order], [group, group + 1])
        if last > first:
            yield order[first:last], np.flatnonzero(test == group)


def _unit(vectors: Vectors) -> Vectors:
    sizes = np.linalg.norm(vectors, axis=1, keepdims=True)
    unit: Vectors = np.divide(vectors, sizes, out=np.zeros_like(vectors), where=sizes > 0)
    return unit


def _distances(test: Vectors, train: Vectors) -> Vectors:
    """Squared distances up to a constant per row, in float64: for unit vectors they order as cosines do."""
    test, train = test.astype(np.float64), train.astype(np.float64)
    squares: Vectors = np.square(train).sum(axis=1) - 2.0 * test @ train.T
    return squares


def _nearest(distances: Vectors, neighbours: int) -> Codes:
    """Places of the nearest, nearest first; of equally near ones those that stand first."""
    return np.argsort(distances, axis=1, kind="stable")[:, :neighbours].astype(np.int64)


def _vote(labels: Int[Codes, "test neighbour"]) -> Int[Codes, " test"]:
    votes = (labels[:, :, None] == labels[:, None, :]).sum(axis=2)
    # Of the labels with most votes the first is that of the nearest neighbour among them.
    winner = votes.argmax(axis=1)
    chosen: Codes = labels[np.arange(len(labels)), winner]
    return chosen
