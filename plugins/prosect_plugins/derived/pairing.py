"""Differences between pairs of checkpoints or sentences, and their correlation with differences of a score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import xarray as xr

from prosect.api import UsageError
from prosect.api.results import join, labels_of, select
from prosect_plugins.derived.kernels import pairs as kernel
from prosect_plugins.derived.kernels.correlations import correlate
from prosect_plugins.derived.labels import PAIR, along, chosen, order_of, side_by_side
from prosect_plugins.derived.options import PairCorrelationOptions, PairOptions
from prosect_plugins.derived.scaling import scaled

L1: Final = "l1"
_REPETITION: Final = "repetition"


@dataclass(frozen=True)
class _Items:
    """What is compared: variables in order along one dimension, and all labels."""

    labels: xr.Dataset
    over: str
    arrays: dict[str, xr.DataArray]

    @property
    def number(self) -> int:
        return int(self.labels.sizes[self.over])

    def kept(self, places: np.ndarray) -> _Items:
        """Leave out all items but some."""
        arrays = {name: array.isel({self.over: places}) for name, array in self.arrays.items()}
        return _Items(self.labels.isel({self.over: places}), self.over, arrays)


def pair_differences(datasets: Sequence[xr.Dataset], options: PairOptions) -> xr.Dataset:
    """Differences of every variable between the items of each pair, and their sum over terms."""
    dataset, over = _in_order(datasets[0], options)
    items = _scaled(_Items(dataset, over, chosen(dataset, options.variables, (over,))), options)
    pairs = _drawn(items, options, options.seed)
    found = side_by_side(
        {name: {"pair_differences": _differences(a, over, pairs, options)} for name, a in items.arrays.items()}
    )
    return found.assign_coords(_labels(items, pairs)).assign_attrs(seeds=[options.seed])


def pair_correlation(datasets: Sequence[xr.Dataset], options: PairCorrelationOptions) -> xr.Dataset:
    """Correlate differences of variables with those of a score, over repeated draws of pairs."""
    first, *tables = datasets
    dataset, over = _in_order(first, options)
    arrays = chosen(dataset, options.variables, (over,))
    items = _scaled(_Items(dataset, over, {n: a for n, a in arrays.items() if n != options.against}), options)
    for table in tables:
        dataset = join(dataset, table)
    (score,) = (found.compute() for found in chosen(dataset, [options.against], (over,)).values())
    # Items without a score would only thin out the draws.
    known = score.notnull().any([dim for dim in score.dims if dim != over]).values
    items, score = items.kept(np.flatnonzero(known)), score.isel({over: np.flatnonzero(known)})
    seeds = [options.seed + place for place in range(options.repetitions if options.pairs == "random" else 1)]
    draws = [_drawn(items, options, seed) for seed in seeds]
    results = {name: _repeated(array, score, over, draws, options) for name, array in items.arrays.items()}
    return side_by_side(results).assign_attrs(seeds=seeds)


def _in_order(dataset: xr.Dataset, options: PairOptions) -> tuple[xr.Dataset, str]:
    selected = select(dataset, options.where, options.exclude)
    over = along(selected, options.over)
    order = order_of(selected, over, options.order)
    return (selected if order is None else selected.isel({over: np.argsort(order, kind="stable")})), over


def _scaled(items: _Items, options: PairOptions) -> _Items:
    arrays = {name: array.compute() for name, array in items.arrays.items()}
    if options.scale != "none":
        sign = 1 if options.scale == "value_minus_mean" else -1
        arrays = {name: scaled(array, items.over, options.ddof, sign) for name, array in arrays.items()}
    return _Items(items.labels, items.over, arrays)


def _drawn(items: _Items, options: PairOptions, seed: int) -> np.ndarray:
    if options.pairs == "lag":
        pairs = kernel.lag_pairs(items.number, options.lag)
    elif options.pairs == "all" or options.within is not None or options.across is not None:
        pairs = kernel.all_pairs(items.number)
    else:
        pairs = kernel.random_pairs(items.number, options.number, seed)
    wanted: tuple[tuple[str | None, kernel.Groups], ...] = ((options.within, "within"), (options.across, "across"))
    for name, how in wanted:
        if name is not None:
            pairs = pairs[:, kernel.grouped(pairs, _groups(items, name), how)]
    if options.pairs == "random" and pairs.shape[1] > options.number:
        drawn = np.random.default_rng(seed).choice(pairs.shape[1], size=options.number, replace=False, shuffle=False)
        pairs = pairs[:, np.sort(drawn)]
    if not pairs.shape[1]:
        raise UsageError(f"{items.number} items along {items.over!r} give no pair of this kind")
    return pairs


def _groups(items: _Items, name: str) -> np.ndarray:
    labels = labels_of(items.labels, name)
    if labels.dims != (items.over,):
        raise UsageError(f"the coordinate {name!r} must lie on {items.over!r}, whose items are paired")
    return np.unique(labels.values, return_inverse=True)[1]


def _differences(array: xr.DataArray, over: str, pairs: np.ndarray, options: PairOptions) -> xr.DataArray:
    gone = [name for name, coordinate in array.coords.items() if over in coordinate.dims]
    plain = array.drop_vars(gone).reset_coords(drop=True).astype(np.float64)
    first, second = (plain.isel({over: xr.DataArray(places, dims=PAIR)}) for places in pairs)
    delta = second - first
    size = abs(delta)
    found = size if options.delta == "absolute" else delta
    dim = options.sum_over
    if dim is None or dim not in found.dims:
        return found
    if dim not in found.coords:
        found = found.assign_coords({dim: np.arange(found.sizes[dim])})
    total = size.sum(dim, skipna=False).expand_dims({dim: [L1]})
    labelled = found.assign_coords({dim: [str(label) for label in found[dim].values.tolist()]})
    return xr.concat([labelled, total], dim, coords="minimal", compat="override").transpose(*found.dims)


def _repeated(
    array: xr.DataArray, score: xr.DataArray, over: str, draws: Sequence[np.ndarray], options: PairCorrelationOptions
) -> dict[str, xr.DataArray]:
    found = [_correlated(array, score, over, pairs, options) for pairs in draws]
    rho, number = (xr.concat(parts, _REPETITION) for parts in zip(*found, strict=True))
    return {
        "pair_correlation": rho.mean(_REPETITION),
        "resampling_deviation": rho.std(_REPETITION, ddof=1) if len(draws) > 1 else rho[0] * np.nan,
        "number": number.mean(_REPETITION),
    }


def _correlated(
    array: xr.DataArray, score: xr.DataArray, over: str, pairs: np.ndarray, options: PairCorrelationOptions
) -> tuple[xr.DataArray, xr.DataArray]:
    x = _differences(array, over, pairs, options)
    y = _differences(score, over, pairs, options.model_copy(update={"sum_over": None}))
    x, y = xr.align(x, y, join="inner", exclude=[PAIR])
    compute = partial(correlate, method=options.method)
    rho, number = xr.apply_ufunc(compute, x, y, input_core_dims=[[PAIR], [PAIR]], output_core_dims=[(), ()])
    return rho, number


def _labels(items: _Items, pairs: np.ndarray) -> dict[str, tuple[str, np.ndarray]]:
    labels = labels_of(items.labels, items.over).values
    return {"first": (PAIR, labels[pairs[0]]), "second": (PAIR, labels[pairs[1]])}
