"""The in-memory result: a layout and its numbers as one labelled dataset."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy.typing as npt

from prosect.results.layout import NodeLayout
from prosect.results.values import storable

if TYPE_CHECKING:
    import xarray as xr


def to_dataset(layout: NodeLayout, data: Mapping[str, npt.NDArray[Any]]) -> xr.Dataset:
    """Label arrays as the store would.

    Parameters
    ----------
    layout
        The node.
    data
        Variable -> values, for every variable of the layout, in its dtype and shape.

    Returns
    -------
    xarray.Dataset
        With the same variables, coordinates and attributes that opening a stored node gives.

    Raises
    ------
    ValueError
        Data is missing or does not fit the layout.
    """
    import xarray as xr

    for array in layout.arrays:
        found = data.get(array.name)
        if found is None or found.shape != layout.shape(array) or found.dtype != array.dtype:
            came = "nothing" if found is None else f"{found.dtype} {found.shape}"
            raise ValueError(f"{array.name}: {came} came, but the layout says {array.dtype} {layout.shape(array)}")
    variables = {array.name: (array.dims, data[array.name], dict(array.attrs)) for array in layout.arrays}
    coordinates = {c.name: (c.dims, storable(c.values), dict(c.attrs)) for c in layout.coordinates}
    return xr.Dataset(variables, coordinates, dict(layout.attrs))
