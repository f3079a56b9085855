"""Kind `dataset`: a dataset of the Hugging Face hub, or a folder of data files, read as a stream."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from prosect.api import Sentence, UsageError
from prosect_plugins.corpora.options import DatasetOptions
from prosect_plugins.corpora.records import Record, sentence


def read(options: DatasetOptions, folder: Path) -> Iterator[Sentence]:
    """Yield one sentence per row of the split."""
    for number, fields in enumerate(_rows(options, folder)):
        yield sentence(Record(fields, f"{options.name}, split {options.split}, row {number}"), options)


def _rows(options: DatasetOptions, folder: Path) -> Iterable[Mapping[str, Any]]:
    import datasets  # type: ignore[import-untyped]  # the library ships no types

    try:
        # Not streamed: the library keeps the rows in a memory-mapped file, which later runs read again.
        rows: Iterable[Mapping[str, Any]] = datasets.load_dataset(
            _source(options.name, folder), options.config, split=options.split, revision=options.revision
        )
    except (OSError, ValueError, datasets.exceptions.DatasetsError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise UsageError(f"dataset {options.name!r} cannot be loaded: {reason}") from error
    return rows


def _source(name: str, folder: Path) -> str:
    local = name.startswith((".", "/"))
    return str(folder / name) if local else name
