"""Correlations of any two variables."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import xarray as xr

from prosect.api import UsageError
from prosect.api.results import join, select
from prosect_plugins.derived.kernels.correlations import Method, correlate
from prosect_plugins.derived.labels import chosen, same_tokens, side_by_side
from prosect_plugins.derived.options import CorrelationOptions

Pair = tuple[xr.DataArray, xr.DataArray]


def correlation(datasets: Sequence[xr.Dataset], options: CorrelationOptions) -> xr.Dataset:
    """Correlate variables of one dataset, of two, or of a dataset with a table joined to it."""
    first, *rest = datasets
    if options.against is None and rest:
        pairs = _same_variables(first, rest[0], options)
    else:
        pairs = _against(first, rest, options)
    return side_by_side({name: _correlated(x, y, options) for name, (x, y) in pairs.items()})


def _against(first: xr.Dataset, rest: Sequence[xr.Dataset], options: CorrelationOptions) -> dict[str, Pair]:
    if options.against is None:
        raise UsageError("with one dataset, 'against' must name the variable to correlate with")
    for table in rest:
        first = join(first, table)
    whole = select(first, options.where, options.exclude)
    (other,) = chosen(whole, [options.against], ()).values()
    names = options.variables
    found = chosen(whole, names, () if names else options.over)
    return {name: (x, other) for name, x in found.items() if names or name != options.against}


def _same_variables(first: xr.Dataset, second: xr.Dataset, options: CorrelationOptions) -> dict[str, Pair]:
    for dim in options.over:
        if dim in first.dims and dim in second.dims and not (dim in first.indexes and dim in second.indexes):
            same_tokens(first, second, dim)
    ours, theirs = (select(dataset, options.where, options.exclude) for dataset in (first, second))
    xs, ys = (chosen(dataset, options.variables, options.over) for dataset in (ours, theirs))
    if not options.variables and len(xs) == len(ys) == 1:
        return {next(iter(xs)): (next(iter(xs.values())), next(iter(ys.values())))}
    common = [name for name in xs if name in ys]
    if not common:
        raise UsageError(f"no variable is in both datasets: {', '.join(xs)}; {', '.join(ys)}")
    return {name: (xs[name], ys[name]) for name in common}


def _correlated(x: xr.DataArray, y: xr.DataArray, options: CorrelationOptions) -> dict[str, xr.DataArray]:
    x, y = _common(x, y)
    x, y = (_with_dims(one, other, options.over) for one, other in ((x, y), (y, x)))
    found, number = xr.apply_ufunc(
        partial(_flat, axes=len(options.over), method=options.method, minimum=options.minimum),
        x.compute(),
        y.compute(),
        input_core_dims=[options.over, options.over],
        output_core_dims=[(), ()],
    )
    return {"correlation": found, "number": number}


def _common(x: xr.DataArray, y: xr.DataArray) -> tuple[xr.DataArray, xr.DataArray]:
    """Keep the labels that both have."""
    kept, other = xr.align(x, y, join="inner")
    for dim in kept.dims:
        if dim in y.dims and x.sizes[dim] and y.sizes[dim] and not kept.sizes[dim]:
            first, second = (array.indexes[dim][0] for array in (x, y))
            advice = "; name one model of each" if dim == "model" else ""
            raise UsageError(f"no {dim!r} is in both datasets, for example {first} and {second}{advice}")
    return kept, other


def _with_dims(one: xr.DataArray, other: xr.DataArray, over: Sequence[str]) -> xr.DataArray:
    """Repeat values along dimensions of ``over`` which only the other one has."""
    for dim in over:
        if dim not in one.dims:
            if dim not in other.dims:
                raise UsageError(f"neither {one.name!r} nor {other.name!r} has the dimension {dim!r}")
            one = one.expand_dims({dim: other.sizes[dim]})
    return one


def _flat(x: np.ndarray, y: np.ndarray, *, axes: int, method: Method, minimum: int) -> tuple[np.ndarray, np.ndarray]:
    x, y = (values.reshape(*values.shape[: values.ndim - axes], -1) for values in (x, y))
    return correlate(x, y, method, minimum)
