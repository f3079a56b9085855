"""Summaries over tokens: curves over layers and checkpoints, or one value per sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import xarray as xr

from prosect.api import UsageError
from prosect.api.results import labels_of, select, stack_members
from prosect_plugins.derived.labels import chosen, flattened, side_by_side
from prosect_plugins.derived.options import SummaryOptions

_VALUE: Final = "value"


def summary(datasets: Sequence[xr.Dataset], options: SummaryOptions) -> xr.Dataset:
    """Mean, deviation and number of values of every dataset; several are stacked along ``model``."""
    found = [_summary(select(dataset, options.where, options.exclude), options) for dataset in datasets]
    return found[0] if len(found) == 1 and "model" not in found[0].coords else stack_members(found)


def _summary(dataset: xr.Dataset, options: SummaryOptions) -> xr.Dataset:
    arrays = chosen(dataset, options.variables, options.over)
    if options.by is None:
        return side_by_side({name: _statistics(array, options) for name, array in arrays.items()})
    labels = labels_of(dataset, options.by)
    if set(labels.dims) - set(options.over):
        raise UsageError(f"{options.by!r} must lie on {', '.join(options.over)}, which are summarised")
    groups = labels.broadcast_like(xr.DataArray(np.zeros([dataset.sizes[d] for d in options.over]), dims=options.over))
    numbers = flattened(groups, options.over, _VALUE).values
    return side_by_side({name: _by_group(array, numbers, options) for name, array in arrays.items()})


def _statistics(array: xr.DataArray, options: SummaryOptions) -> dict[str, xr.DataArray]:
    values = array.astype(np.float64)
    if options.undefined == "zero":
        values = values.fillna(0.0)
    skip = options.undefined != "propagate"
    number = values.notnull().sum(options.over)
    sd = values.std(options.over, ddof=options.ddof, skipna=skip).where(number > options.ddof)
    found = {"mean": values.mean(options.over, skipna=skip), "standard_deviation": sd, "number": number}
    return {name: statistic.compute() for name, statistic in found.items()}


def _by_group(array: xr.DataArray, groups: np.ndarray, options: SummaryOptions) -> Mapping[str, xr.DataArray]:
    """Summarise by runs of equal labels, in the order in which they come."""
    name = str(options.by)
    flat = flattened(array.compute(), options.over, _VALUE)
    scalars = {n: c for n, c in array.coords.items() if c.ndim == 0}
    kinds, numbers = np.unique(groups, return_inverse=True)
    order = np.argsort(numbers, kind="stable")
    starts = np.searchsorted(numbers[order], np.arange(len(kinds)))
    values = flat.values.astype(np.float64)[..., order]
    if options.undefined == "zero":
        values = np.nan_to_num(values, nan=0.0, posinf=np.inf, neginf=-np.inf)
    known = ~np.isnan(values)
    number = np.add.reduceat(known, starts, axis=-1, dtype=np.int64)
    filled = np.where(known, values, 0.0 if options.undefined != "propagate" else np.nan)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.add.reduceat(filled, starts, axis=-1) / number
        lengths = np.diff(np.append(starts, len(order)))
        gaps = np.where(known, values - np.repeat(mean, lengths, axis=-1), 0.0)
        squares = np.add.reduceat(gaps * gaps, starts, axis=-1)
        sd = np.where(number > options.ddof, np.sqrt(squares / (number - options.ddof)), np.nan)
    dims = (*flat.dims[:-1], name)
    labels = {**flat.coords, **scalars, name: kinds}
    found = {"mean": mean, "standard_deviation": sd, "number": number}
    return {key: xr.DataArray(statistic, dims=dims, coords=labels) for key, statistic in found.items()}
