"""Kind `jsonl`: one JSON object per line with text or words, and annotations."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from prosect.api import Sentence
from prosect_plugins.corpora.options import JsonlOptions
from prosect_plugins.corpora.records import json_records, sentence


def read(options: JsonlOptions, folder: Path) -> Iterator[Sentence]:
    """Yield one sentence per object; blank lines hold nothing."""
    return (sentence(record, options) for record in json_records(folder / options.path, options.encoding))
