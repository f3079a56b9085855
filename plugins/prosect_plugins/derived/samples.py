"""Tests of two samples, and agreement of runs whose tokens differ."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import xarray as xr

from prosect.api import UsageError
from prosect.api.results import holds, labels_of, select
from prosect_plugins.derived.kernels import samples as kernel
from prosect_plugins.derived.labels import PAIR, VARIABLE, chosen, common, flattened, side_by_side
from prosect_plugins.derived.options import (
    MannWhitneyOptions,
    PermutationOptions,
    SampleOptions,
    SentenceAgreementOptions,
)

_VALUE, _OTHER = "value", "other_value"
Test = Callable[[np.ndarray, np.ndarray], tuple[float, ...]]


def permutation_test(datasets: Sequence[xr.Dataset], options: PermutationOptions) -> xr.Dataset:
    """Permutation test of a difference of means; p is the metric's own variable."""

    def test(first: np.ndarray, second: np.ndarray) -> tuple[float, ...]:
        difference, p, ways = kernel.permutation_test(
            first,
            second,
            alternative=options.alternative,
            most=options.most,
            draws=options.draws,
            seed=options.seed,
        )
        return p, difference, ways

    return _tested(datasets, options, test, ("permutation_test", "difference_of_means", "ways"))


def mann_whitney(datasets: Sequence[xr.Dataset], options: MannWhitneyOptions) -> xr.Dataset:
    """Mann-Whitney test of two samples; p is the metric's own variable."""

    def test(first: np.ndarray, second: np.ndarray) -> tuple[float, ...]:
        u, p, share = kernel.mann_whitney(first, second, alternative=options.alternative, method=options.method)
        return p, u, share

    return _tested(datasets, options, test, ("mann_whitney", "u_statistic", "greater_share"))


def sentence_agreement(datasets: Sequence[xr.Dataset], options: SentenceAgreementOptions) -> xr.Dataset:
    """Agreement 1 - |2 U / (n m) - 1| of the values of each sentence in two runs, averaged over sentences."""
    first, second = (select(dataset, options.where, options.exclude) for dataset in datasets)
    ours, theirs = (chosen(dataset, options.variables, ("token",)) for dataset in (first, second))
    tokens = [labels_of(dataset, options.sentence) for dataset in (first, second)]
    for labels in tokens:
        if labels.dims != ("token",):
            raise UsageError(f"{options.sentence!r} must be a coordinate on 'token'")
    groups = [_by_label(labels.values) for labels in tokens]
    shared = [
        (places, groups[1][label])
        for label, places in groups[0].items()
        if label in groups[1] and min(len(places), len(groups[1][label])) >= options.minimum
    ]
    if not shared:
        raise UsageError(f"the runs have no {options.sentence} in common")
    return side_by_side({name: _agreed(ours[name], theirs[name], shared) for name in common([ours, theirs])})


def _agreed(
    ours: xr.DataArray, theirs: xr.DataArray, shared: Sequence[tuple[np.ndarray, np.ndarray]]
) -> Mapping[str, xr.DataArray]:
    first, second = flattened(ours.compute(), ["token"], _VALUE), flattened(theirs.compute(), ["token"], _OTHER)
    first, second = xr.align(first, second, join="inner")

    def agreement(a: np.ndarray, b: np.ndarray) -> tuple[float, float, int]:
        found = [_overlap(a[one], b[other]) for one, other in shared]
        known = np.array([value for value in found if not np.isnan(value)])
        if not len(known):
            return np.nan, np.nan, 0
        return float(known.mean()), float(known.std(ddof=1)) if len(known) > 1 else np.nan, len(known)

    found = _by_cell(agreement, first, second, 3)
    return dict(zip(("sentence_agreement", "standard_deviation", "number"), found, strict=True))


def _overlap(first: np.ndarray, second: np.ndarray) -> float:
    first, second = first[~np.isnan(first)], second[~np.isnan(second)]
    if not len(first) or not len(second):
        return float("nan")
    return 1 - abs(2 * kernel.greater_share(first, second) - 1)


def _by_label(labels: np.ndarray) -> dict[object, np.ndarray]:
    kinds, numbers = np.unique(labels, return_inverse=True)
    order = np.argsort(numbers, kind="stable")
    parts = np.split(order, np.cumsum(np.bincount(numbers))[:-1])
    return dict(zip(kinds.tolist(), parts, strict=True))


def _tested(datasets: Sequence[xr.Dataset], options: SampleOptions, test: Test, names: tuple[str, ...]) -> xr.Dataset:
    results = {}
    for name, (first, second) in _samples(datasets, options).items():

        def known(a: np.ndarray, b: np.ndarray) -> tuple[float, ...]:
            a, b = a[~np.isnan(a)], b[~np.isnan(b)]
            return test(a, b) if len(a) and len(b) else (np.nan,) * len(names)

        found = _by_cell(known, first, second, len(names))
        results[name] = dict(zip(names, found, strict=True))
    joined = side_by_side(results)
    p = joined[names[0]]
    adjusted = kernel.adjusted(p.values.ravel(), options.correction).reshape(p.shape)
    return joined.assign(adjusted_p=p.copy(data=adjusted))


def _samples(datasets: Sequence[xr.Dataset], options: SampleOptions) -> dict[str, tuple[xr.DataArray, xr.DataArray]]:
    selected = [select(dataset, options.where, options.exclude) for dataset in datasets]
    if len(selected) == 1:
        if not options.first:
            raise UsageError("with one dataset, 'first' must say what belongs to the first sample")
        selected = _divided(selected[0], options)
    over = [_over(dataset, options) for dataset in selected]
    arrays = [chosen(dataset, options.variables, dims) for dataset, dims in zip(selected, over, strict=True)]
    ours, theirs = arrays
    if not options.variables and len(ours) == len(theirs) == 1:
        names = [(next(iter(ours)), next(iter(ours)), next(iter(theirs)))]
    else:
        names = [(name, name, name) for name in common(arrays)]
    found = {}
    for label, one, other in names:
        first, second = flattened(ours[one], over[0], _VALUE), flattened(theirs[other], over[1], _OTHER)
        first, second = xr.align(first, second, join="inner")
        found[label] = first, second
    return found


def _divided(dataset: xr.Dataset, options: SampleOptions) -> list[xr.Dataset]:
    """Take the two samples out of one dataset: the second is the rest where nothing is said of it."""
    first = select(dataset, options.first)
    if options.second:
        return [first, select(dataset, options.second)]
    mask = xr.DataArray(True)
    for name, condition in options.first.items():
        mask = mask & holds(dataset, name, condition)
    if mask.ndim != 1:
        raise UsageError("'first' speaks of several dimensions; say with 'second' what the other sample is")
    (dim,) = mask.dims
    rest = np.flatnonzero(~mask.values)
    if not rest.size:
        raise UsageError("nothing is left for the second sample")
    return [first, dataset.isel({dim: rest})]


def _over(dataset: xr.Dataset, options: SampleOptions) -> tuple[str, ...]:
    if options.over is not None:
        return options.over
    dims = [str(dim) for dim in dataset.dims if dim != VARIABLE]
    if len(dims) == 1 or PAIR in dims:
        return (PAIR,) if PAIR in dims else (dims[0],)
    raise UsageError(f"say with 'over' which dimensions hold the values of a sample; there are {', '.join(dims)}")


def _by_cell(test: Test, first: xr.DataArray, second: xr.DataArray, number: int) -> tuple[xr.DataArray, ...]:
    """Test every cell of the dimensions that are left."""
    found = xr.apply_ufunc(
        test,
        first.astype(np.float64),
        second.astype(np.float64),
        input_core_dims=[[_VALUE], [_OTHER]],
        output_core_dims=[()] * number,
        vectorize=True,
        # Else the first cell would settle that counts are whole, and a cell without values could not be NaN.
        output_dtypes=[np.float64] * number,
    )
    return found if isinstance(found, tuple) else (found,)
