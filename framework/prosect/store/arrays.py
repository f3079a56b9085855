"""Zarr groups and arrays of one node: made from a layout, compared with it, written unit by unit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import zarr
from zarr.codecs import BloscCodec
from zarr.core.metadata import ArrayV3Metadata

from prosect.errors import StoreError
from prosect.model.tokens import Unit
from prosect.results.layout import ArrayLayout, Coordinate, NodeLayout
from prosect.results.values import storable
from prosect.store.grid import coordinate_chunk, grid
from prosect.vocab.dims import SOURCE_TOKEN, TOKEN

Array = zarr.Array[Any]
CODEC: Final = BloscCodec(cname="lz4", shuffle="bitshuffle")
UNIT_TOKENS: Final = "unit_tokens"
STATE: Final = "state"


def create_node(root: zarr.Group, layout: NodeLayout) -> None:
    """Create the group of a layout with all its arrays (empty) and coordinates (filled)."""
    # readers of xarray's convention find in this attribute which variables are coordinates
    coordinates = " ".join(
        coordinate.name for coordinate in layout.coordinates if coordinate.dims != (coordinate.name,)
    )
    attributes = {**layout.attrs, "coordinates": coordinates, UNIT_TOKENS: layout.unit_tokens, STATE: "unfinished"}
    group = root.create_group(layout.path, attributes=attributes)
    for array in layout.arrays:
        _create_array(group, layout, array)
    for coordinate in layout.coordinates:
        _create_coordinate(group, coordinate)


def _create_array(group: zarr.Group, layout: NodeLayout, array: ArrayLayout) -> None:
    cut = grid(layout, array)
    dtype = np.dtype(array.dtype)
    is_text = dtype.kind == "T"
    group.create_array(
        array.name,
        shape=layout.shape(array),
        dtype=dtype,
        chunks=cut.chunks,
        shards=None if is_text else cut.shards,
        compressors="auto" if is_text else CODEC,
        fill_value="" if is_text else dtype.type(np.nan if dtype.kind == "f" else 0),
        dimension_names=array.dims,
        attributes=dict(array.attrs),
    )


def _create_coordinate(group: zarr.Group, coordinate: Coordinate) -> None:
    values = storable(coordinate.values)
    group.create_array(
        coordinate.name,
        data=values,
        chunks=coordinate_chunk(values.shape),
        compressors="auto" if values.dtype.kind == "T" else CODEC,
        dimension_names=coordinate.dims,
        attributes=dict(coordinate.attrs),
    )


def open_array(root: zarr.Group, path: str, name: str) -> Array:
    """Open one array of a node; StoreError where it is missing."""
    found = root.get(f"{path}/{name}")
    if not isinstance(found, zarr.Array):
        raise StoreError(f"{path}: the store has no variable {name!r}; recompute the step with --replace")
    return found


def token_arrays(layout: NodeLayout) -> tuple[ArrayLayout, ...]:
    """Arrays which are written unit by unit."""
    return tuple(array for array in layout.arrays if array.token_dim == TOKEN)


def source_token_arrays(layout: NodeLayout) -> tuple[ArrayLayout, ...]:
    """Arrays of the encoder's tokens, which are written by the encoder's units."""
    return tuple(array for array in layout.arrays if array.token_dim == SOURCE_TOKEN)


def whole_arrays(layout: NodeLayout) -> tuple[ArrayLayout, ...]:
    """Arrays without an axis of tokens, which are written once."""
    return tuple(array for array in layout.arrays if array.token_dim is None)


def write_part(root: zarr.Group, layout: NodeLayout, array: ArrayLayout, values: npt.NDArray[Any], unit: Unit) -> str:
    """Write the part of an array that is one unit; returns the key of the shard that now holds it."""
    target = _target(root, layout, array, values, unit.stop - unit.start)
    own = array.token_dim
    target[tuple(slice(unit.start, unit.stop) if dim == own else slice(None) for dim in array.dims)] = values
    place = tuple(unit.index if dim == own else 0 for dim in array.dims)
    return f"{target.path}/{_metadata(target).encode_chunk_key(place)}"


def write_whole(root: zarr.Group, layout: NodeLayout, array: ArrayLayout, values: npt.NDArray[Any]) -> None:
    """Write an array that has no token axis."""
    _target(root, layout, array, values, 0)[...] = values


def write_node(root: zarr.Group, layout: NodeLayout, data: Mapping[str, npt.NDArray[Any]]) -> None:
    """Create a node and write all that it holds at once."""
    create_node(root, layout)
    for array in layout.arrays:
        open_array(root, layout.path, array.name)[...] = data[array.name]
    root[layout.path].update_attributes({STATE: "finished"})


def _target(root: zarr.Group, layout: NodeLayout, array: ArrayLayout, values: npt.NDArray[Any], tokens: int) -> Array:
    shape = tuple(tokens if dim == array.token_dim else layout.sizes[dim] for dim in array.dims)
    if values.shape != shape or values.dtype != np.dtype(array.dtype):
        raise StoreError(
            f"{layout.path}: {array.name} came as {values.dtype} {values.shape}, "
            f"but {array.dtype} {shape} stands in the layout"
        )
    target = open_array(root, layout.path, array.name)
    check_array(target, layout, array)
    return target


def check_array(found: Array, layout: NodeLayout, array: ArrayLayout) -> None:
    """Check that a stored array is cut as the layout says."""
    cut = grid(layout, array)
    stored = (found.shape, found.dtype, found.chunks, found.shards, _metadata(found).dimension_names)
    wanted = (layout.shape(array), np.dtype(array.dtype), cut.chunks, cut.shards, array.dims)
    if stored != wanted:
        raise StoreError(
            f"{layout.path}: stored {array.name} has shape, dtype, chunks, shards, dimensions {stored}, this run needs "
            f"{wanted}; recompute the step with --replace"
        )


def check_coordinate(found: Array, layout: NodeLayout, coordinate: Coordinate) -> None:
    """Check that a stored coordinate has the very values of the layout."""
    wanted = storable(coordinate.values)
    stored = np.asarray(found[...])
    same = (
        stored.dtype == wanted.dtype
        and stored.shape == wanted.shape
        and _metadata(found).dimension_names == coordinate.dims
    )
    if not same or not np.array_equal(stored, wanted, equal_nan=wanted.dtype.kind == "f"):
        raise StoreError(
            f"{layout.path}: the stored coordinate {coordinate.name} differs from this run's "
            "(another tokenizer or corpus?); recompute the step with --replace"
        )


def _metadata(found: Array) -> ArrayV3Metadata:
    if not isinstance(found.metadata, ArrayV3Metadata):
        raise StoreError(f"{found.path}: is no Zarr 3 array; this store was written by something else")
    return found.metadata
