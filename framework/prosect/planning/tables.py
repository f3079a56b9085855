"""External tables of the ``derived`` section: their files are there, and have the columns that are named."""

from __future__ import annotations

import bz2
import csv
import gzip
import lzma
import os
from collections.abc import Callable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final

from prosect.planning.bench import Bench
from prosect.planning.model import PlannedTable
from prosect.spec.models import TableSpec
from prosect.spec.places import KeyPath, nearest

#: Suffix of a compressed file -> what opens it as text.
OPENERS: Final[Mapping[str, Callable[..., Any]]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
NETCDF: Final = ".nc"


def plan_tables(bench: Bench, path: KeyPath, tables: Mapping[str, TableSpec], folder: Path) -> Iterator[PlannedTable]:
    """Plan the tables of an entry that are right; problems go to the bench."""
    for name, spec in tables.items():
        file = folder / os.path.expanduser(spec.path)
        if not os.path.isfile(file):  # pathlib raises for a path that is too long
            what = "is a folder, not a file" if os.path.isdir(file) else "does not exist"
            bench.note((*path, name, "path"), f"the file {str(file)!r} {what}", code="missing-file")
            continue
        before = len(bench.problems)
        _check_columns(bench, (*path, name), spec, file)
        if len(bench.problems) == before:
            yield PlannedTable(name=name, spec=spec, file=file)


def delimiter(file: Path) -> str:
    """Separator of the columns of a file: a tab for ``.tsv`` and ``.tab``, else a comma."""
    plain = file.with_suffix("") if file.suffix in OPENERS else file
    return "\t" if plain.suffix in (".tsv", ".tab") else ","


def columns(file: Path) -> tuple[str, ...]:
    """Names of the columns, from the first line, without blanks around them.

    Raises
    ------
    ValueError
        It cannot be read as a table.
    """
    opener = OPENERS.get(file.suffix, open)
    try:
        with opener(file, "rt", encoding="utf-8-sig", newline="") as text:
            first = next(csv.reader(text, delimiter=delimiter(file)), [])
    except (OSError, EOFError, UnicodeDecodeError, csv.Error, lzma.LZMAError) as error:
        raise ValueError(f"{file} cannot be read as a table: {error}") from error
    found = tuple(name.strip() for name in first)
    twice = sorted({name for name in found if found.count(name) > 1})
    if not found or twice:
        raise ValueError(f"{file}: " + (f"the columns {', '.join(twice)} stand there twice" if twice else "is empty"))
    return found


def _check_columns(bench: Bench, path: KeyPath, spec: TableSpec, file: Path) -> None:
    if file.suffix == NETCDF:
        for key in spec.model_fields_set - {"path"}:
            bench.note((*path, key), "a NetCDF file is labelled already: only 'path' can be given")
        return
    try:
        known = columns(file)
    except ValueError as error:
        bench.note((*path, "path"), str(error))
    else:
        _check_named(bench, path, spec, known)


def _check_named(bench: Bench, path: KeyPath, spec: TableSpec, known: tuple[str, ...]) -> None:
    for place, column in _named(spec):
        if column not in known:
            message = f"the table has no column {column!r}; it has {', '.join(known)}"
            bench.note((*path, *place), message, suggestion=nearest(column, known), code="wrong-name")
    for dimension, patterns in spec.spread.items():
        for pattern in [patterns] if isinstance(patterns, str) else patterns:
            if pattern.count("*") != 1 or not any(fnmatchcase(column, pattern) for column in known):
                message = f"expected a pattern with one '*' that fits columns of {', '.join(known)}, not {pattern!r}"
                bench.note((*path, "spread", dimension), message)


def _named(spec: TableSpec) -> Iterator[tuple[KeyPath, str]]:
    """Every column that a table names, with its place."""
    for field, value in (("keys", spec.keys), ("values", spec.values or [])):
        if isinstance(value, Mapping):
            yield from (((field, column), column) for column in value)
        else:
            yield from (((field, index), column) for index, column in enumerate(value))
    if spec.names is not None:
        yield ("names",), spec.names
    yield from ((("where", column), column) for column in spec.where)
    yield from ((("rename", column), column) for column in spec.rename)
