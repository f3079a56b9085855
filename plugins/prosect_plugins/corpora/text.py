"""Kind `text`: running text, one sentence per line or per paragraph."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import attrgetter
from pathlib import Path

from prosect.api import Sentence
from prosect_plugins.corpora.lines import Line, read_lines
from prosect_plugins.corpora.options import TextOptions


def read(options: TextOptions, folder: Path) -> Iterator[Sentence]:
    """Yield lines as they stand, or paragraphs with their lines joined by one space; blank lines hold nothing."""
    lines = read_lines(folder / options.path, options.encoding)
    texts = _paragraphs(lines) if options.unit == "paragraph" else (line.text for line in lines if not line.blank)
    return (Sentence(text=text) for text in texts)


def _paragraphs(lines: Iterable[Line]) -> Iterator[str]:
    for blank, group in groupby(lines, key=attrgetter("blank")):
        if not blank:
            yield " ".join(line.text.strip() for line in group)
