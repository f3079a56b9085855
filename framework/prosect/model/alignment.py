"""Annotations of words, tokens and sentences, brought to the token axis."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from prosect.errors import UsageError
from prosect.model.entries import Entry
from prosect.model.pieces import Pieces, offsets_of
from prosect.model.tokens import IntArray
from prosect.vocab import dims

UNIT: Final = "unit"
UNIT_POSITION: Final = "unit_position"
TOKEN_ID_ORIGINAL: Final = "token_id_original"
RESERVED: Final = frozenset(
    value for name, value in vars(dims).items() if name.isupper() and isinstance(value, str)
) | {UNIT, UNIT_POSITION, TOKEN_ID_ORIGINAL}

Kind = Literal["word", "token", "sentence"]
_INT64_MAX: Final = 2**63


@dataclass
class _Column:
    kind: Kind
    rows: dict[int, tuple[Any, ...]] = field(default_factory=dict)


@dataclass
class Annotations:
    """Collects the annotations of a corpus, entry by entry.

    An annotation of words is given to every piece of its word, one of sentences to all tokens
    (in a pair of two units to those of its own unit). Where there is nothing to give (special
    tokens, entries without the annotation) stands the empty value: ``""`` for strings, NaN for
    floats, -1 for integers and truth values (which become 1 and 0).
    """

    _columns: dict[str, _Column] = field(default_factory=dict)

    def add(self, row: int, entry: Entry) -> None:
        """Take the annotations of one entry; UsageError where numbers or names do not fit."""
        for unit in entry.units:
            if unit.token_annotations and unit.ids is None:
                name = next(iter(unit.token_annotations))
                raise UsageError(
                    f"sentence {entry.number}: the annotation {name!r} of tokens needs token ids, not text"
                )
        if any(unit.word_annotations for unit in entry.units):
            self._add(row, entry, "word", _words_of(entry))
        if entry.first.token_annotations:
            self._add(row, entry, "token", _tokens_of(entry))
        if any(unit.annotations for unit in entry.units):
            self._add(row, entry, "sentence", _sentences_of(entry))

    def arrays(self, pieces: Pieces, kinds: Iterable[Kind] = ("word", "token", "sentence")) -> dict[str, _Array]:
        """Coordinates for the tokens of ``pieces``: each annotation's array has shape (token,)."""
        wanted = {name: column for name, column in self._columns.items() if column.kind in tuple(kinds)}
        if not wanted:
            return {}
        row = np.repeat(pieces.row, pieces.lengths)
        places: dict[Kind, IntArray] = {"word": pieces.word, "token": pieces.place, "sentence": pieces.segment}
        return {name: _spread(column, row, places[column.kind]) for name, column in wanted.items()}

    def _add(self, row: int, entry: Entry, kind: Kind, named: Mapping[str, tuple[Any, ...]]) -> None:
        for name, values in named.items():
            column = self._columns.get(name)
            if column is None:
                column = self._columns[name] = _Column(_checked(name, kind, entry))
            if column.kind != kind:
                raise UsageError(
                    f"sentence {entry.number}: the annotation {name!r} is one of {kind}s here and one of "
                    f"{column.kind}s before; give the two different names"
                )
            column.rows[row] = values


_Array = npt.NDArray[np.generic]


def _checked(name: str, kind: Kind, entry: Entry) -> Kind:
    if name in RESERVED:
        raise UsageError(
            f"sentence {entry.number}: an annotation cannot be named {name!r}, which is a coordinate of its own; "
            "rename it in the corpus"
        )
    if not name or "/" in name:
        raise UsageError(f"sentence {entry.number}: {name!r} cannot name an annotation: it is empty or has a slash")
    return kind


def _words_of(entry: Entry) -> dict[str, tuple[Any, ...]]:
    """Annotations of the words of both units, side by side."""
    if entry.form == "ids":
        name = next(iter(entry.first.word_annotations))
        raise UsageError(f"sentence {entry.number}: the annotation {name!r} of words needs words, not token ids")
    counts = [len(part.split()) if isinstance(part, str) else len(part) for part in entry.parts]
    found: dict[str, tuple[Any, ...]] = {}
    for number, (unit, count) in enumerate(zip(entry.units, counts, strict=False)):
        for name, values in unit.word_annotations.items():
            _check_count(entry.number + number, name, len(values), count, "words")
            found[name] = found.get(name, (None,) * sum(counts[:number])) + tuple(values)
    return found


def _tokens_of(entry: Entry) -> dict[str, tuple[Any, ...]]:
    tokens = len(entry.first.ids or ())
    for name, values in entry.first.token_annotations.items():
        _check_count(entry.number, name, len(values), tokens, "tokens")
    return dict(entry.first.token_annotations)


def _sentences_of(entry: Entry) -> dict[str, tuple[Any, ...]]:
    """One value per segment."""
    names = dict.fromkeys(chain.from_iterable(unit.annotations for unit in entry.units))
    units = entry.units if len(entry.units) == len(entry.parts) else entry.units * len(entry.parts)
    return {name: tuple(unit.annotations.get(name) for unit in units) for name in names}


def _check_count(number: int, name: str, values: int, count: int, things: str) -> None:
    if values != count:
        raise UsageError(f"sentence {number}: the annotation {name!r} has {values} values for {count} {things}")


def _spread(column: _Column, row: IntArray, place: IntArray) -> _Array:
    """Values of shape (token,): the one at ``place`` of the token's entry, else the empty value."""
    rows = int(row.max(initial=-1)) + 1
    count = np.zeros(rows, dtype=np.int64)
    known = sorted(number for number in column.rows if number < rows)
    count[known] = [len(column.rows[number]) for number in known]
    values = typed(list(chain.from_iterable(column.rows[number] for number in known)))
    here = (place >= 0) & (place < count[row])
    return values[np.where(here, offsets_of(count)[row] + place, len(values) - 1)]


def typed(values: Sequence[Any]) -> _Array:
    """Array of the values with the empty value behind them, which also stands for None.

    Truth values become int8 (empty -1), integers int64 (-1), numbers float64 (NaN); strings stay
    strings (``""``), and anything else is written as JSON.
    """
    kinds = set(map(type, values)) - {type(None)}
    if kinds == {bool}:
        return np.array([*(-1 if one is None else one for one in values), -1], dtype=np.int8)
    if kinds and kinds <= {bool, int} and all(abs(one or 0) < _INT64_MAX for one in values):
        return np.array([*(-1 if one is None else one for one in values), -1], dtype=np.int64)
    if float in kinds and kinds <= {bool, int, float}:
        return np.array([*(np.nan if one is None else one for one in values), np.nan], dtype=np.float64)
    return np.array([*map(_string, values), ""], dtype=np.object_)


def _string(value: object) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False, default=str)
