"""Where every key and value of a spec stands in its source."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from prosect.errors import Problem

KeyPath = tuple[str | int, ...]
Data: TypeAlias = "str | int | float | bool | list[Data] | dict[str, Data] | None"

MAPPING: Final = "keys and values"
_LONGEST: Final = 60


@dataclass(frozen=True)
class Place:
    """A place in a source: file, and line and column from 1; None where there is none."""

    file: str | None = None
    line: int | None = None
    column: int | None = None

    def __str__(self) -> str:
        return ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)


@dataclass(frozen=True)
class Span:
    """The places of a key and of its value; for an entry of a list both are the entry's."""

    key: Place
    value: Place


@dataclass(frozen=True)
class Document:
    """Plain data (mappings, lists, scalars) with the place of each part.

    Attributes
    ----------
    data
        The root mapping.
    spans
        Path from the root -> places; empty for data that came from Python.
    """

    data: Mapping[str, Any]
    spans: Mapping[KeyPath, Span] = field(default_factory=dict)

    def span(self, path: KeyPath) -> Span:
        """Places of the value at a path, or of its nearest known ancestor."""
        for length in range(len(path), -1, -1):
            if path[:length] in self.spans:
                return self.spans[path[:length]]
        return Span(Place(), Place())

    def at_value(self, path: KeyPath, message: str, *, suggestion: str | None = None, code: str = "invalid") -> Problem:
        """Report a problem that lies in the value at a path; where it is absent, at the key it should stand under."""
        place = self.spans[path].value if path in self.spans else self.span(path).key
        return problem(place, path, message, suggestion=suggestion, code=code)

    def at_key(self, path: KeyPath, message: str, *, suggestion: str | None = None, code: str = "invalid") -> Problem:
        """Report a problem that lies in the key at a path, or in the entry as a whole."""
        return problem(self.span(path).key, path, message, suggestion=suggestion, code=code)


def problem(
    place: Place, path: KeyPath, message: str, *, suggestion: str | None = None, code: str = "invalid"
) -> Problem:
    """Put a message, a place and a path together."""
    return Problem(
        message=message,
        path=dotted(path),
        file=place.file,
        line=place.line,
        column=place.column,
        suggestion=suggestion,
        code=code,
    )


def dotted(path: KeyPath) -> str:
    """``("analyses", "a", "metrics", 0)`` -> ``analyses.a.metrics.0``; what cannot be printed is escaped."""
    return ".".join(text if (text := str(part)).isprintable() else repr(text) for part in path)


def shown(value: object) -> str:
    """Write a value as a spec would."""
    if isinstance(value, Mapping):
        return MAPPING
    if isinstance(value, list | tuple):
        return "a list" if value else "an empty one"
    if value is None or isinstance(value, bool):
        return {None: "nothing", True: "true", False: "false"}[value]
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def nearest(word: object, valid: Iterable[object]) -> str | None:
    """Return the valid word that a misspelt one most likely means, or None."""
    choices = {str(choice).lower(): str(choice) for choice in valid}
    found = difflib.get_close_matches(str(word).lower(), choices, n=1, cutoff=0.6)
    return choices[found[0]] if found else None


def in_order(problems: Iterable[Problem]) -> tuple[Problem, ...]:
    """Sort problems by file, line and column; the same one is named once."""
    return tuple(sorted(dict.fromkeys(problems), key=lambda p: (p.file or "", p.line or 0, p.column or 0)))
