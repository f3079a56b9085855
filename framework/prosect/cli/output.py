"""The only place that writes to the terminal: results to stdout, messages to stderr."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from io import TextIOWrapper
from itertools import zip_longest
from pathlib import Path
from typing import Any, TextIO

from prosect.errors import ProsectError, RunError, SpecError


def prepare() -> None:
    """Make sure that both streams can be written to, whatever the process was given for them."""
    if sys.stdout is None:  # closed by the shell: >&-
        sys.stdout = _nowhere()
    if sys.stderr is None:
        sys.stderr = _nowhere()
    for stream in (sys.stdout, sys.stderr):
        # A terminal of a narrow encoding shows a stand-in rather than stopping the command.
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")


def give_up() -> None:
    """Stop writing to stdout; Python would else try to write the rest when it ends."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def result(text: str) -> None:
    """Write a result.

    Raises
    ------
    RunError
        What stdout goes to cannot be written: a full disk.
    """
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        give_up()
        raise RunError(f"the output cannot be written: {error.strerror}") from error


def json_result(value: Any) -> None:  # noqa: ANN401 - any JSON value
    """Write a result for a program."""
    result(json.dumps(value, indent=2, ensure_ascii=False))


def message(text: str) -> None:
    """Write a message."""
    sys.stderr.write(f"prosect: {text}\n")


def error(found: ProsectError) -> None:
    """Write an error as one message; a spec's problems stand below it, one per line."""
    if isinstance(found, SpecError):
        message("\n".join((f"error: {count(len(found.problems), 'problem')}", *map(str, found.problems))))
    else:
        message(f"error: {found}")


def json_error(found: ProsectError) -> None:
    """Write an error as a record for a program."""
    problems = [vars(problem) for problem in found.problems] if isinstance(found, SpecError) else []
    json_result({"ok": False, "error": str(found), "problems": problems})


def count(number: int, one: str, many: str | None = None) -> str:
    """``1 model``, ``2 models``."""
    return f"{number:,} {one if number == 1 else many or f'{one}s'}"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], right: frozenset[int] = frozenset()) -> str:
    """Align columns; those in ``right`` to the right. A cell may have several lines."""
    lines = [tuple(headings), *(line for row in rows for line in zip_longest(*_lines(row), fillvalue=""))]
    widths = [max(len(line[column]) for line in lines) for column in range(len(headings))]

    def cell(line: Sequence[str], column: int) -> str:
        return line[column].rjust(widths[column]) if column in right else line[column].ljust(widths[column])

    return "\n".join("  ".join(cell(line, column) for column in range(len(headings))).rstrip() for line in lines)


def _lines(row: Sequence[str]) -> list[list[str]]:
    return [cell.split("\n") for cell in row]


def size(number: int | None) -> str:
    """Bytes as a person reads them: ``940 B``, ``2.3 KiB``; ``?`` where unknown."""
    if number is None:
        return "?"
    value, units = float(number), ["B", "KiB", "MiB", "GiB", "TiB"]
    while value >= 1024 and len(units) > 1:  # noqa: PLR2004 - bytes per KiB, KiB per MiB …
        value, units = value / 1024, units[1:]
    return f"{number} B" if units[0] == "B" else f"{value:.1f} {units[0]}"


def _nowhere() -> TextIO:
    return Path(os.devnull).open("w", encoding="utf-8")
