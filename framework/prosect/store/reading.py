"""A store as a lazy tree of xarray datasets."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
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


@contextmanager
def open_nodes(path: Path, nodes: Iterable[str]) -> Iterator[dict[str, xr.Dataset]]:
    """Open some nodes of a store as dask arrays, for the length of a ``with`` block.

    In a store of many nodes that takes a small part of the time of `open_tree`. Nodes that are not there are left out.
    """
    import xarray as xr

    from prosect.store.folder import ResultFolder

    identify(path)
    folder, hidden = ResultFolder(path, read_only=True), half_made(path)
    with ExitStack() as stack:
        found: dict[str, xr.Dataset] = {}
        for node in dict.fromkeys(nodes):
            if (path / node / "zarr.json").is_file() and node not in hidden:
                # As above: a store of zarr's own.
                opened = xr.open_dataset(folder, engine="zarr", group=node, consolidated=False, chunks={})  # type: ignore[arg-type]
                found[node] = _in_order(stack.enter_context(opened))
        yield found


def _sort(tree: xr.DataTree) -> None:
    """Bring nodes into one order: zarr finds the members of a group in the order in which the disk answers."""
    for node in tree.subtree:
        node.children = {name: node.children[name] for name in sorted(node.children, key=_by_number)}
        node.dataset = _in_order(node.to_dataset(inherit=False))


def _in_order(found: xr.Dataset) -> xr.Dataset:
    """Bring variables into one order, those of axes first."""
    import xarray as xr

    names = sorted(map(str, found.variables), key=lambda name: (name not in found.dims, _by_number(name)))
    data = {name: found.variables[name] for name in names if name in found.data_vars}
    ordered = xr.Dataset(data, {name: found.variables[name] for name in names if name in found.coords}, found.attrs)
    ordered.encoding = found.encoding
    return ordered


def _by_number(name: str) -> list[tuple[int, str]]:
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)]
