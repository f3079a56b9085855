"""Results of the measures as labelled data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

Labels = Sequence[str]


def variable(
    dims: Sequence[str],
    values: npt.ArrayLike,
    long_name: str,
    units: str = "1",
    **attrs: Any,  # noqa: ANN401 - JSON
) -> xr.Variable:
    """Make a variable with what every variable says of itself."""
    return xr.Variable(tuple(dims), np.asarray(values), {"long_name": long_name, "units": units, **attrs})


def text(dims: Sequence[str], values: Iterable[str] | npt.NDArray[Any], long_name: str) -> xr.Variable:
    """Make a variable of text."""
    found = np.array(list(values) if not isinstance(values, np.ndarray) else values, dtype=np.dtypes.StringDType())
    return xr.Variable(tuple(dims), found, {"long_name": long_name, "units": "1"})


def plain(values: npt.ArrayLike) -> npt.NDArray[Any]:
    """Turn text of any kind into NumPy's own, which can be sorted and searched; other values stay as they are."""
    found = np.asarray(values)
    return np.array(found.astype(object).tolist(), dtype=np.str_) if found.dtype.kind in "OUT" else found


def lead_coordinates(dataset: xr.Dataset, dims: Iterable[str]) -> dict[str, xr.Variable]:
    """Coordinates of a node that stand on some of its dimensions alone (layers, heads, scopes, models)."""
    kept = set(dims)
    return {
        str(name): coordinate.variable
        for name, coordinate in dataset.coords.items()
        if set(coordinate.dims) <= kept and (coordinate.dims or str(name) in ("model", "run", "step"))
    }
