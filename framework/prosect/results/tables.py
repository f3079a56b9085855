"""External tables as labelled datasets: columns that are keys become dimensions, the others variables."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from prosect.errors import SpecError, UsageError
from prosect.planning.tables import NETCDF, delimiter
from prosect.spec.messages import problems_of
from prosect.spec.models import TableSpec
from prosect.spec.places import Document

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

ROW: Final = "row"
#: A dense array may have so many cells, or so many for each row, before keys must be wrong.
_SMALL: Final = 10_000_000
_LOOSEST: Final = 1000
_NUMBERS: Final = frozenset("iufb")


def load_table(path: str | Path, **options: Any) -> xr.Dataset:  # noqa: ANN401 - keys of `TableSpec`
    """Read a table from elsewhere as a labelled dataset, for `prosect.derive`.

    Parameters
    ----------
    path
        CSV, with tabs (``.tsv``), compressed or not; or NetCDF.
    **options
        ``keys``, ``values``, ``names``, ``spread``, ``where``, ``rename`` and ``duplicates``, as a table of a spec has.

    Returns
    -------
    xarray.Dataset
        See `read_table`.

    Raises
    ------
    UsageError
        An option is wrong, or the file is.
    """
    given = {"path": os.fspath(path), **options}
    try:
        spec = TableSpec.model_validate(given)
    except ValidationError as error:
        raise SpecError(problems_of(error, TableSpec, Document(given), ())) from error
    return read_table(Path(path), spec)


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
        return _labelled(file)
    table = _Table(file, spec, _frame(file)).filtered().unique()
    axes = table.axes()
    variables: dict[str, Any] = {}
    labels: dict[str, npt.NDArray[Any]] = {}
    for column in table.columns():
        variables[column.variable] = ((*axes, *column.spread), table.dense(column, axes))
        labels |= {dim: _texts(found) for dim, found in column.spread.items()}
    return xr.Dataset(variables, coords={**axes, **labels}, attrs={"table": file.name})


@dataclass(frozen=True)
class _Column:
    """A variable to be: its rows, its columns, and the labels of the dimension along which these are spread."""

    variable: str
    rows: pd.DataFrame
    columns: tuple[str, ...]
    spread: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class _Table:
    file: Path
    spec: TableSpec
    frame: pd.DataFrame

    @property
    def keys(self) -> dict[str, str]:
        """Column -> dimension."""
        return _mapping(self.spec.keys) or {ROW: ROW}

    def filtered(self) -> _Table:
        """Keep the rows that are asked for, and give keys their new names."""
        frame = self.frame
        for column, wanted in self.spec.where.items():
            frame = frame[self.column(column).loc[frame.index].isin(wanted if isinstance(wanted, list) else [wanted])]
        for column, names in self.spec.rename.items():
            renamed = self.column(column).loc[frame.index].map(lambda value, names=names: names.get(str(value), value))
            frame = frame.assign(**{column: renamed})
        if frame.empty:
            raise UsageError(f"{self.file}: no row is left" + (" by 'where'" if self.spec.where else ""))
        rows = {} if self.spec.keys else {ROW: np.arange(len(frame))}
        return _Table(self.file, self.spec, frame.assign(**rows))

    def unique(self) -> _Table:
        """See to it that no two rows speak of the same."""
        keys = [*self.keys, *([self.spec.names] if self.spec.names else [])]
        for key in keys:
            if empty := int(self.column(key).isna().sum()):
                raise UsageError(f"{self.file}: the key {key!r} is empty in {empty} rows")
        twice = self.frame.duplicated(keys, keep=False)
        if not twice.any():
            return self
        if self.spec.duplicates == "error":
            first = ", ".join(f"{key}={self.frame.loc[twice, key].iloc[0]}" for key in keys)
            advice = "name more keys, or say 'duplicates: mean', 'first' or 'last'"
            raise UsageError(f"{self.file}: several rows have {first}; {advice}")
        if self.spec.duplicates == "mean":
            frame = self.frame.groupby(keys, sort=False, as_index=False).mean(numeric_only=True)
        else:
            frame = self.frame.drop_duplicates(keys, keep=self.spec.duplicates)
        return _Table(self.file, self.spec, frame)

    def axes(self) -> dict[str, npt.NDArray[Any]]:
        """Dimension -> its labels."""
        found = {dim: _labels(self.frame[column]) for column, dim in self.keys.items()}
        if prod(map(len, found.values())) > max(_SMALL, _LOOSEST * len(self.frame)):
            raise UsageError(f"{self.file}: the keys {', '.join(found)} make far more combinations than there are rows")
        return found

    def columns(self) -> Iterator[_Column]:
        """Yield every variable."""
        chosen = [*self._spread(), *self._plain()]
        if not chosen:
            raise UsageError(f"{self.file}: no column is left to be a variable")
        for prefix, rows in self._by_name():
            for name, columns, spread in chosen:
                full = name if not prefix else prefix if len(chosen) == 1 else f"{prefix}_{name}"
                yield _Column(_plain_name(full), rows, columns, spread)

    def dense(self, column: _Column, axes: Mapping[str, npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """Put values where their keys say."""
        import pandas as pd

        places = tuple(pd.Index(axes[d]).get_indexer(_keys(column.rows[key])) for key, d in self.keys.items())
        shape = tuple(map(len, axes.values()))
        parts = [_scattered(column.rows[name], places, shape) for name in column.columns]
        return np.stack(parts, axis=-1) if column.spread else parts[0]

    def column(self, name: str) -> pd.Series:
        """Return a column; UsageError where there is none of that name."""
        if name not in self.frame.columns:
            raise UsageError(f"{self.file} has no column {name!r}; it has {', '.join(map(str, self.frame.columns))}")
        return self.frame[name]

    def _spread(self) -> Iterator[tuple[str, tuple[str, ...], dict[str, tuple[str, ...]]]]:
        names = [str(column) for column in self.frame.columns]
        for dimension, patterns in self.spec.spread.items():
            for pattern in [patterns] if isinstance(patterns, str) else patterns:
                before, _, after = pattern.partition("*")
                columns = tuple(name for name in names if fnmatchcase(name, pattern))
                if not columns:
                    raise UsageError(f"{self.file}: no column fits {pattern!r}; there are {', '.join(names)}")
                labels = tuple(name[len(before) : len(name) - len(after)] for name in columns)
                yield f"{before}{after}".strip() or "value", columns, {dimension: labels}

    def _plain(self) -> Iterator[tuple[str, tuple[str, ...], dict[str, tuple[str, ...]]]]:
        if self.spec.values is not None:
            for column, name in _mapping(self.spec.values).items():
                self.column(column)
                yield name, (column,), {}
        elif not self.spec.spread:
            used = {*self.keys, self.spec.names, *self.spec.where}
            for column in map(str, self.frame.columns):
                if column not in used and not column.startswith("Unnamed:"):
                    yield column, (column,), {}

    def _by_name(self) -> Iterator[tuple[str, pd.DataFrame]]:
        if self.spec.names is None:
            yield "", self.frame
        else:
            yield from ((str(label), rows) for label, rows in self.frame.groupby(self.spec.names, sort=False))


def _labelled(file: Path) -> xr.Dataset:
    import xarray as xr

    try:
        return xr.load_dataset(file, engine="netcdf4")
    except (OSError, ValueError) as error:
        raise UsageError(f"{file} cannot be read as NetCDF: {error}") from error


def _frame(file: Path) -> pd.DataFrame:
    import pandas as pd

    try:
        frame = pd.read_csv(file, sep=delimiter(file), skipinitialspace=True, encoding="utf-8-sig", **_exact())
    except (OSError, EOFError, ValueError) as error:
        raise UsageError(f"{file} cannot be read as a table: {error}") from error
    return frame.rename(columns=lambda name: str(name).strip())


def _exact() -> dict[str, Any]:
    """Options under which numbers are read to the last bit; from pandas 3.1 on that is the only way."""
    import pandas as pd

    major, minor = (int(part) for part in pd.__version__.split(".")[:2])
    return {} if (major, minor) >= (3, 1) else {"float_precision": "round_trip"}


def _labels(values: pd.Series) -> npt.NDArray[Any]:
    if values.dtype.kind in _NUMBERS:
        found: npt.NDArray[Any] = np.unique(values.to_numpy())
        return found
    return _texts(list(dict.fromkeys(map(str, values))))


def _keys(values: pd.Series) -> pd.Index:
    import pandas as pd

    return pd.Index(values if values.dtype.kind in _NUMBERS else _texts([str(value) for value in values]))


def _scattered(values: pd.Series, places: tuple[npt.NDArray[np.intp], ...], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    if values.dtype.kind not in _NUMBERS:
        found: npt.NDArray[Any] = np.full(shape, "", dtype=object)
        texts = ["" if missing else str(value) for value, missing in zip(values, values.isna(), strict=True)]
        found[places] = texts
        return found
    complete = prod(shape) == len(values)
    dense = np.zeros(shape, values.dtype) if complete else np.full(shape, np.nan)
    dense[places] = values.to_numpy()
    return dense


def _texts(values: Sequence[str]) -> npt.NDArray[Any]:
    return np.asarray(list(values), dtype=object)


def _mapping(given: Sequence[str] | Mapping[str, str]) -> dict[str, str]:
    return dict(given) if isinstance(given, Mapping) else {name: name for name in given}


def _plain_name(name: str) -> str:
    """Name that a store can hold: no blanks or slashes."""
    return re.sub(r"[\s/]+", "_", name).lstrip("._") or "value"
