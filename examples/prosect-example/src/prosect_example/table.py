"""A kind of corpus: sentences one by one, and errors that name file and line."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from prosect.api import Sentence, UsageError
from prosect_example.plugin import CsvOptions


def read(options: CsvOptions, folder: Path) -> Iterator[Sentence]:
    """Yield the rows of the file; the first line names the columns."""
    path = folder / options.path
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file, delimiter=options.delimiter)
            _check_columns(path, options, rows.fieldnames or ())
            for row in rows:
                yield _sentence(row, options, f"{path}:{rows.line_num}")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: cannot be read as CSV: {error}") from error


def _check_columns(path: Path, options: CsvOptions, columns: Sequence[str]) -> None:
    for name in (options.column, *options.annotations):
        if name not in columns:
            raise UsageError(f"{path}:1: no column {name!r}; its columns: {', '.join(columns) or 'none'}")


def _sentence(row: dict[str, str | None], options: CsvOptions, place: str) -> Sentence:
    # A row that ends early has None in its last columns.
    text = row[options.column]
    if text is None or any(row[name] is None for name in options.annotations):
        raise UsageError(f"{place}: a row with too few columns")
    return Sentence(text=text, annotations={name: row[name] for name in options.annotations})
