"""`probe_baselines`: what probes have to beat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import xarray as xr

from prosect_plugins.probes.items import TEST, TRAIN, read_items
from prosect_plugins.probes.judging import Judge
from prosect_plugins.probes.options import ItemOptions


def probe_baselines(datasets: Sequence[xr.Dataset], options: ItemOptions) -> xr.Dataset:
    """Judge the most frequent class of each group and guessing; the dataset needs no vectors."""
    (dataset,) = datasets
    items = read_items(dataset, options)
    judge = Judge(items, options)
    numbers = {
        "items_train": np.int64(len(items.of(TRAIN))),
        "items_test": np.int64(len(items.of(TEST))),
        "unseen_share": np.float64(1.0 - judge.seen[items.of(TEST)].mean()),
    }
    found = {name: ((), np.float64(value)) for name, value in judge.baselines().items()}
    return xr.Dataset({**found, **{name: ((), value) for name, value in numbers.items()}})
