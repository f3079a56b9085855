"""How frequent a token's type is, by a table or in the corpus itself."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from jaxtyping import Float

from prosect.api import UsageError
from prosect_plugins.mapstats.labelled import plain

FloatArray = npt.NDArray[np.floating[Any]]


def join_table(
    types: npt.NDArray[Any], keys: npt.NDArray[Any], values: FloatArray, unseen: Literal["last", "drop"] | float
) -> Float[FloatArray, " token"]:
    """Look the types of tokens up in a table.

    Parameters
    ----------
    types
        Type of every token (its id, its text), shape (token,).
    keys, values
        The table: types, each once, and their values, as a rank.
    unseen
        What a type has that the table does not hold: ``last`` (one more than the largest value), ``drop`` (NaN), or a
        number.

    Raises
    ------
    UsageError
        A key stands twice in the table, or keys and types are of different kinds.
    """
    types, keys = (plain(array) for array in (types, keys))
    if types.dtype.kind != keys.dtype.kind and "U" in (types.dtype.kind, keys.dtype.kind):
        raise UsageError("the keys of the table are text and those of the tokens are numbers, or the other way round")
    order = np.argsort(keys, kind="stable")
    keys, values = keys[order], np.asarray(values, dtype=np.float64)[order]
    twice = keys[1:][keys[1:] == keys[:-1]]
    if twice.size:
        raise UsageError(f"the key {twice[0]} stands twice in the table")
    places = np.minimum(np.searchsorted(keys, types), max(len(keys) - 1, 0))
    rest = {"last": np.nanmax(values, initial=0.0) + 1.0, "drop": np.nan}.get(str(unseen), unseen)
    if not len(keys):
        return np.full(len(types), float(rest))
    return np.where(keys[places] == types, values[places], float(rest))


def count_ranks(types: npt.NDArray[Any]) -> Float[FloatArray, " token"]:
    """Rank the types of tokens by how often they occur: 1 is the most frequent; equal counts share their first rank."""
    _, places, counts = np.unique(plain(types), return_inverse=True, return_counts=True)
    descending = np.sort(counts)[::-1]
    ranks = np.searchsorted(-descending, -counts, side="left") + 1.0
    found: FloatArray = ranks[places]
    return found
