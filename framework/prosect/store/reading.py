"""A store as a lazy tree of xarray datasets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from prosect.errors import StoreError
from prosect.store.identity import identify
from prosect.store.journal import half_made

if TYPE_CHECKING:
    import xarray as xr

Chunks = int | Mapping[str, int] | Literal["auto"] | None


def open_tree(path: Path, chunks: Chunks = None) -> xr.DataTree:
    """Open a store for reading; numbers are read when they are needed.

    It never relies on the collected metadata of the root, which a running process may be about to change, and
    leaves out nodes whose allocation was cut short. Nodes and variables stand in the order of their names, numbers
    in names by size, and coordinates of axes before the others.

    Parameters
    ----------
    path
        Folder of the store, finished or not.
    chunks
        None: numbers are read on demand into NumPy; ``{}`` or sizes: they are dask arrays.

    Raises
    ------
    StoreError
        Not a store that this version can read, or one that holds nothing yet.
    """
    import xarray as xr

    from prosect.store.folder import ResultFolder

    identify(path)
    if not (path / "zarr.json").is_file():
        raise StoreError(f"{path}: holds nothing yet; run its spec first")
    folder = ResultFolder(path, read_only=True, hidden=half_made(path))
    # xarray hands zarr's own stores on to zarr; its annotation leaves them out
    tree = xr.open_datatree(folder, engine="zarr", consolidated=False, chunks=chunks)  # type: ignore[arg-type]
    _sort(tree)
    return tree


def _sort(tree: xr.DataTree) -> None:
    """Bring nodes into one order: zarr finds the members of a group in the order in which the disk answers."""
    import xarray as xr

    for node in tree.subtree:
        node.children = {name: node.children[name] for name in sorted(node.children, key=_by_number)}
        found = node.to_dataset(inherit=False)
        names = sorted(map(str, found.variables), key=lambda name: (name not in found.dims, _by_number(name)))
        data = {name: found.variables[name] for name in names if name in found.data_vars}
        sorted_ = xr.Dataset(data, {name: found.variables[name] for name in names if name in found.coords}, found.attrs)
        sorted_.encoding = found.encoding
        node.dataset = sorted_


def _by_number(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]
