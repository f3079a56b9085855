"""`intrinsic_dimension`: estimators, decimation and errors, from one table of neighbours of a drawn sample."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from prosect.api.tensors import Axis, Context, Finaliser, Values
from prosect_plugins.metrics.geometry import estimators
from prosect_plugins.metrics.geometry.estimators import Fit
from prosect_plugins.metrics.geometry.neighbour_options import ESTIMATOR, SCALE, DimensionOptions
from prosect_plugins.metrics.geometry.neighbours import FloatArray, PointCloud, Points

METHODS = {"twonn": estimators.twonn, "mle": estimators.mle, "mom": estimators.mom, "mada": estimators.mada}
NAME = "intrinsic_dimension"


def intrinsic_dimension(options: DimensionOptions, context: Context) -> Finaliser:
    """Make the accumulator of `intrinsic_dimension`."""
    cloud = PointCloud.shared(options, context)
    return Finaliser(_Finalise(options, cloud), {**cloud.plan.axes(), **cloud.sums.axes, **_own_axes(options)})


def _own_axes(options: DimensionOptions) -> Mapping[str, Axis]:
    found = {ESTIMATOR: Axis(np.array(options.methods), "estimator of the intrinsic dimension")}
    if options.method == "gride":
        found[SCALE] = Axis(np.array(options.scales), "number of the second neighbour n_2 of the ratio")
    elif options.decimation:
        found[SCALE] = Axis(2 ** np.arange(options.decimation + 1), "the points were cut into so many parts")
    return {name: axis for name, axis in found.items() if name in options.own_axes}


class _Finalise:
    """Turns points into the variables of the metric."""

    def __init__(self, options: DimensionOptions, cloud: PointCloud) -> None:
        self._options, self._cloud = options, cloud
        self._unique = options.duplicates != "keep" and options.fit != "llm_microscope"
        self._shape = *cloud.plan.cells.shape, len(cloud.sums.names)
        scales = len(options.scales) if options.method == "gride" else options.decimation + 1
        self._own = len(options.methods), scales

    def __call__(self) -> Values:
        value, error = (np.full((*self._shape, *self._own), np.nan) for _ in range(2))
        counts = {name: np.zeros(self._shape, dtype=np.int64) for name in ("n_used", "duplicates", "kept")}
        same = np.full(self._shape, np.nan)
        for place in np.ndindex(*self._shape):
            batches = list(self._batches(place))
            fits = [self._fits(points) for points in batches]
            value[place], error[place] = self._settled(batches, fits)
            counts["n_used"][place] = sum(len(points.places) for points in batches)
            counts["duplicates"][place] = sum(points.left_out for points in batches)
            counts["kept"][place] = sum(fit["kept"] for fit in fits)
            shares = [estimators.is_within(points, self._cloud.plan.sentence) for points in batches]
            same[place] = np.mean(shares) if shares else np.nan
        found: dict[str, Any] = {NAME: self._shaped(value), f"{NAME}_same_sentence": self._flat(same)}
        found |= {f"{NAME}_{name}": self._flat(number) for name, number in counts.items()}
        if "twonn" not in self._options.methods:
            del found[f"{NAME}_kept"]
        if self._options.error != "none":
            found[f"{NAME}_error"] = self._shaped(error)
        return {**found, f"{NAME}_sample": self._cloud.plan.table()}

    def _batches(self, place: tuple[int, ...]) -> Iterator[Points]:
        for batch in range(len(self._cloud.plan.batches[place[:-1]])):
            yield self._cloud.points(place[:-1], batch, place[-1], unique=self._unique)

    def _settled(self, batches: list[Points], fits: list[dict[str, Any]]) -> tuple[FloatArray, FloatArray]:
        """Value and error from the batches."""
        values = np.stack([fit["value"] for fit in fits])
        if self._options.error == "batches":
            known = np.isfinite(values).sum(axis=0)
            mean = _mean(values)
            spread = np.nansum(np.square(values - mean), axis=0)
            error = np.sqrt(spread / np.where(known > 1, known * (known - 1), np.nan))
            return mean, error
        if self._options.error == "jackknife":
            return values[0], self._jackknife(batches[0])
        return values[0], fits[0]["error"]

    def _jackknife(self, points: Points) -> FloatArray:
        """Leave out one block of sentences at a time, and find neighbours anew."""
        present, own = np.unique(self._cloud.plan.sentence[points.places], return_inverse=True)
        number = min(self._options.blocks, len(present))
        block = own.reshape(-1) % max(1, number)
        left = np.array([self._fits(points.within(block != one))["value"] for one in range(number)])
        if number < 2:  # noqa: PLR2004 - a spread takes two
            return np.full(self._own, np.nan)
        spread = np.square(left - left.mean(axis=0)).sum(axis=0)
        found: FloatArray = np.sqrt((number - 1) / number * spread)
        return found

    def _fits(self, points: Points) -> dict[str, Any]:
        """Value and nominal error for every method and scale, and the number of ratios that were kept."""
        if self._options.method == "gride":
            fits = [[estimators.gride(points, scale) for scale in self._options.scales]]
        else:
            parts = self._parts(points)
            fits = [
                [_averaged([METHODS[method](part, self._options) for part in some]) for some in parts]
                for method in self._options.methods
            ]
        kept = next((fits[n][0].kept for n, m in enumerate(self._options.methods) if m == "twonn"), 0)
        value = np.array([[fit.value for fit in row] for row in fits])
        return {"value": value, "error": np.array([[fit.error for fit in row] for row in fits]), "kept": kept}

    def _parts(self, points: Points) -> list[list[Points]]:
        """Cut the points into 1, 2, 4, … parts."""
        order = np.random.default_rng(self._options.seed).permutation(len(points.places))
        found = [[points]]
        for halvings in range(1, self._options.decimation + 1):
            part = np.empty(len(order), dtype=np.int64)
            part[order] = np.arange(len(order)) % 2**halvings
            found.append([points.within(part == one) for one in range(2**halvings)])
        return found

    def _shaped(self, values: FloatArray) -> FloatArray:
        """Keep the axes that the options ask for."""
        kept = [self._cloud.sums.dims != (), *(axis in self._options.own_axes for axis in (ESTIMATOR, SCALE))]
        gone = tuple(place for place, keep in zip((-3, -2, -1), kept, strict=True) if not keep)
        return values.squeeze(gone)

    def _flat(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        return values if self._cloud.sums.dims else values[..., 0]


def _averaged(fits: list[Fit]) -> Fit:
    """Bring the parts of a decimation together."""
    if len(fits) == 1:
        return fits[0]
    return Fit(float(_mean(np.array([fit.value for fit in fits]))), kept=sum(fit.kept for fit in fits))


def _mean(values: FloatArray) -> FloatArray:
    """Mean over the first axis of what is known; NaN where nothing is."""
    known = np.isfinite(values)
    total = np.where(known, values, 0.0).sum(axis=0)
    count = known.sum(axis=0)
    return np.asarray(total / np.where(count > 0, count, np.nan))
