"""Results of several models as one dataset: the members of a matrix stacked along ``model``."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

import numpy as np
import xarray as xr

from prosect.errors import UsageError
from prosect.store.reading import open_tree
from prosect.view.steps import first_step
from prosect.vocab.dims import MODEL, RUN, STEP

#: Attributes of a node that differ between members and are kept as coordinates.
_PER_MEMBER: Final = frozenset({"model", "matrix", "closure_max", "units_halved", "losses", "notes"})


def stack(store: str | Path | xr.DataTree, reference: str) -> xr.Dataset:
    """Put the results of several models into one dataset.

    Parameters
    ----------
    store
        Folder of a store, or its open tree.
    reference
        ``ENTRY/ANALYSIS`` or ``ENTRY/ANALYSIS/STREAM``, where the entry is a matrix; a pattern with ``*`` also fits
        models that are no members of one.

    Returns
    -------
    xarray.Dataset
        With the dimension ``model``, ordered by training step where all names state one, else by name. On it stand
        ``run`` (the entry), the values of the matrix, and the numeric ``step``. Numbers are read when they are needed.

    Raises
    ------
    UsageError
        Nothing fits, or the nodes have different tokens.
    """
    tree = store if isinstance(store, xr.DataTree) else open_tree(Path(store), chunks={})
    paths = [path for path in _leaves(tree) if _fits(path, reference)]
    if not paths:
        raise UsageError(f"no node fits {reference!r}; there are {', '.join(_leaves(tree))}")
    nodes = dict(tree.subtree_with_keys)
    found = [member(nodes[path].to_dataset(inherit=False)) for path in paths]
    if all(STEP in dataset.coords for dataset in found):
        found.sort(key=lambda dataset: int(dataset.coords[STEP]))
    return stack_members(found)


def member(dataset: xr.Dataset) -> xr.Dataset:
    """Give a node what tells its model from others, as scalar coordinates.

    ``model``, ``run`` (its name before ``@``), the values of the matrix, and ``step`` where one of them says it.
    """
    name = dataset.attrs.get("model")
    if not isinstance(name, str):
        return dataset
    values = dict(dataset.attrs.get("matrix") or {})
    step = first_step((*values.values(), name))
    found: dict[Hashable, Any] = {MODEL: name, RUN: name.partition("@")[0], **values}
    if step is not None:
        found[STEP] = step
    clash = [key for key in found if key in dataset.variables or key in dataset.dims]
    return dataset.assign_coords({key: value for key, value in found.items() if key not in clash})


def stack_members(datasets: Sequence[xr.Dataset]) -> xr.Dataset:
    """Stack datasets which have scalar coordinates of their models (`member`), in the order given.

    Raises
    ------
    UsageError
        They differ in a variable, or in what stands on an axis (other tokens, other layers).
    """
    first = datasets[0]
    for other in datasets[1:]:
        _check_same(first, other)
    scalars = _scalars(datasets)
    bare = [dataset.drop_vars([name for name in scalars if name in dataset.coords]) for dataset in datasets]
    stacked = xr.concat(bare, MODEL, data_vars="all", coords="minimal", compat="override", join="override")
    stacked = stacked.assign_coords({name: (MODEL, values) for name, values in scalars.items()})
    attrs = {name: value for name, value in first.attrs.items() if name not in _PER_MEMBER}
    return stacked.drop_attrs(deep=False).assign_attrs(attrs)


def _scalars(datasets: Sequence[xr.Dataset]) -> dict[Hashable, np.ndarray[Any, Any]]:
    """Scalar coordinates of any of the datasets -> one value for each."""
    names = dict.fromkeys(n for dataset in datasets for n, c in dataset.coords.items() if c.ndim == 0)
    return {name: _column([dataset.coords.get(name) for dataset in datasets]) for name in names}


def _column(found: Iterable[xr.DataArray | None]) -> np.ndarray[Any, Any]:
    values = [None if scalar is None else scalar.item() for scalar in found]
    known = [value for value in values if value is not None]
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in known):
        return np.asarray([np.nan if value is None else value for value in values])
    return np.asarray(["" if value is None else str(value) for value in values], dtype=object)


def _check_same(first: xr.Dataset, other: xr.Dataset) -> None:
    names = _name(first), _name(other)
    if set(first.data_vars) != set(other.data_vars):
        raise UsageError(f"{names[0]} and {names[1]} have different variables, so they cannot be stacked")
    for name, coordinate in first.coords.items():
        if coordinate.ndim == 0:
            continue
        found = other.coords.get(name)
        if found is None or not coordinate.variable.equals(found.variable):
            dims = ", ".join(map(str, coordinate.dims))
            raise UsageError(
                f"{names[0]} and {names[1]} differ in {name!r} on the axis {dims}, so they cannot be stacked; "
                "reduce that axis first, for example with the metric 'summary'"
            )
    if dict(first.sizes) != dict(other.sizes):
        raise UsageError(f"{names[0]} and {names[1]} have axes of different lengths, so they cannot be stacked")


def _name(dataset: xr.Dataset) -> str:
    return str(dataset.coords[MODEL].item()) if MODEL in dataset.coords else "a dataset"


def _leaves(tree: xr.DataTree) -> list[str]:
    return [path for path, node in tree.subtree_with_keys if node.has_data and path != "."]


def _fits(path: str, reference: str) -> bool:
    if fnmatchcase(path, reference):
        return True
    entry, _, rest = path.partition("/")
    return f"{entry.partition('@')[0]}/{rest}" == reference
