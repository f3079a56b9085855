"""`neighbourhood_overlap`: mean share of the nearest neighbours of a point that a layer or a label agrees to."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from prosect.api import UsageError
from prosect.api.tensors import Context, Finaliser, Values
from prosect_plugins.metrics.geometry.cells import coordinate
from prosect_plugins.metrics.geometry.neighbour_options import OverlapOptions
from prosect_plugins.metrics.geometry.neighbours import PointCloud, Points

NAME = "neighbourhood_overlap"


def neighbourhood_overlap(options: OverlapOptions, context: Context) -> Finaliser:
    """Make the accumulator of `neighbourhood_overlap`."""
    cloud = PointCloud.shared(options, context)
    layer = _other_layer(options, context)
    other = None if layer is None else PointCloud.shared(options, context, layer)
    labels = None if options.label is None else _codes(coordinate(context, options.label))
    shape = *cloud.plan.cells.shape, len(cloud.sums.names)

    def finalise() -> Values:
        found: dict[str, Any] = {name: np.full(shape, np.nan) for name in ("", "_error", "_null")}
        used = np.zeros(shape, dtype=np.int64)
        for place in np.ndindex(*shape):
            batches = range(len(cloud.plan.batches[place[:-1]]))
            own = [cloud.points(place[:-1], batch, place[-1], unique=False) for batch in batches]
            used[place] = sum(len(points.places) for points in own)
            if labels is not None:
                shares = [_agreeing(points, options.neighbours, labels) for points in own]
                found["_null"][place] = _mean([_same_label(points, labels) for points in own])
            elif other is not None:
                others = [other.points(place[:-1], batch, place[-1], unique=False) for batch in batches]
                shares = [common(a, b, options.neighbours) for a, b in zip(own, others, strict=True)]
                found["_null"][place] = _mean([_by_chance(points, options.neighbours) for points in own])
            else:
                continue
            found[""][place] = _mean(shares)
            found["_error"][place] = np.std(shares, ddof=1) / np.sqrt(len(shares)) if len(shares) > 1 else np.nan
        if options.error == "none":
            del found["_error"]
        found["_n_used"] = used
        named = {f"{NAME}{end}": values if cloud.sums.dims else values[..., 0] for end, values in found.items()}
        return {**named, f"{NAME}_sample": cloud.plan.table()}

    return Finaliser(finalise, {**cloud.plan.axes(), **cloud.sums.axes})


def common(one: Points, other: Points, k: int) -> float:
    """Mean share of the k nearest neighbours of a point that two layers have in common (points in the same order)."""
    first, second = one.neighbours(k).index, other.neighbours(k).index
    if not first.size or len(first) != len(second):
        return float("nan")
    found = [len(np.intersect1d(a, b, assume_unique=True)) for a, b in zip(first, second, strict=True)]
    share: float = float(np.mean(found)) / first.shape[1]
    return share


def _agreeing(points: Points, k: int, labels: npt.NDArray[np.int64]) -> float:
    """Mean share of the k nearest neighbours that have the point's label."""
    index = points.neighbours(k).index
    if not index.size:
        return float("nan")
    own = labels[points.places]
    return float((own[index] == own[:, None]).mean())


def _same_label(points: Points, labels: npt.NDArray[np.int64]) -> float:
    """Mean share of all other points that have the point's label."""
    number = len(points.places)
    if number < 2:  # noqa: PLR2004 - another point
        return float("nan")
    counts = np.unique(labels[points.places], return_counts=True)[1]
    return float((counts * (counts - 1)).sum()) / (number * (number - 1))


def _by_chance(points: Points, k: int) -> float:
    """Share k / (N - 1) that two random sets of neighbours have in common."""
    others = len(points.places) - 1
    return min(k, others) / others if others > 0 else float("nan")


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")


def _other_layer(options: OverlapOptions, context: Context) -> int | None:
    """Layer that this one is compared with; None for itself."""
    layers = context.setting.layers
    if options.to == "label":
        return None
    place = layers.index(context.layer)
    chosen = {"next": layers[min(place + 1, len(layers) - 1)], "last": layers[-1], "first": layers[0]}[options.to]
    if len(layers) < 2:  # noqa: PLR2004 - another layer
        raise UsageError(f"{NAME!r} compares layers, and this analysis has one; 'to: label' compares with labels")
    return None if chosen == context.layer else chosen


def _codes(values: npt.NDArray[np.generic]) -> npt.NDArray[np.int64]:
    codes: npt.NDArray[np.int64] = np.unique(values, return_inverse=True)[1].reshape(-1).astype(np.int64)
    return codes
