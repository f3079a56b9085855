"""Reads text files line by line, whatever their line ends and byte order mark, and never as a whole."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from prosect.api import UsageError


@dataclass(frozen=True)
class Line:
    """One line without its end, and where it stands."""

    path: Path
    number: int
    text: str

    @property
    def blank(self) -> bool:
        """Nothing but white space."""
        return not self.text.strip()

    def fault(self, message: str) -> UsageError:
        """Make an error that names file and line."""
        return UsageError(f"{self.path}:{self.number}: {message}")


def read_lines(path: Path, encoding: str) -> Iterator[Line]:
    r"""Yield the lines of a file; only ``\n`` and ``\r\n`` end a line.

    Raises
    ------
    UsageError
        The file cannot be opened, or a line is not in the encoding.
    """
    for number, text in enumerate(_texts(path, encoding), 1):
        yield Line(path, number, text.removesuffix("\r"))


def _texts(path: Path, encoding: str) -> Iterator[str]:
    rest = ""
    for piece in _decoded(path, encoding):
        *complete, rest = (rest + piece).split("\n")
        yield from complete
    if rest:
        yield rest


def _decoded(path: Path, encoding: str) -> Iterator[str]:
    # The codec that drops a byte order mark also reads files that have none.
    decoder = codecs.getincrementaldecoder("utf-8-sig" if _is_utf8(encoding) else encoding)()
    for number, raw in _raw(path):
        try:
            yield decoder.decode(raw, final=not raw)
        except UnicodeDecodeError as error:
            message = f"not {encoding}: {error.reason}; set 'encoding' to the file's own, or convert the file"
            raise Line(path, number, "").fault(message) from error


def _raw(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield numbered pieces that end where bytes say so, and an empty one to flush the decoder."""
    number = 0
    try:
        with path.open("rb") as file:
            for raw in file:
                number += 1
                yield number, raw
    except OSError as error:
        raise UsageError(f"{path}: cannot be read: {error.strerror}") from error
    yield number, b""


def _is_utf8(encoding: str) -> bool:
    return codecs.lookup(encoding).name == "utf-8"
