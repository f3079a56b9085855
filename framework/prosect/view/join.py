"""Labelled data joined by keys: what a table says of a sentence or a checkpoint goes to every token or model of it."""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import xarray as xr

from prosect.errors import UsageError


def join(dataset: xr.Dataset, table: xr.Dataset) -> xr.Dataset:
    """Add the variables of a table to a dataset, by the labels which they share.

    Parameters
    ----------
    dataset
        Where they go.
    table
        Its dimensions are the keys. Each must be a dimension of the dataset, or a coordinate of it: a table over
        ``sentence`` gives the same value to all tokens of a sentence. A dimension of the table that the dataset does
        not have at all stays a dimension of the variables.

    Returns
    -------
    xarray.Dataset
        The dataset with the table's variables, NaN (or empty text) where the table has no such key.

    Raises
    ------
    UsageError
        A variable is in both, no dimension is shared, or no key of one is a key of the other.
    """
    clash = [str(name) for name in table.data_vars if name in dataset.variables]
    if clash:
        raise UsageError(f"both datasets have {', '.join(map(repr, clash))}; rename one")
    keys = [key for key in table.dims if key in dataset.coords or key in dataset.dims]
    if not keys:
        raise UsageError(
            f"nothing to join by: the keys {', '.join(map(str, table.dims))} are no labels of the other dataset, "
            f"which has {', '.join(map(str, (*dataset.dims, *dataset.coords)))}"
        )
    places = {key: _places(dataset, table, key) for key in keys}
    return dataset.assign({name: _joined(array, places) for name, array in table.data_vars.items()})


def _joined(array: xr.DataArray, places: Mapping[Hashable, xr.DataArray]) -> xr.DataArray:
    """Put a variable where its keys say; what else stands on it stays behind."""
    own = {key: place for key, place in places.items() if key in array.dims}
    kept = [name for name in array.coords if name in array.dims and name not in own]
    plain = array.reset_coords(drop=True).drop_vars([name for name in array.indexes if name not in kept])
    if not own:
        return plain
    found = xr.ones_like(next(iter(own.values())), dtype=bool)
    for place in own.values():
        found = found & (place >= 0)
    return _filled(plain.isel({key: place.clip(min=0) for key, place in own.items()}), found)


def _filled(array: xr.DataArray, found: xr.DataArray) -> xr.DataArray:
    return array.where(found, "") if array.dtype.kind in "OUT" else array.where(found)


def _places(dataset: xr.Dataset, table: xr.Dataset, key: Hashable) -> xr.DataArray:
    """Place in the table of every label of the dataset, -1 where it has none."""
    wanted = dataset.coords[key] if key in dataset.coords else xr.DataArray(np.arange(dataset.sizes[key]), dims=(key,))
    there = table.coords[key].values if key in table.coords else np.arange(table.sizes[key])
    index = pd.Index(plain(there))
    if not index.is_unique:
        raise UsageError(f"the table has the same {key!r} several times")
    places = index.get_indexer(pd.Index(plain(wanted.values.ravel()))).reshape(wanted.shape)
    if places.size and (places < 0).all():
        first, other = wanted.values.ravel()[0], there[0]
        raise UsageError(f"no {key!r} of one dataset is one of the other, for example {first!r} and {other!r}")
    return xr.DataArray(places, dims=wanted.dims)


def plain(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Turn text of any kind into Python strings, which all compare."""
    return np.asarray([str(value) for value in values], dtype=object) if values.dtype.kind in "OUT" else values
