"""Small labelled results as a store has them: measures of tokens, and curves over checkpoints."""

from __future__ import annotations

import numpy as np
import xarray as xr

COMPONENTS = ["input", "attention", "bias"]
SENTENCES = np.repeat(np.arange(8), [3, 1, 4, 2, 5, 3, 2, 4])


def tokens(seed: int = 0, **changes) -> xr.Dataset:
    """Give two token variables as a store has them, with one undefined value."""
    rng = np.random.default_rng(seed)
    shape = (2, len(COMPONENTS), len(SENTENCES))
    importance = rng.normal(size=shape)
    importance[0, 1, 4] = np.nan
    dims = ("layer", "component", "token")
    position = np.concatenate([np.arange(n) for n in np.bincount(SENTENCES)])
    coords = {
        "layer": [0, 6],
        "component": COMPONENTS,
        "sentence": ("token", SENTENCES),
        "position": ("token", position),
        "special": ("token", position == 0),
        **changes,
    }
    return xr.Dataset({"importance": (dims, importance), "norm": (dims, rng.random(shape))}, coords)


def curve(number: int = 12, seed: int = 0, run: str = "r") -> xr.Dataset:
    """Give a measure over checkpoints, as a sweep has it."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(number, len(COMPONENTS))).cumsum(0)
    steps = 100 * np.arange(1, number + 1)
    coords = {
        "model": [f"{run}@step{step}" for step in steps],
        "step": ("model", steps),
        "run": ("model", [run] * number),
        "component": COMPONENTS,
    }
    return xr.Dataset({"importance": (("model", "component"), values)}, coords)


def value(found: xr.DataArray, **labels) -> float:
    return float(found.sel(labels).squeeze())
