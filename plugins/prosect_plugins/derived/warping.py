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
from prosect_plugins.derived.labels import PAIR, VARIABLE, along, bare, chosen, common, order_of, side_by_side
from prosect_plugins.derived.options import WarpingOptions

NAME: Final = "dynamic_time_warping"
_POINT, _OTHER_POINT = "point", "other_point"


def dynamic_time_warping(datasets: Sequence[xr.Dataset], options: WarpingOptions) -> xr.Dataset:
    """Distances between the curves of two datasets, or of every pair of several runs."""
    selected = [select(dataset, options.where, options.exclude) for dataset in datasets]
    runs = _runs(selected, options)
    until = _until(runs, options)
    curves = {run: _curves(dataset, options, until) for run, dataset in runs.items()}
    names = common(list(curves.values()))
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


def _order(dataset: xr.Dataset, options: WarpingOptions) -> np.ndarray | None:
    return order_of(dataset, along(dataset, options.over), options.order)


def _until(runs: Mapping[str, xr.Dataset], options: WarpingOptions) -> float | None:
    if options.until is None:
        return None
    orders = {run: _order(dataset, options) for run, dataset in runs.items()}
    without = [run for run, order in orders.items() if order is None]
    if without:
        raise UsageError(f"'until' needs a numeric coordinate along the curves, and {without[0]!r} has none")
    if options.until != "common":
        return options.until
    return min(float(np.max(order)) for order in orders.values() if order is not None)


def _curves(dataset: xr.Dataset, options: WarpingOptions, until: float | None) -> dict[str, xr.DataArray]:
    """Variable -> its curves along ``point``: in order, scaled and cut."""
    over, order = along(dataset, options.over), _order(dataset, options)
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
    return {name: bare(array, over, _POINT) for name, array in arrays.items()}


def _scaled(array: xr.DataArray, over: str, ddof: int) -> xr.DataArray:
    scale, dims = partial(z_scores, ddof=ddof), [[over]]
    found: xr.DataArray = xr.apply_ufunc(scale, array, input_core_dims=dims, output_core_dims=dims)
    return found


def _distance(first: xr.DataArray, second: xr.DataArray, options: WarpingOptions) -> xr.DataArray:
    second = second.rename({_POINT: _OTHER_POINT})
    compute = partial(warping_distance, cost=options.cost, pattern=options.pattern, window=options.window)
    first, second = xr.align(first, second, join="inner")
    if not first.size or not second.size:
        raise UsageError("the curves have no point, layer or component in common")
    found: xr.DataArray = xr.apply_ufunc(compute, first, second, input_core_dims=[[_POINT], [_OTHER_POINT]])
    if np.isinf(found).any():
        raise UsageError(f"the window of {options.window} is too narrow for curves of these lengths")
    return found / (first.sizes[_POINT] + second.sizes[_OTHER_POINT]) if options.normalise == "length" else found
