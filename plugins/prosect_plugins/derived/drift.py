"""Terms of one model compared with those of others on the same tokens."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
import xarray as xr

from prosect.api import UsageError
from prosect.api.results import select, stack_members
from prosect_plugins.derived.kernels import drift
from prosect_plugins.derived.labels import same_tokens
from prosect_plugins.derived.options import DriftOptions

TERMS: Final = "terms"
_MEASURES: Final[dict[str, Callable[..., np.ndarray]]] = {
    "term_cosine": drift.cosine,
    "term_distance": drift.distance,
    "term_relative_distance": drift.relative_distance,
}


def term_drift(datasets: Sequence[xr.Dataset], options: DriftOptions) -> xr.Dataset:
    """Compare the terms of the first dataset with those of every other one."""
    base, *others = (select(dataset[[TERMS]], options.where, options.exclude) for dataset in datasets)
    found = [_compared(base, other, options) for other in others]
    return found[0] if len(found) == 1 else stack_members(found)


def _compared(base: xr.Dataset, other: xr.Dataset, options: DriftOptions) -> xr.Dataset:
    for dim in ("token", "hidden"):
        if dim not in base[TERMS].dims or dim not in other[TERMS].dims:
            raise UsageError(f"'terms' needs the dimensions token and hidden, and lacks {dim!r}")
        same_tokens(base, other, dim)
    tokens = {name: c for name, c in other.coords.items() if "token" in c.dims or c.ndim == 0}
    plain = (dataset[TERMS].reset_coords(drop=True) for dataset in (base, other))
    first, second = xr.align(*plain, join="inner")
    if not first.size:
        raise UsageError("the models have no layer or component in common")
    pairs = [(first, second)]
    if options.total and "component" in first.dims:
        pairs.append((_total(base[TERMS]), _total(other[TERMS])))
    compared = [xr.Dataset({name: _apply(measure, *pair) for name, measure in _MEASURES.items()}) for pair in pairs]
    whole = (
        compared[0]
        if len(compared) == 1
        else xr.concat(compared, "component", data_vars="all", coords="minimal", compat="override", join="inner")
    )
    return whole.compute().assign_coords(tokens)


def _total(terms: xr.DataArray) -> xr.DataArray:
    summed = terms.reset_coords(drop=True).astype(np.float64).sum("component")
    return summed.expand_dims({"component": ["total"]})


def _apply(measure: Callable[..., np.ndarray], first: xr.DataArray, second: xr.DataArray) -> xr.DataArray:
    found: xr.DataArray = xr.apply_ufunc(
        measure,
        first.astype(np.float64),
        second.astype(np.float64),
        input_core_dims=[["hidden"], ["hidden"]],
        join="inner",
        dask="parallelized",
        output_dtypes=[np.float64],
    )
    return found
