"""Selections of a dataset by conditions on its labels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from prosect.errors import UsageError
from prosect.vocab.filters import Label, Range

Mask = npt.NDArray[np.bool_]


def select(
    dataset: xr.Dataset,
    where: Mapping[str, Label | tuple[Label, ...] | Range] | None = None,
    exclude: Mapping[str, Label | tuple[Label, ...] | Range] | None = None,
) -> xr.Dataset:
    """Keep what fits every condition of ``where`` and none of ``exclude``.

    Parameters
    ----------
    dataset
        Any dataset.
    where, exclude
        Coordinate, dimension (its positions, where it has no coordinate) or variable -> value, values or range. One
        that lies on a single dimension shortens it; one of several dimensions leaves NaN where it does not hold.

    Raises
    ------
    UsageError
        There is no such label, or nothing is left.
    """
    for conditions, wanted in ((where or {}, True), (exclude or {}, False)):
        for name, condition in conditions.items():
            mask = holds(dataset, name, condition) == wanted
            if mask.ndim == 1:
                kept = np.flatnonzero(mask.values)
                if not kept.size:
                    raise UsageError(f"nothing is left by the condition on {name!r}: {_shown(condition)}")
                dataset = dataset.isel({mask.dims[0]: kept})
            else:
                dataset = dataset.where(mask)
    return dataset


def holds(dataset: xr.Dataset, name: str, condition: Label | tuple[Label, ...] | Range) -> xr.DataArray:
    """Whether a condition on a coordinate, dimension or variable holds, on its dimensions and without labels."""
    labels = labels_of(dataset, name)
    return xr.DataArray(_holds(labels.values, condition), dims=labels.dims)


def labels_of(dataset: xr.Dataset, name: str) -> xr.DataArray:
    """Return a coordinate or variable, or the positions of a dimension without coordinate."""
    if name in dataset.variables:
        return dataset[name]
    if name in dataset.dims:
        return xr.DataArray(np.arange(dataset.sizes[name]), dims=(name,))
    there = ", ".join(map(str, (*dataset.coords, *dataset.data_vars)))
    raise UsageError(f"there is no coordinate, dimension or variable {name!r}; there are {there or 'none'}")


def _holds(values: npt.NDArray[Any], condition: Label | tuple[Label, ...] | Range) -> Mask:
    if isinstance(condition, Range):
        low = -np.inf if condition.min is None else condition.min
        high = np.inf if condition.max is None else condition.max
        found: Mask = (values >= low) & (values <= high)
        return found
    wanted = condition if isinstance(condition, list | tuple) else (condition,)
    if values.dtype.kind in "OUT":
        texts = {str(value) for value in wanted}
        return np.asarray([str(value) in texts for value in values.ravel()], dtype=np.bool_).reshape(values.shape)
    return np.isin(values, np.asarray(wanted))


def _shown(condition: Label | tuple[Label, ...] | Range) -> str:
    return f"{condition.min} to {condition.max}" if isinstance(condition, Range) else repr(condition)
