"""What the labelled wrappers share: choosing variables, and putting the results of several side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import numpy as np
import xarray as xr

from prosect.api import UsageError
from prosect.api.results import labels_of

VARIABLE: Final = "variable"
PAIR: Final = "pair"
STEP: Final = "step"
#: Dimensions along which checkpoints lie.
_ALONG: Final = (STEP, "model")
#: Coordinates that say whether two token axes are the same one.
_TOKENS: Final = ("sentence", "position", "token_id")


def chosen(dataset: xr.Dataset, names: Sequence[str] | None, over: Iterable[str]) -> dict[str, xr.DataArray]:
    """Variables by name; without names all numbers that have every dimension of ``over``.

    A result of another metric, whose variables lie along the dimension ``variable``, is taken apart again: into
    ``importance``, or ``importance.mean`` where several of its arrays are chosen.

    Raises
    ------
    UsageError
        A variable is not there, or lacks a dimension.
    """
    over = tuple(over)
    if names is None:
        numbers = {str(n): a for n, a in dataset.data_vars.items() if a.dtype.kind in "fiub"}
        found = {name: array for name, array in numbers.items() if set(over) <= set(array.dims)}
        if not found:
            raise UsageError(f"no variable has {_dims(over)}; there are {_listed(dataset)}")
    else:
        found = {name: _named(dataset, name, over) for name in names}
    return {label: part for name, array in found.items() for label, part in _apart(name, array, alone=len(found) == 1)}


def _named(dataset: xr.Dataset, name: str, over: tuple[str, ...]) -> xr.DataArray:
    if name not in dataset.variables:
        raise UsageError(f"there is no variable {name!r}; there are {_listed(dataset)}")
    missing = [dim for dim in over if dim not in dataset[name].dims]
    if missing:
        raise UsageError(f"{name!r} has no dimension {missing[0]!r}, but {_dims(dataset[name].dims)}")
    return dataset[name]


def _apart(name: str, array: xr.DataArray, *, alone: bool) -> Iterable[tuple[str, xr.DataArray]]:
    if VARIABLE not in array.dims:
        return [(name, array)]
    labels = list(map(str, labels_of(array.to_dataset(name="value"), VARIABLE).values))
    parts = [array.isel({VARIABLE: place}, drop=True) for place in range(len(labels))]
    return [(label if alone else f"{label}.{name}", part) for label, part in zip(labels, parts, strict=True)]


def side_by_side(found: Mapping[str, Mapping[str, xr.DataArray]]) -> xr.Dataset:
    """Put results by variable along the dimension ``variable``.

    Raises
    ------
    UsageError
        They have different dimensions.
    """
    datasets = {name: xr.Dataset(dict(results)).drop_attrs(deep=True) for name, results in found.items()}
    shapes = {name: tuple(sorted(map(str, dataset.sizes))) for name, dataset in datasets.items()}
    if len(set(shapes.values())) > 1:
        listed = "; ".join(f"{name}: {', '.join(dims)}" for name, dims in shapes.items())
        raise UsageError(f"these have different dimensions, so choose with 'variables': {listed}")
    joined = xr.concat(
        list(datasets.values()), VARIABLE, data_vars="all", coords="minimal", compat="override", join="outer"
    )
    return joined.assign_coords({VARIABLE: np.asarray(list(datasets), dtype=object)})


def along(dataset: xr.Dataset, over: str | None) -> str:
    """Name the dimension along which checkpoints lie: as asked, the only one, ``step``, or ``model``."""
    dims = [str(dim) for dim in dataset.dims]
    if over is not None:
        if over not in dims:
            raise UsageError(f"there is no dimension {over!r}; there are {', '.join(dims) or 'none'}")
        return over
    plain = [dim for dim in dims if dim != VARIABLE]
    found = plain if len(plain) == 1 else [dim for dim in _ALONG if dim in dims]
    if not found:
        raise UsageError(f"say with 'over' along which dimension to go; there are {', '.join(dims) or 'none'}")
    return found[0]


def order_of(dataset: xr.Dataset, over: str, name: str | None) -> np.ndarray | None:
    """Labels that put what lies along a dimension in order; by default ``step``, or its own numbers."""
    label = name or (STEP if STEP in dataset.coords else over if over in dataset.coords else None)
    if label is None:
        return None
    labels = labels_of(dataset, label)
    if labels.dims != (over,):
        if name is None:
            return None
        raise UsageError(f"the coordinate {name!r}, which puts items in order, must lie on {over!r}")
    return np.asarray(labels.values) if labels.dtype.kind in "iuf" or name is not None else None


def bare(array: xr.DataArray, dim: str, new: str) -> xr.DataArray:
    """Rename a dimension, and leave out all that stood on it and all scalar coordinates."""
    gone = [name for name, coordinate in array.coords.items() if dim in coordinate.dims]
    return array.drop_vars(gone).rename({dim: new}).reset_coords(drop=True)


def flattened(array: xr.DataArray, over: Sequence[str], new: str) -> xr.DataArray:
    """Make one last dimension of several, without labels."""
    gone = [name for name, coordinate in array.coords.items() if set(over) & set(coordinate.dims)]
    plain = array.drop_vars(gone).reset_coords(drop=True)
    rest = [dim for dim in plain.dims if dim not in over]
    moved = plain.transpose(*rest, *over)
    values = moved.values.reshape(*(plain.sizes[dim] for dim in rest), -1)
    return xr.DataArray(values, dims=(*rest, new), coords=moved.coords, name=array.name)


def same_tokens(first: xr.Dataset | xr.DataArray, second: xr.Dataset | xr.DataArray, dim: str) -> None:
    """Refuse two axes of one name whose labels say that they are not the same tokens.

    Raises
    ------
    UsageError
        Other lengths, or other labels.
    """
    if first.sizes[dim] != second.sizes[dim]:
        raise UsageError(f"the axes {dim!r} have {first.sizes[dim]:,} and {second.sizes[dim]:,} entries")
    for name in _TOKENS:
        ours, theirs = first.coords.get(name), second.coords.get(name)
        if ours is None or theirs is None or ours.dims != (dim,) or theirs.dims != (dim,):
            continue
        if not np.array_equal(ours.values, theirs.values):
            raise UsageError(f"the axes {dim!r} hold different tokens: {name!r} differs")


def common(datasets: Sequence[Mapping[str, xr.DataArray]]) -> tuple[str, ...]:
    """Names that are in all of several choices of variables; UsageError where there is none."""
    first, *others = datasets
    names = tuple(name for name in first if all(name in other for other in others))
    if not names:
        listed = "; ".join(", ".join(found) for found in datasets)
        raise UsageError(f"no variable is in all datasets: {listed}")
    return names


def _dims(dims: Iterable[object]) -> str:
    listed = [repr(str(dim)) for dim in dims]
    return f"the dimension{'s' if len(listed) != 1 else ''} {', '.join(listed) or 'none'}"


def _listed(dataset: xr.Dataset) -> str:
    return ", ".join(f"{n} ({', '.join(map(str, a.dims))})" for n, a in dataset.data_vars.items()) or "none"
