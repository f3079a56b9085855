"""Kind `conll`: one word per line with its annotations in columns, a blank line between sentences."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter
from pathlib import Path
from typing import Final

from prosect.api import Sentence
from prosect_plugins.corpora.lines import Line, read_lines
from prosect_plugins.corpora.options import ConllOptions

DOCUMENT_START: Final = "-DOCSTART-"
_NOT_A_WORD: Final = re.compile(r"\d+-\d+|\d+\.\d+")


def read(options: ConllOptions, folder: Path) -> Iterator[Sentence]:
    """Yield one sentence of words per group of lines.

    Three things are no words and are left out: comment lines before a sentence; a sentence which is
    only the mark ``-DOCSTART-`` of CoNLL-2003; and, where the words do not stand in column 0, rows
    whose column 0 is a range (``3-4``, a surface token that the next rows take apart) or a decimal
    number (``8.1``, an empty node) as in CoNLL-U, so that its syntactic words are read.
    """
    numbers = options.numbers
    for blank, lines in groupby(read_lines(folder / options.path, options.encoding), key=attrgetter("blank")):
        if not blank:
            rows = [_cells(line, options.separator) for line in _without_comments(lines, options.comment)]
            yield from _sentence([row for row in rows if _is_word(row, numbers)], numbers)


@dataclass(frozen=True)
class Row:
    """A line split into columns."""

    line: Line
    cells: tuple[str, ...]

    def cell(self, name: str, number: int) -> str:
        """Return one column, counted from the end where the number is negative; an error if there is none."""
        if not -len(self.cells) <= number < len(self.cells):
            found = f"{len(self.cells)} columns, so no column {number} for {name!r}"
            raise self.line.fault(f"{found}; check 'columns' and 'separator'")
        return self.cells[number]


def _without_comments(lines: Iterable[Line], comment: str | None) -> Iterator[Line]:
    inside = False
    for line in lines:
        if comment is None or not line.text.startswith(comment):
            inside = True
            yield line
        elif inside:
            advice = f"if {comment!r} can start a word here, set 'comment' to null"
            raise line.fault(f"a comment in the middle of a sentence; {advice}")


def _cells(line: Line, separator: str) -> Row:
    tabs = separator == "tab" or (separator == "auto" and "\t" in line.text)
    return Row(line, tuple(line.text.split("\t") if tabs else line.text.split()))


def _is_word(row: Row, numbers: Mapping[str, int]) -> bool:
    return numbers["form"] == 0 or not _NOT_A_WORD.fullmatch(row.cells[0])


def _sentence(rows: Sequence[Row], numbers: Mapping[str, int]) -> Iterator[Sentence]:
    columns = {name: tuple(row.cell(name, number) for row in rows) for name, number in numbers.items()}
    words = columns.pop("form")
    if words and words != (DOCUMENT_START,):
        yield Sentence(words=words, word_annotations=columns)
