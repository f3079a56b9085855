"""Intervals for means, from resampled sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import xarray as xr

from prosect.api import UsageError
from prosect.api.results import labels_of, select
from prosect_plugins.derived.kernels import bootstrap as kernel
from prosect_plugins.derived.labels import chosen, common, flattened, side_by_side
from prosect_plugins.derived.options import BootstrapOptions

_VALUE: Final = "value"
_NONE: Final = "none"


@dataclass(frozen=True)
class _Clustered:
    """Sums and numbers of values per cluster, with clusters last; and the dimensions of the rest."""

    sums: np.ndarray
    counts: np.ndarray

    @property
    def estimate(self) -> np.ndarray:
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(self.sums.sum(-1) / self.counts.sum(-1))

    def resampled(self, options: BootstrapOptions) -> np.ndarray:
        return kernel.bootstrap_means(self.sums, self.counts, resamples=options.resamples, seed=options.seed)

    def jackknife(self) -> np.ndarray:
        return kernel.jackknife_means(self.sums, self.counts)


def bootstrap(datasets: Sequence[xr.Dataset], options: BootstrapOptions) -> xr.Dataset:
    """Mean with its interval; of two datasets the difference second - first, with the same sentences drawn in both."""
    selected = [select(dataset, options.where, options.exclude) for dataset in datasets]
    labels = [_labels(dataset, options) for dataset in selected]
    kinds = np.unique(labels[0])
    kinds = kinds[np.isin(kinds, labels[-1])]
    if not kinds.size:
        raise UsageError(f"the datasets have no {options.cluster} in common")
    arrays = [chosen(dataset, options.variables, (options.over,)) for dataset in selected]
    results = {}
    for name in common(arrays):
        parts = [found[name].compute() for found in arrays]
        results[name] = _estimated(parts, labels, kinds, options)
    return side_by_side(results).assign_attrs(seed=options.seed)


def _labels(dataset: xr.Dataset, options: BootstrapOptions) -> np.ndarray:
    if options.cluster == _NONE:
        return np.arange(dataset.sizes[options.over])
    labels = labels_of(dataset, options.cluster)
    if labels.dims != (options.over,):
        raise UsageError(
            f"{options.cluster!r} must lie on {options.over!r}, whose values are drawn; or say 'cluster: none'"
        )
    return np.asarray(labels.values)


def _estimated(
    arrays: Sequence[xr.DataArray], labels: Sequence[np.ndarray], kinds: np.ndarray, options: BootstrapOptions
) -> dict[str, xr.DataArray]:
    flat = [flattened(array, [options.over], _VALUE) for array in arrays]
    flat = list(xr.align(*flat, join="inner", exclude=[_VALUE]))
    parts = [_clustered(found.values, own, kinds) for found, own in zip(flat, labels, strict=True)]
    estimate, resampled = parts[-1].estimate, parts[-1].resampled(options)
    if len(parts) > 1:
        estimate = np.asarray(estimate - parts[0].estimate)
        resampled = resampled - parts[0].resampled(options)

    def jackknife() -> np.ndarray:
        found = parts[-1].jackknife()
        return found if len(parts) == 1 else found - parts[0].jackknife()

    low, high = kernel.interval(estimate, resampled, level=options.level, method=options.interval, jackknife=jackknife)
    found = {
        "bootstrap": estimate,
        "lower": low,
        "upper": high,
        "standard_error": resampled.std(-1, ddof=1),
        "clusters": np.broadcast_to(len(kinds), estimate.shape),
    }
    dims, coords = flat[0].dims[:-1], flat[0].coords
    return {name: xr.DataArray(values, dims=dims, coords=coords) for name, values in found.items()}


def _clustered(values: np.ndarray, labels: np.ndarray, kinds: np.ndarray) -> _Clustered:
    places = np.searchsorted(kinds, labels).clip(max=len(kinds) - 1)
    inside = np.flatnonzero(kinds[places] == labels)
    sums, counts = kernel.cluster_sums(values[..., inside].astype(np.float64), places[inside])
    return _Clustered(sums, counts)
