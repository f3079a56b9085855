"""Values on their way into a store: text, narrower floats, JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from pathlib import PurePath
from typing import Any

import numpy as np
import numpy.typing as npt

from prosect.errors import RunError

JSON = None | bool | int | float | str | list["JSON"] | dict[str, "JSON"]


def storable(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Turn strings of any kind into variable-length UTF-8, the one kind of text that the Zarr 3 specification knows."""
    return values.astype(np.dtypes.StringDType()) if values.dtype.kind in "OUT" else values


def compact(values: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Turn integers of 64 bits into 32 where nothing is lost; other values stay as they are."""
    if values.dtype.kind not in "iu" or values.dtype.itemsize <= 4:  # noqa: PLR2004 -- bytes of an int32
        return values
    limits = np.iinfo(np.int32)
    fits = values.size == 0 or (values.min() >= limits.min and values.max() <= limits.max)
    return values.astype(np.int32) if fits else values


def narrow(values: npt.NDArray[Any], dtype: str, name: str) -> npt.NDArray[Any]:
    """Cast floats to a narrower type.

    Raises
    ------
    RunError
        A finite value does not fit, as happens with massive activations in float16 (65,504 at most).
    """
    with np.errstate(over="ignore"):
        cast = values.astype(dtype)
    lost = np.isinf(cast) & np.isfinite(values)
    if lost.any():
        worst = np.abs(values[lost]).max()
        raise RunError(f"{name}: {worst:.3g} does not fit into {dtype}; store it as computed (`keep: [terms]`)")
    return cast


def jsonable(value: object) -> JSON:
    """Turn a value into plain JSON: mappings, sequences, NumPy scalars and arrays, paths and times.

    Numbers that JSON lacks become the strings ``NaN``, ``Infinity`` and ``-Infinity``, as in Zarr's own metadata.

    Raises
    ------
    TypeError
        The value has no JSON form.
    """
    if isinstance(value, Mapping):
        return {str(key): jsonable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(inner) for inner in value]
    if isinstance(value, np.generic | np.ndarray):
        return jsonable(value.tolist())
    return _scalar(value)


def _scalar(value: object) -> JSON:
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form: {value!r}")
