"""External tables as labelled datasets: columns that are keys become dimensions, the others variables."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from prosect.errors import UsageError
from prosect.planning.tables import NETCDF, delimiter
from prosect.spec.models import TableSpec

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

ROW: Final = "row"
#: A dense array may have so many more cells than the table has values.
_LOOSEST: Final = 1000
_SMALL: Final = 10_000_000


def read_table(file: Path, spec: TableSpec) -> xr.Dataset:
    """Read a table as a dataset.

    Parameters
    ----------
    file
        CSV, with tabs (``.tsv``), compressed or not; or NetCDF, which is labelled already.
    spec
        Which columns are keys, and what becomes of the others.

    Returns
    -------
    xarray.Dataset
        One dimension per key, in their order, then those of ``spread``. Numbers of a key ascend, text keeps the order
        of the file. What no row says is NaN, or empty text.

    Raises
    ------
    UsageError
        The file cannot be read, a column is missing, a key is empty, or rows have the same keys.
    """
    import xarray as xr

    if file.suffix == NETCDF:
        try:
            return xr.load_dataset(file)
        except (OSError, ValueError) as error:
            raise UsageError(f"{file} cannot be read as NetCDF: {error}") from error
    frame = _filtered(file, _frame(file), spec)
    keys = _mapping(spec.keys) or {ROW: ROW}
    if not spec.keys:
        frame[ROW] = np.arange(len(frame))
    frame = _unique(file, frame, [*keys, *([spec.names] if spec.names else [])], spec)
    axes = {keys[column]: _labels(file, frame, column) for column in keys}
    variables = dict(_variables(file, frame, keys, axes, spec))
    return xr.Dataset(variables, coords=_coordinates(axes, variables), attrs={"table": file.name})


def _frame(file: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        # The default parser is off by an ulp now and then.
        frame = pd.read_csv(
            file, sep=delimiter(file), skipinitialspace=True, float_precision="round_trip", encoding="utf-8-sig"
        )
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} cannot be read as a table: {error}") from error
    return frame.rename(columns=lambda name: str(name).strip())


def _filtered(file: Path, frame: pd.DataFrame, spec: TableSpec) -> pd.DataFrame:
    for column, wanted in spec.where.items():
        values = wanted if isinstance(wanted, list) else [wanted]
        frame = frame[_column(file, frame, column).isin(values)]
    for column, names in spec.rename.items():
        frame = frame.assign(**{column: _column(file, frame, column).replace(names)})
    if frame.empty:
        raise UsageError(f"{file}: no row is left" + (" by 'where'" if spec.where else ""))
    return frame.copy()


def _unique(file: Path, frame: pd.DataFrame, keys: list[str], spec: TableSpec) -> pd.DataFrame:
    twice = frame.duplicated([key for key in keys if _column(file, frame, key) is not None], keep=False)
    if not twice.any() or spec.duplicates in ("first", "last"):
        return frame.drop_duplicates(keys, keep="last" if spec.duplicates == "last" else "first")
    if spec.duplicates == "mean":
        return frame.groupby(keys, sort=False, as_index=False).mean(numeric_only=True)
    first = {key: frame.loc[twice, key].iloc[0] for key in keys}
    shown = ", ".join(f"{key}={value}" for key, value in first.items())
    raise UsageError(f"{file}: several rows have {shown}; name more keys, or say 'duplicates: mean', 'first' or 'last'")


def _labels(file: Path, frame: pd.DataFrame, column: str) -> npt.NDArray[Any]:
    values = frame[column]
    if values.isna().any():
        raise UsageError(f"{file}: the key {column!r} is empty in {int(values.isna().sum())} rows")
    unique: npt.NDArray[Any] = values.unique()
    if values.dtype.kind in "iufb":
        found: npt.NDArray[Any] = np.sort(np.asarray(unique))
        return found
    return np.asarray([str(value) for value in unique], dtype=object)


def _variables(
    file: Path, frame: pd.DataFrame, keys: Mapping[str, str], axes: Mapping[str, npt.NDArray[Any]], spec: TableSpec
) -> Iterator[tuple[str, Any]]:
    """Yield every variable as (dims, values) or (dims, values, coordinates of a spread axis)."""
    if prod(map(len, axes.values())) > max(_SMALL, _LOOSEST * len(frame)):
        raise UsageError(f"{file}: the keys {', '.join(keys)} make far more combinations than there are rows")
    chosen = _chosen(file, frame, keys, spec)
    for label, part in _by_name(file, frame, spec.names):
        for name, source in chosen.items():
            full = _joined(label, name, alone=len(chosen) == 1)
            places = _places(part, keys, axes)
            shape = tuple(map(len, axes.values()))
            if isinstance(source, str):
                yield full, (tuple(axes), _dense(part[source], places, shape))
            else:
                dimension, columns = source
                values = np.stack([_dense(part[column], places, shape) for column in columns.values()], axis=-1)
                yield full, ((*axes, dimension), values, {"labels": list(columns)})


Source = str | tuple[str, Mapping[str, str]]


def _chosen(file: Path, frame: pd.DataFrame, keys: Mapping[str, str], spec: TableSpec) -> dict[str, Source]:
    """Variable -> its column, or its dimension with label -> column."""
    found: dict[str, Source] = {}
    for dimension, patterns in spec.spread.items():
        for pattern in [patterns] if isinstance(patterns, str) else patterns:
            before, _, after = pattern.partition("*")
            columns = {
                str(column)[len(before) : len(str(column)) - len(after)]: str(column)
                for column in frame.columns
                if fnmatchcase(str(column), pattern)
            }
            if not columns:
                raise UsageError(f"{file}: no column fits {pattern!r}; there are {_listed(frame.columns)}")
            found[f"{before}{after}".strip() or "value"] = (dimension, columns)
    if spec.values is not None:
        return {**{name: column for column, name in _mapping(spec.values).items()}, **found}
    if found:
        return found
    used = {*keys, *([spec.names] if spec.names else []), *spec.where}
    rest = [str(column) for column in frame.columns if column not in used and not str(column).startswith("Unnamed:")]
    if not rest:
        raise UsageError(f"{file}: no column is left to be a variable")
    return {column.replace(" ", "_").replace("/", "_"): column for column in rest}


def _by_name(file: Path, frame: pd.DataFrame, names: str | None) -> Iterator[tuple[str, pd.DataFrame]]:
    if names is None:
        yield "", frame
        return
    _column(file, frame, names)
    for label, part in frame.groupby(names, sort=False):
        yield str(label).replace(" ", "_"), part


def _joined(label: str, name: str, *, alone: bool) -> str:
    if not label:
        return name
    return label if alone else f"{label}_{name}"


def _places(
    part: pd.DataFrame, keys: Mapping[str, str], axes: Mapping[str, npt.NDArray[Any]]
) -> tuple[npt.NDArray[np.intp], ...]:
    import pandas as pd

    return tuple(pd.Index(axes[keys[c]]).get_indexer(pd.Index(_as_label(part[c]))) for c in keys)


def _as_label(values: pd.Series) -> Any:  # noqa: ANN401 - a series or array of labels
    return values if values.dtype.kind in "iufb" else [str(value) for value in values]


def _dense(values: pd.Series, places: Sequence[npt.NDArray[np.intp]], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    if values.dtype.kind in "iufb":
        whole = prod(shape) == len(values) and values.dtype.kind in "iub"
        dense = np.zeros(shape, values.dtype) if whole else np.full(shape, np.nan)
        dense[tuple(places)] = values.to_numpy()
        return dense
    text = np.full(shape, "", dtype=object)
    text[tuple(places)] = ["" if missing else str(value) for value, missing in zip(values, values.isna(), strict=True)]
    return text


def _coordinates(axes: Mapping[str, npt.NDArray[Any]], variables: Mapping[str, Any]) -> dict[Hashable, Any]:
    labels = {dims[-1]: more[0]["labels"] for dims, _, *more in variables.values() if more}
    for variable in variables.values():
        if len(variable) > 2:  # noqa: PLR2004 - dimensions, values, and the labels of a spread axis
            variable[2].clear()
    return {**axes, **{dimension: np.asarray(found, dtype=object) for dimension, found in labels.items()}}


def _mapping(given: Sequence[str] | Mapping[str, str]) -> dict[str, str]:
    return dict(given) if isinstance(given, Mapping) else {name: name for name in given}


def _column(file: Path, frame: pd.DataFrame, name: str) -> pd.Series:
    if name not in frame.columns:
        raise UsageError(f"{file} has no column {name!r}; it has {_listed(frame.columns)}")
    return frame[name]


def _listed(columns: Sequence[Any] | pd.Index) -> str:
    return ", ".join(map(str, columns))
