"""Vectors of items, one layer at a time, from terms that are stored."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from prosect.api import UsageError
from prosect_plugins.probes.items import Items
from prosect_plugins.subsets import Subset

Vectors = npt.NDArray[np.floating]
Pool = Literal["sum", "mean", "first", "last"]

# Bytes of terms that are read at a time.
READ_BYTES: Final = 256 * 2**20
TERM_DIMS: Final = ("component", "token", "hidden")


@dataclass(frozen=True)
class Pooled:
    """Vectors of all items at one layer.

    Attributes
    ----------
    vectors
        Shape (component, item, hidden).
    """

    vectors: Vectors

    def of(self, subset: Subset) -> Vectors:
        """Sum the components of a subset, shape (item, hidden), float32 at least."""
        first, *rest = subset.members
        total: Vectors = self.vectors[first].astype(np.promote_types(self.vectors.dtype, np.float32))
        for member in rest:
            total += self.vectors[member]
        return total


def pooled(terms: xr.DataArray, items: Items, pool: Pool) -> Pooled:
    """Read the terms of one layer, and pool the tokens of every item.

    Parameters
    ----------
    terms
        Stored terms (component, token, hidden); lazy ones are read a part at a time.
    items
        The items.
    pool
        How tokens of an item are put together.
    """
    terms = terms.transpose(*TERM_DIMS)
    tokens, owner = _wanted(items, pool)
    components, _, hidden = terms.shape
    dtype = np.promote_types(terms.dtype, np.float32)
    total = np.zeros((components, len(items), hidden), dtype=dtype)
    step = max(1, READ_BYTES // max(1, components * hidden * terms.dtype.itemsize))
    for start in range(0, terms.shape[1], step):
        first, last = np.searchsorted(tokens, [start, start + step])
        if last > first:
            part = np.asarray(terms[:, start : start + step].values)[:, tokens[first:last] - start]
            _add(total, owner[first:last], part)
    if pool == "mean":
        total /= np.bincount(items.owner, minlength=len(items))[:, None]
    return Pooled(total)


def _add(total: Vectors, owner: npt.NDArray[np.int64], part: Vectors) -> None:
    """Add vectors of tokens to those of their items."""
    order = np.argsort(owner, kind="stable")
    items, starts = np.unique(owner[order], return_index=True)
    total[:, items] += np.add.reduceat(part[:, order].astype(total.dtype), starts, axis=1)


def terms_of(dataset: xr.Dataset, layers: Sequence[int] | None) -> xr.DataArray:
    """Return the stored terms with the axes (layer, component, token, hidden), of some layers.

    Raises
    ------
    UsageError
        The dataset holds no vectors, or not of these layers.
    """
    if "terms" not in dataset:
        raise UsageError("a probe learns from vectors: let the analysis keep them with 'keep: [terms]'")
    terms = dataset["terms"]
    if "layer" not in terms.dims:
        terms = terms.expand_dims("layer")
    if set(terms.dims) != {"layer", *TERM_DIMS}:
        axes = ", ".join(map(str, terms.dims))
        raise UsageError(f"'terms' has the axes {axes}; expected layer, component, token, hidden")
    if layers is None:
        return terms
    missing = sorted(set(layers) - set(terms["layer"].values.tolist()))
    if missing:
        raise UsageError(f"layer {missing[0]} is not stored; there are {terms['layer'].values.tolist()}")
    return terms.sel(layer=list(layers))


def _wanted(items: Items, pool: Pool) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Tokens that count, ascending, and the item of each."""
    if pool in {"sum", "mean"}:
        order = np.argsort(items.tokens, kind="stable")
        return items.tokens[order], items.owner[order]
    first = np.searchsorted(items.owner, np.arange(len(items)))
    ends = np.append(first[1:], len(items.owner)) - 1
    places = first if pool == "first" else ends
    order = np.argsort(items.tokens[places], kind="stable")
    return items.tokens[places][order], order
