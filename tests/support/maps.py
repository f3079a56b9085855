"""Nodes of maps as a store would give them, made from arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xarray as xr


def axis(sentences: Sequence[Mapping[str, Sequence[Any]]], dim: str, prefix: str = "") -> dict[str, Any]:
    """Coordinates of a flat axis from those of each sentence (equal keys); ``sentence`` and ``position`` are added."""
    lengths = [len(next(iter(sentence.values()))) for sentence in sentences]
    found: dict[str, Any] = {
        f"{prefix}sentence": (dim, np.repeat(np.arange(len(sentences)), lengths)),
        f"{prefix}position": (dim, np.concatenate([np.arange(length) for length in lengths])),
    }
    for name in sentences[0]:
        values = np.concatenate([np.asarray(sentence[name]) for sentence in sentences])
        text = values.dtype.kind in "UOT"
        found[f"{prefix}{name}"] = (dim, values.astype(np.dtypes.StringDType()) if text else values)
    return found


def flat(maps: Sequence[np.ndarray]) -> np.ndarray:
    """Lay the maps (*lead, token, source) of sentences one under the other, NaN behind the end of each."""
    width = max(values.shape[-1] for values in maps)
    wide = [
        np.pad(v.astype(float), [(0, 0)] * (v.ndim - 1) + [(0, width - v.shape[-1])], constant_values=np.nan)
        for v in maps
    ]
    return np.concatenate(wide, axis=-2)


def labelled(dims: Sequence[str], values: np.ndarray, units: str = "1") -> xr.Variable:
    return xr.Variable((*dims,), values, {"units": units})


def numbered(layers: int = 0, heads: int = 0) -> dict[str, Any]:
    """Axes of layers from 1 and heads from 0."""
    found = {"layer": ("layer", np.arange(1, layers + 1))} if layers else {}
    return {**found, **({"head": ("head", np.arange(heads))} if heads else {})}
