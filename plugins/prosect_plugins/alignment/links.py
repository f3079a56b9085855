"""Word alignments as text: Pharaoh and talp lines to sets of links and back. Plain Python.

A line holds the links of one sentence pair, separated by blanks. ``a-b`` is a sure link of source word a and target
word b; ``apb`` (in talp files) is a possible one. Sure links are possible too (S is a subset of P).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from prosect.api import UsageError
from prosect_plugins.alignment.names import Format, Order

Link = tuple[int, int]

_LINK: Final = re.compile(r"(\d+)([-p])(\d+)")
#: Number of the first word of a sentence.
FIRST: Final[dict[Format, int]] = {"talp": 1, "pharaoh": 0}


@dataclass(frozen=True)
class Notation:
    """How a file writes links.

    Attributes
    ----------
    format
        ``talp``: ``a-b`` is sure, ``apb`` possible; ``pharaoh``: ``a-b`` only, all sure.
    first
        Number of the first word; None: 1 in talp files (Vilar et al. 2006), 0 in Pharaoh files.
    order
        Which word stands first in a link.
    """

    format: Format = "talp"
    first: int | None = None
    order: Order = "source-target"

    @property
    def start(self) -> int:
        """Number of the first word."""
        return FIRST[self.format] if self.first is None else self.first


@dataclass(frozen=True)
class Links:
    """Gold links of a sentence pair, (source word, target word) from 0.

    Attributes
    ----------
    sure
        Links that are certain.
    possible
        Links that may be there; all sure ones are among them.
    """

    sure: frozenset[Link]
    possible: frozenset[Link]


def parse_line(line: str, notation: Notation) -> Links:
    """Read the links of one sentence pair.

    Raises
    ------
    UsageError
        Something that is no link, or a word before the first.
    """
    sure: set[Link] = set()
    possible: set[Link] = set()
    for text in line.split():
        found = _LINK.fullmatch(text)
        if found is None or (found[2] == "p" and notation.format == "pharaoh"):
            raise UsageError(f"{text!r} is no link of a {notation.format} alignment")
        a, b = int(found[1]) - notation.start, int(found[3]) - notation.start
        if min(a, b) < 0:
            raise UsageError(
                f"{text!r} names a word before word {notation.start}, the first: set 'gold_first' to where words start"
            )
        link = (a, b) if notation.order == "source-target" else (b, a)
        possible.add(link)
        if found[2] == "-":
            sure.add(link)
    return Links(frozenset(sure), frozenset(possible))


def read_links(path: str | Path, notation: Notation) -> list[Links]:
    """Read a file with one line per sentence pair, in UTF-8.

    Raises
    ------
    UsageError
        The file cannot be read, or a line is wrong (it is named).
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {error}") from error
    found: list[Links] = []
    for number, line in enumerate(lines, 1):
        try:
            found.append(parse_line(line, notation))
        except UsageError as error:
            raise UsageError(f"{path}:{number}: {error}") from error
    return found


def parse_pharaoh(line: str) -> frozenset[Link]:
    """Read a line as `pharaoh` writes it."""
    return parse_line(line, Notation("pharaoh")).sure


def pharaoh(links: Iterable[Link]) -> str:
    """Write links (source, target) as a Pharaoh line, from 0 and in order of the source words."""
    return " ".join(f"{source}-{target}" for source, target in sorted(links))
