"""Where the variance of a measure lies: between runs, between tokens, or in both together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

import numpy as np
import xarray as xr

from prosect.api import UsageError
from prosect.api.results import select
from prosect_plugins.derived.kernels import variance as kernel
from prosect_plugins.derived.labels import chosen, side_by_side
from prosect_plugins.derived.options import VarianceOptions

EFFECT: Final = "effect"
_MODEL: Final = "model"
_NAMES: Final = ("variance_decomposition", "mean_square", "variance_component")


def variance_decomposition(datasets: Sequence[xr.Dataset], options: VarianceOptions) -> xr.Dataset:
    """Shares of the sum of squares, mean squares and variance components of every effect of the factors."""
    dataset = _with_factors(select(datasets[0], options.where, options.exclude), options.factors)
    arrays = chosen(dataset, options.variables, options.factors)
    return side_by_side({name: _decomposed(array.compute(), options) for name, array in arrays.items()})


def _with_factors(dataset: xr.Dataset, factors: Sequence[str]) -> xr.Dataset:
    """Make dimensions of coordinates on ``model``, such as ``seed`` and ``step``."""
    labels = [name for name in factors if name not in dataset.dims]
    if not labels:
        return dataset
    for name in labels:
        if name not in dataset.coords or dataset.coords[name].dims != (_MODEL,):
            raise UsageError(f"the factor {name!r} is neither a dimension nor a coordinate on {_MODEL!r}")
    others = [n for n, c in dataset.coords.items() if _MODEL in c.dims and n not in labels]
    plain = dataset.drop_vars(others)
    if len(labels) == 1:
        return plain.swap_dims({_MODEL: labels[0]})
    indexed = plain.set_index(model=labels)
    if indexed.indexes[_MODEL].has_duplicates:
        raise UsageError(f"several models have the same {' and '.join(labels)}")
    return indexed.unstack(_MODEL)


def _decomposed(array: xr.DataArray, options: VarianceOptions) -> dict[str, xr.DataArray]:
    factors = list(options.factors)
    shape = tuple(array.sizes[factor] for factor in factors)
    if min(shape) < 2:  # noqa: PLR2004 - one level has no variance
        short = next(f for f, size in zip(factors, shape, strict=True) if size < 2)  # noqa: PLR2004 - as above
        raise UsageError(f"the factor {short!r} has one level only, which has no variance")
    gone = [name for name, c in array.coords.items() if set(factors) & set(c.dims)]
    *found, number = xr.apply_ufunc(
        partial(_cell, factors=len(factors)),
        array.drop_vars(gone).reset_coords(drop=True).astype(np.float64),
        input_core_dims=[factors],
        output_core_dims=[[EFFECT]] * len(_NAMES) + [[]],
        vectorize=True,
    )
    labels = [":".join(factors[axis] for axis in effect) for effect in _effects(len(factors))]
    labelled = {n: f.assign_coords({EFFECT: labels}) for n, f in zip(_NAMES, found, strict=True)}
    return {**labelled, "number": number}


def _effects(factors: int) -> list[kernel.Effect]:
    return list(kernel.sums_of_squares(np.zeros((2,) * factors), tuple(range(factors))))


def _cell(values: np.ndarray, *, factors: int) -> tuple[np.ndarray, ...]:
    """Decompose one table; entries of its longest factor with a NaN anywhere are left out."""
    longest = int(np.argmax(values.shape))
    rest = tuple(axis for axis in range(factors) if axis != longest)
    kept = np.flatnonzero(~np.isnan(values).any(axis=rest))
    axes = tuple(range(factors))
    effects = _effects(factors)
    if len(kept) < 2:  # noqa: PLR2004 - one level has no variance
        nothing = np.full(len(effects), np.nan)
        return nothing, nothing, nothing, np.array(len(kept))
    table = values.take(kept, axis=longest)
    squares = kernel.sums_of_squares(table, axes)
    total = sum(float(found) for found in squares.values())
    means = _mean_squares(squares, table.shape)
    components = kernel.variance_components(means, table.shape, axes)
    shares = [float(squares[e]) / total if total > 0 else np.nan for e in effects]
    return (
        np.array(shares),
        np.array([float(means[e]) for e in effects]),
        np.array([float(components[e]) for e in effects]),
        np.array(len(kept)),
    )


def _mean_squares(
    squares: Mapping[kernel.Effect, np.ndarray], shape: tuple[int, ...]
) -> dict[kernel.Effect, np.ndarray]:
    return {effect: found / kernel.degrees_of_freedom(shape, effect) for effect, found in squares.items()}
