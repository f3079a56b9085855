"""Analysis of variance of a full table, one value per cell."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations

import numpy as np
from jaxtyping import Float

Array = np.ndarray
Effect = tuple[int, ...]


def sums_of_squares(values: Float[Array, ...], factors: tuple[int, ...]) -> Mapping[Effect, Float[Array, ...]]:
    """Split the sum of squares around the mean into the parts of every effect.

    An effect is a set of factors; its part is the sum of squares of what the mean over all other factors adds to the
    effects of its subsets. Parts are orthogonal and sum to the total; with one value per cell the part of all factors
    together is their interaction and the error.

    Parameters
    ----------
    values
        A full table.
    factors
        Its axes which are factors; the others are batches.

    Returns
    -------
    mapping
        Effect (axes, ascending) -> sum of squares, with the axes of the factors removed.
    """
    effects = [e for size in range(1, len(factors) + 1) for e in combinations(sorted(factors), size)]
    added: dict[Effect, Array] = {(): values.mean(axis=factors, keepdims=True)}
    for effect in effects:
        rest = tuple(axis for axis in factors if axis not in effect)
        mean = values.mean(axis=rest, keepdims=True)
        smaller = [part for inner, part in added.items() if set(inner) < set(effect)]
        added[effect] = mean - sum(smaller)
    cells = {effect: np.prod([values.shape[axis] for axis in factors if axis not in effect]) for effect in effects}
    return {effect: np.asarray((added[effect] ** 2).sum(axis=factors) * cells[effect]) for effect in effects}


def degrees_of_freedom(shape: tuple[int, ...], effect: Effect) -> int:
    """Product of levels - 1 over the factors of an effect."""
    return int(np.prod([shape[axis] - 1 for axis in effect]))


def variance_components(
    mean_squares: Mapping[Effect, Float[Array, ...]], shape: tuple[int, ...], factors: tuple[int, ...]
) -> Mapping[Effect, Float[Array, ...]]:
    """Estimate the variance of every random effect from expected mean squares.

    E MS(e) = sum over supersets s of e of n(s) var(s), with n(s) the number of cells that share a level of s; solved
    from the largest effect down. Estimates may be negative, which says that they are near 0.
    """
    found: dict[Effect, Array] = {}
    for effect in sorted(mean_squares, key=len, reverse=True):
        cells = {s: np.prod([shape[axis] for axis in factors if axis not in s]) for s in (*found, effect)}
        above = sum(cells[s] * found[s] for s in found if set(effect) < set(s))
        found[effect] = np.asarray((mean_squares[effect] - above) / cells[effect])
    return found
