"""Dynamic time warping between training curves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from itertools import combinations
from typing import Final

import numpy as np
import xarray as xr

from prosect.api import UsageError
from prosect.api.results import labels_of, select
from prosect_plugins.derived.kernels.scaling import z_scores
from prosect_plugins.derived.kernels.warping import warping_distance
from prosect_plugins.derived.labels import PAIR, VARIABLE, chosen, side_by_side
from prosect_plugins.derived.options import WarpingOptions

NAME: Final = "dynamic_time_warping"
_POINT: Final = "point"
_ALONG: Final = ("step", "model")


def dynamic_time_warping(datasets: Sequence[xr.Dataset], options: WarpingOptions) -> xr.Dataset:
    """Distances between the curves of two datasets, or of every pair of several runs."""
    selected = [select(dataset, options.where, options.exclude) for dataset in datasets]
    runs = _runs(selected, options)
    until = _until(runs, options)
    curves = {run: _curves(dataset, options, until) for run, dataset in runs.items()}
    first, *others = curves.values()
    names = [name for name in first if all(name in found for found in others)]
    if not names:
        listed = "; ".join(f"{run} has {', '.join(found)}" for run, found in curves.items())
        raise UsageError(f"no variable is in all runs: {listed}")
    pairs = list(combinations(curves, 2))
    by_pair = [
        side_by_side({name: {NAME: _distance(curves[a][name], curves[b][name], options)} for name in names})
        for a, b in pairs
    ]
    if len(selected) == 2:  # noqa: PLR2004 - two datasets are one pair
        return by_pair[0]
    labels = {"run": (PAIR, [a for a, _ in pairs]), "other_run": (PAIR, [b for _, b in pairs])}
    return xr.concat(by_pair, PAIR).transpose(VARIABLE, PAIR, ...).assign_coords(labels)


def _runs(datasets: Sequence[xr.Dataset], options: WarpingOptions) -> dict[str, xr.Dataset]:
    if len(datasets) == 1:
        found = _split(datasets[0], options)
    else:
        found = {_label(dataset, options.runs, place): dataset for place, dataset in enumerate(datasets)}
        if len(found) < len(datasets):
            found = {str(place): dataset for place, dataset in enumerate(datasets)}
    if len(found) < 2:  # noqa: PLR2004 - a distance is between two
        raise UsageError(f"there is only one run, {next(iter(found))!r}: a distance is between two")
    return found


def _split(dataset: xr.Dataset, options: WarpingOptions) -> dict[str, xr.Dataset]:
    """Tell the runs of one dataset apart, by a dimension of that name or a coordinate along the curves."""
    labels = labels_of(dataset, options.runs)
    if labels.ndim != 1:
        raise UsageError(f"{options.runs!r} must lie on one dimension, to tell runs apart")
    texts = np.asarray([str(label) for label in labels.values], dtype=object)
    (dim,) = labels.dims
    parts = {run: dataset.isel({dim: np.flatnonzero(texts == run)}) for run in dict.fromkeys(texts)}
    return {run: part.squeeze(dim, drop=True) for run, part in parts.items()} if dim == options.runs else parts


def _label(dataset: xr.Dataset, name: str, place: int) -> str:
    found = dataset.coords.get(name)
    values = [] if found is None else list(dict.fromkeys(map(str, np.atleast_1d(found.values))))
    return values[0] if len(values) == 1 else str(dataset.attrs.get("node", place))


def _over(dataset: xr.Dataset, options: WarpingOptions) -> str:
    if options.over is not None:
        if options.over not in dataset.dims:
            raise UsageError(f"there is no dimension {options.over!r}; there are {', '.join(map(str, dataset.dims))}")
        return options.over
    dims = [str(dim) for dim in dataset.dims]
    found = dims if len(dims) == 1 else [dim for dim in _ALONG if dim in dims]
    if not found:
        raise UsageError(f"say with 'over' along which dimension the curves run; there are {', '.join(dims) or 'none'}")
    return found[0]


def _order(dataset: xr.Dataset, options: WarpingOptions) -> np.ndarray | None:
    """Labels that put the points of the curves in order and are cut by."""
    over = _over(dataset, options)
    name = options.order or ("step" if "step" in dataset.coords else over if over in dataset.coords else None)
    if name is None:
        return None
    labels = labels_of(dataset, name)
    if labels.dims != (over,):
        raise UsageError(f"the coordinate {name!r}, which puts points in order, must lie on {over!r}")
    return np.asarray(labels.values) if labels.dtype.kind in "iuf" or options.order is not None else None


def _until(runs: Mapping[str, xr.Dataset], options: WarpingOptions) -> float | None:
    if options.until is None:
        return None
    orders = {run: _order(dataset, options) for run, dataset in runs.items()}
    bare = [run for run, order in orders.items() if order is None]
    if bare:
        raise UsageError(f"'until' needs a numeric coordinate along the curves, and {bare[0]!r} has none")
    if options.until != "common":
        return options.until
    return min(float(np.max(order)) for order in orders.values() if order is not None)


def _curves(dataset: xr.Dataset, options: WarpingOptions, until: float | None) -> dict[str, xr.DataArray]:
    """Variable -> its curves along ``point``: in order, scaled and cut."""
    over, order = _over(dataset, options), _order(dataset, options)
    arrays = {name: array.compute() for name, array in chosen(dataset, options.variables, (over,)).items()}
    if order is not None:
        sequence = np.argsort(order, kind="stable")
        order = order[sequence]
        arrays = {name: array.isel({over: sequence}) for name, array in arrays.items()}
    if options.scale == "before":
        arrays = {name: _scaled(array, over, options.ddof) for name, array in arrays.items()}
    if until is not None and order is not None:
        kept = np.flatnonzero(order <= until)
        arrays = {name: array.isel({over: kept}) for name, array in arrays.items()}
    if options.scale == "after":
        arrays = {name: _scaled(array, over, options.ddof) for name, array in arrays.items()}
    bare = {
        name: array.drop_vars([n for n, c in array.coords.items() if over in c.dims]) for name, array in arrays.items()
    }
    return {name: array.rename({over: _POINT}).reset_coords(drop=True) for name, array in bare.items()}


def _scaled(array: xr.DataArray, over: str, ddof: int) -> xr.DataArray:
    scale, dims = partial(z_scores, ddof=ddof), [[over]]
    found: xr.DataArray = xr.apply_ufunc(scale, array, input_core_dims=dims, output_core_dims=dims)
    return found


def _distance(first: xr.DataArray, second: xr.DataArray, options: WarpingOptions) -> xr.DataArray:
    second = second.rename({_POINT: "other_point"})
    compute = partial(warping_distance, cost=options.cost, pattern=options.pattern, window=options.window)
    first, second = xr.align(first, second, join="inner")
    found: xr.DataArray = xr.apply_ufunc(compute, first, second, input_core_dims=[[_POINT], ["other_point"]])
    if np.isinf(found).any():
        raise UsageError(f"the window of {options.window} is too narrow for curves of these lengths")
    return found / (first.sizes[_POINT] + second.sizes["other_point"]) if options.normalise == "length" else found
