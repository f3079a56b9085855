"""Fenced blocks of Markdown pages: what they say, what runs them, and what they must print."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[2]
#: Pages with prose; those in docs/reference/ are written from the code and have no examples of their own.
PAGES = (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md")))

_FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
_REASON = re.compile(r"<!-- not run: (?P<reason>.+?) -->\n+$", re.DOTALL)
_NUMBER = re.compile(r"-?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?")
ANYTHING = "…"


@dataclass(frozen=True)
class Block:
    """One fenced block.

    Attributes
    ----------
    reason
        Why it is not run, as the comment ``<!-- not run: reason -->`` before it says; None where it must run.
    output
        What a block of Python prints: the block of language ``text`` right behind it; None where it shows none.
    """

    page: Path
    line: int
    language: str
    text: str
    reason: str | None
    output: str | None

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of a page in order; outputs come with the blocks that they belong to."""
    source = page.read_text(encoding="utf-8")
    found = [*_FENCE.finditer(source)]
    outputs = {before.end(): after for before, after in _neighbours(source, found)}
    for match in found:
        if match["language"] == "text" and match in outputs.values():
            continue
        reason = _REASON.search(source[: match.start()])
        after = outputs.get(match.end())
        yield Block(
            page=page,
            line=source[: match.start()].count("\n") + 1,
            language=match["language"],
            text=match["text"],
            reason=reason["reason"] if reason else None,
            output=after["text"] if after else None,
        )


def _neighbours(source: str, found: Sequence[re.Match[str]]) -> Iterator[tuple[re.Match[str], re.Match[str]]]:
    for before, after in pairwise(found):
        if (
            before["language"] == "python"
            and after["language"] == "text"
            and not source[before.end() : after.start()].strip()
        ):
            yield before, after


def commands(block: Block) -> Iterator[tuple[str, str]]:
    """Yield the commands of a console block (lines after ``$``), each with the output shown below it."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        command, _, output = part.partition("\n")
        yield command, output


def matches(shown: str, real: str) -> bool:
    """Compare word by word: numbers within 2 % or 0.002, the last place aside; ``…`` stands for any words."""
    return _matches(shown.split(), real.split())


def _matches(shown: Sequence[str], real: Sequence[str]) -> bool:
    if not shown:
        return not real
    if shown[0] == ANYTHING:
        return any(_matches(shown[1:], real[start:]) for start in range(len(real) + 1))
    return bool(real) and _same(shown[0], real[0]) and _matches(shown[1:], real[1:])


def _same(shown: str, real: str) -> bool:
    if _NUMBER.fullmatch(shown) and _NUMBER.fullmatch(real):
        expected, found = (float(text.replace(",", "")) for text in (shown, real))
        return abs(expected - found) <= max(0.002, 0.02 * abs(expected))
    pattern = ".*".join(re.escape(part) for part in shown.split(ANYTHING))
    return re.fullmatch(pattern, real) is not None
