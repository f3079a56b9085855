"""Export to NetCDF4: one file with the same groups, variables and labels.

NetCDF knows less than Zarr, so two things change. float16 becomes float32. An attribute which is no text,
integer or float (a truth value, a list, a mapping, nothing) becomes JSON text, and the attribute
``json_attributes`` beside it names those that did; `decode_attributes` reads them back.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Hashable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from prosect.errors import RunError, StoreError
from prosect.store import journal
from prosect.store.arrays import UNIT_TOKENS
from prosect.store.atomic import PARTIAL
from prosect.store.reading import open_tree
from prosect.vocab.dims import TOKEN

if TYPE_CHECKING:
    import xarray as xr

JSON_ATTRIBUTES: Final = "json_attributes"
INT64: Final = np.iinfo(np.int64)


def export(store: Path, file: Path, node: str | None = None, *, overwrite: bool = False) -> None:
    """Write a finished store, or one node of it, to a NetCDF4 file.

    Parameters
    ----------
    store
        Folder of the store.
    file
        File to write; it appears under its name only when it is complete.
    node
        Path of one node, for example ``minilm/factors``: it becomes the file's root, with the store's
        provenance beside its own attributes. Default: the whole tree.
    overwrite
        Replace an existing file.

    Raises
    ------
    StoreError
        No such store or node, steps that are not finished, an existing file, a folder that is not there.
    RunError
        Writing failed.
    """
    _check_target(file, overwrite=overwrite)
    with open_tree(store) as tree:
        chosen = _choose(store, tree, node)
        _check_finished(store, node)
        _write(chosen, file)


def write_dataset(dataset: xr.Dataset, file: Path, *, overwrite: bool = False) -> None:
    """Write a dataset that is in no store to a NetCDF4 file; arguments and errors as of `export`."""
    import xarray as xr

    _check_target(file, overwrite=overwrite)
    _write(xr.DataTree(dataset), file)


def encode_attributes(attrs: Mapping[Hashable, Any]) -> dict[str, Any]:
    """Turn attributes into those that NetCDF can hold; the inverse of `decode_attributes`."""
    odd = {str(name) for name, value in attrs.items() if not _plain(value)}
    encoded = {str(n): json.dumps(v, ensure_ascii=False) if str(n) in odd else v for n, v in attrs.items()}
    return {**encoded, JSON_ATTRIBUTES: json.dumps(sorted(odd))} if odd else encoded


def decode_attributes(attrs: Mapping[Hashable, Any]) -> dict[str, Any]:
    """Turn attributes of an exported file back into what the store holds."""
    odd = set(json.loads(attrs.get(JSON_ATTRIBUTES, "[]")))
    found = {str(name): value for name, value in attrs.items() if name != JSON_ATTRIBUTES}
    return {name: json.loads(value) if name in odd else value for name, value in found.items()}


def _check_target(file: Path, *, overwrite: bool) -> None:
    if file.exists() and not overwrite:
        raise StoreError(f"{file}: exists already; choose another name, or allow to overwrite it")
    if not file.absolute().parent.is_dir():
        raise StoreError(f"{file}: there is no folder {file.absolute().parent}")


def _choose(store: Path, tree: xr.DataTree, node: str | None) -> xr.DataTree:
    if node is None:
        return tree
    known = dict(tree.subtree_with_keys)
    if node not in known:
        leaves = [path for path, found in known.items() if found.has_data]
        raise StoreError(f"{store}: has no node {node!r}; it has {', '.join(leaves) or 'none'}")
    chosen = known[node].copy()
    chosen.attrs = {**tree.attrs, **chosen.attrs}
    return chosen


def _check_finished(store: Path, node: str | None) -> None:
    open_steps = [step for step, record in journal.steps(store).items() if record.state != "finished"]
    wanted = [step for step in open_steps if node is None or f"{node}/".startswith(f"{step}/")]
    if wanted:
        raise StoreError(
            f"{store}: not finished: {', '.join(wanted)}; run its spec again to continue, or export a finished node"
        )


def _write(tree: xr.DataTree, file: Path) -> None:
    temporary = file.with_name(f"{file.name}.{uuid.uuid4().hex}{PARTIAL}")
    try:
        for path, node in tree.subtree_with_keys:
            stored = node.to_dataset(inherit=False)
            mode: Literal["a", "w"] = "a" if temporary.exists() else "w"
            group = None if path == "." else path
            _exportable(stored).to_netcdf(temporary, mode, group=group, engine="netcdf4", encoding=_encoding(stored))
        temporary.replace(file)
    except (OSError, RuntimeError) as error:  # netCDF4 reports failures of HDF5, a full disk too, as RuntimeError
        raise RunError(f"{file}: could not be written ({error}); the store is as it was") from error
    finally:
        temporary.unlink(missing_ok=True)


def _exportable(stored: xr.Dataset) -> xr.Dataset:
    """Widen and encode what NetCDF lacks, and cut long variables into pieces that fit into memory."""
    unit = {TOKEN: int(stored.attrs.get(UNIT_TOKENS, -1))}
    dataset = stored.assign_attrs(encode_attributes(stored.attrs)).drop_encoding()
    for name, variable in dataset.variables.items():
        long = variable.dtype.kind == "f" and TOKEN in variable.dims
        cut = variable.chunk({dim: unit.get(str(dim), -1) for dim in variable.dims}) if long else variable
        wide = cut.astype(np.float32) if cut.dtype == np.float16 else cut.copy(deep=False)
        wide.attrs = encode_attributes(variable.attrs)
        dataset[name] = wide
    return dataset


def _encoding(stored: xr.Dataset) -> dict[Hashable, dict[str, Any]]:
    """Compress numbers, in the chunks of the store (which end where a short axis does)."""
    numbers = {name: array.variable for name, array in stored.data_vars.items() if array.dtype.kind in "fiu"}
    return {
        name: {
            "zlib": True,
            "complevel": 1,
            "chunksizes": tuple(map(min, variable.encoding.get("chunks") or variable.shape, variable.shape)),
        }
        for name, variable in numbers.items()
    }


def _plain(value: object) -> bool:
    if isinstance(value, bool):
        return False
    return isinstance(value, str | float) or (isinstance(value, int) and INT64.min <= value <= INT64.max)
