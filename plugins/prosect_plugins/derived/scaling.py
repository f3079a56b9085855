"""z-scores and differences of curves."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import xarray as xr

from prosect.api import UsageError
from prosect.api.results import select
from prosect_plugins.derived.kernels.scaling import differences as differ
from prosect_plugins.derived.kernels.scaling import z_scores as scale
from prosect_plugins.derived.labels import along, chosen, order_of, side_by_side
from prosect_plugins.derived.options import DifferenceOptions, ScoreOptions


def z_scores(datasets: Sequence[xr.Dataset], options: ScoreOptions) -> xr.Dataset:
    """Scores along one dimension, with the sign that is asked for."""
    dataset = select(datasets[0], options.where, options.exclude)
    over = along(dataset, options.over)
    arrays = chosen(dataset, options.variables, (over,))
    sign = 1 if options.sign == "value_minus_mean" else -1
    return side_by_side({name: {"z_scores": scaled(array, over, options.ddof, sign)} for name, array in arrays.items()})


def scaled(array: xr.DataArray, over: str, ddof: int, sign: int) -> xr.DataArray:
    """Scale an array along a dimension; everything on it stays."""
    found: xr.DataArray = xr.apply_ufunc(
        partial(scale, ddof=ddof, sign=sign),
        array.compute(),
        input_core_dims=[[over]],
        output_core_dims=[[over]],
        keep_attrs=False,
    )
    return found.transpose(*array.dims)


def differences(datasets: Sequence[xr.Dataset], options: DifferenceOptions) -> xr.Dataset:
    """Differences of neighbours along one dimension; each stands at the label of its later item."""
    dataset = select(datasets[0], options.where, options.exclude)
    over = along(dataset, options.over)
    order = order_of(dataset, over, options.order)
    if order is not None:
        dataset = dataset.isel({over: np.argsort(order, kind="stable")})
    lost = options.times * options.lag
    if dataset.sizes[over] <= lost:
        raise UsageError(f"{dataset.sizes[over]} items along {over!r} are too few for differences over {lost}")
    arrays = chosen(dataset, options.variables, (over,))
    return side_by_side({name: {"differences": _differences(array, over, options)} for name, array in arrays.items()})


def _differences(array: xr.DataArray, over: str, options: DifferenceOptions) -> xr.DataArray:
    axis = array.dims.index(over)
    values = np.moveaxis(array.values.astype(np.float64), axis, -1)
    found = np.moveaxis(differ(values, times=options.times, lag=options.lag), -1, axis)
    later = array.isel({over: slice(options.times * options.lag, None)})
    return later.copy(data=found)
