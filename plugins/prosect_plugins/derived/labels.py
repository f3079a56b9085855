"""What the labelled wrappers share: choosing variables, and putting the results of several side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import xarray as xr

from prosect.api import UsageError

VARIABLE = "variable"
PAIR = "pair"
#: Coordinates that say whether two token axes are the same one.
_TOKENS = ("sentence", "position", "token_id")


def chosen(dataset: xr.Dataset, names: Sequence[str] | None, over: Iterable[str]) -> dict[str, xr.DataArray]:
    """Variables by name; without names all numbers that have every dimension of ``over``.

    Raises
    ------
    UsageError
        A variable is not there, or lacks a dimension.
    """
    over = tuple(over)
    numbers = {str(n): a for n, a in dataset.data_vars.items() if a.dtype.kind in "fiub"}
    if names is None:
        found = {name: array for name, array in numbers.items() if set(over) <= set(array.dims)}
        if not found:
            raise UsageError(f"no variable has {_dims(over)}; there are {_listed(dataset)}")
        return found
    for name in names:
        if name not in dataset.variables:
            raise UsageError(f"there is no variable {name!r}; there are {_listed(dataset)}")
        missing = [dim for dim in over if dim not in dataset[name].dims]
        if missing:
            raise UsageError(f"{name!r} has no dimension {missing[0]!r}, but {_dims(dataset[name].dims)}")
    return {name: dataset[name] for name in names}


def per_variable(
    arrays: Mapping[str, xr.DataArray], compute: Callable[[xr.DataArray], Mapping[str, xr.DataArray]]
) -> xr.Dataset:
    """Compute something of every variable, and put the results along the dimension ``variable``."""
    return side_by_side({name: compute(array) for name, array in arrays.items()})


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
    labels = np.asarray(list(datasets), dtype=object)
    joined = xr.concat(
        list(datasets.values()), VARIABLE, data_vars="all", coords="minimal", compat="override", join="outer"
    )
    return joined.assign_coords({VARIABLE: labels})


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


def _dims(dims: Iterable[object]) -> str:
    listed = [repr(str(dim)) for dim in dims]
    return f"the dimension{'s' if len(listed) != 1 else ''} {', '.join(listed) or 'none'}"


def _listed(dataset: xr.Dataset) -> str:
    return ", ".join(f"{n} ({', '.join(map(str, a.dims))})" for n, a in dataset.data_vars.items()) or "none"
