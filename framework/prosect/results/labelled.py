"""A dataset that came from elsewhere, as a layout and arrays which the store can write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from prosect.errors import RunError
from prosect.results.layout import SCHEMA, SCHEMA_VERSION, ArrayLayout, Coordinate, NodeLayout
from prosect.results.values import jsonable, storable
from prosect.vocab.dims import TOKEN

if TYPE_CHECKING:
    import xarray as xr

#: Kinds of values that Zarr and NetCDF both know: truth values, integers, floats, text.
KINDS: Final = frozenset("biufT")

Data = Mapping[str, npt.NDArray[Any]]


def from_dataset(path: str, dataset: xr.Dataset, attrs: Mapping[str, Any]) -> tuple[NodeLayout, Data]:
    """Lay out a dataset as a node of the store.

    Parameters
    ----------
    path
        Path of the node.
    dataset
        Any dataset; its variables may be lazy.
    attrs
        Attributes of the node, as JSON, in front of the dataset's own; schema name and version are added.

    Returns
    -------
    tuple
        The layout, and variable -> values in the layout's dtype.

    Raises
    ------
    RunError
        It holds values or attributes that a store cannot hold.
    """
    import pandas as pd

    odd = [str(name) for name, index in dataset.indexes.items() if isinstance(index, pd.MultiIndex)]
    if odd:
        raise RunError(f"{path}: {odd[0]!r} is a MultiIndex, which cannot be stored; the metric must reset it")
    data = {str(name): _values(path, str(name), array) for name, array in dataset.data_vars.items()}
    arrays = tuple(
        ArrayLayout(
            name=str(name),
            dims=tuple(map(str, array.dims)),
            dtype=data[str(name)].dtype.char if data[str(name)].dtype.kind == "T" else str(data[str(name)].dtype),
            attrs=_json(path, array.attrs),
        )
        for name, array in dataset.data_vars.items()
    )
    coordinates = tuple(
        Coordinate(
            name=str(name),
            dims=tuple(map(str, array.dims)),
            values=_values(path, str(name), array),
            attrs=_json(path, array.attrs),
        )
        for name, array in dataset.coords.items()
    )
    sizes = {str(dim): int(size) for dim, size in dataset.sizes.items()}
    own = {**attrs, **{name: value for name, value in dataset.attrs.items() if name not in attrs}}
    layout = NodeLayout(
        path=path,
        sizes=sizes,
        arrays=arrays,
        coordinates=coordinates,
        unit_tokens=max(1, sizes.get(TOKEN, 1)),
        attrs={**_json(path, own), "schema": SCHEMA, "schema_version": SCHEMA_VERSION},
    )
    return layout, data


def _values(path: str, name: str, array: xr.DataArray) -> npt.NDArray[Any]:
    values = storable(np.asarray(array.values))
    if values.dtype.kind not in KINDS:
        raise RunError(f"{path}: {name} holds {values.dtype}, and a store holds numbers, truth values and text")
    return values


def _json(path: str, attrs: Mapping[Any, Any]) -> dict[str, Any]:
    try:
        return {str(name): jsonable(value) for name, value in attrs.items()}
    except TypeError as error:
        raise RunError(f"{path}: an attribute cannot be stored: {error}") from error
