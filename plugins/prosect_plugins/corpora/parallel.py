"""Kind `parallel`: a source text and its translations in files that go line by line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from prosect.api import Sentence, UsageError
from prosect_plugins.corpora.lines import read_lines
from prosect_plugins.corpora.options import ParallelOptions


def read(options: ParallelOptions, folder: Path) -> Iterator[Sentence]:
    """Yield one sentence per line; an empty line is an empty sentence, so that the files stay in step.

    Raises
    ------
    UsageError
        The files have different numbers of lines. They are counted before the first sentence is
        yielded, so that a shifted file is noticed however few of its sentences are used.
    """
    paths = [folder / path for path in (options.source, options.target, *options.references)]
    counts = [sum(1 for _ in read_lines(path, options.encoding)) for path in paths]
    if len(set(counts)) > 1:
        found = ", ".join(f"{path} has {count} lines" for path, count in zip(paths, counts, strict=True))
        raise UsageError(f"the files of a parallel corpus must have the same number of lines: {found}")
    for source, *targets in zip(*(read_lines(path, options.encoding) for path in paths), strict=True):
        yield Sentence(text=source.text, targets=tuple(target.text for target in targets))
