"""`knn_probe`: the vote of the nearest neighbours of the same group."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from prosect_plugins.probes.cells import Cell, Outcome, best_on_development, probe
from prosect_plugins.probes.items import DEV, TEST, TRAIN
from prosect_plugins.probes.kernels.neighbours import nearest_labels
from prosect_plugins.probes.kernels.scores import Codes
from prosect_plugins.probes.options import NeighbourOptions


def knn_probe(datasets: Sequence[xr.Dataset], options: NeighbourOptions) -> xr.Dataset:
    """Classify the items of the test part by their nearest neighbours in the training part."""
    return probe(datasets, options, _fit, runs=False)


def _fit(cell: Cell, options: NeighbourOptions) -> Outcome:
    wanted = (options.neighbours,) if isinstance(options.neighbours, int) else options.neighbours
    on_dev = {float(k): _classified(cell, options, k, DEV) for k in wanted} if len(wanted) > 1 else {}
    chosen = int(best_on_development(cell, on_dev, "accuracy")) if on_dev else wanted[0]
    predicted = _classified(cell, options, chosen, TEST)
    return Outcome(predicted[None], {"neighbours": np.array([chosen])})


def _classified(cell: Cell, options: NeighbourOptions, neighbours: int, part: int) -> Codes:
    items, train = cell.items, cell.items.of(TRAIN)
    return nearest_labels(
        cell.of(TRAIN),
        items.label[train],
        items.group[train],
        cell.of(part),
        items.group[items.of(part)],
        neighbours=neighbours,
        distance=options.distance,
    )
