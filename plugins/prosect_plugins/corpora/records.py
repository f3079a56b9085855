"""Records with named fields, from JSON lines or elsewhere, and the sentences made of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prosect.api import Sentence, UsageError
from prosect_plugins.corpora.lines import Line, read_lines
from prosect_plugins.corpora.options import SegmentFields

Scalar = str | int | float | bool | None


@dataclass(frozen=True)
class Record:
    """Fields by name, and the place they came from, for error messages."""

    fields: Mapping[str, Any]
    place: str

    def fault(self, message: str) -> UsageError:
        """Make an error that names the place."""
        return UsageError(f"{self.place}: {message}")

    def value(self, name: str) -> Any:  # noqa: ANN401 - a JSON value may be anything
        """Return a field; an error if there is none."""
        if name not in self.fields:
            known = ", ".join(sorted(self.fields)) or "none"
            raise self.fault(f"no field {name!r}; its fields: {known}")
        return self.fields[name]

    def text(self, name: str) -> str:
        """Return a field that must be a string."""
        value = self.value(name)
        if not isinstance(value, str):
            raise self.fault(f"field {name!r} must be a string, not {_kind(value)}")
        return value

    def words(self, name: str) -> tuple[str, ...]:
        """Return a field that must be a list of strings."""
        return self._list(name, lambda item: isinstance(item, str), "strings")

    def ids(self, name: str) -> tuple[int, ...]:
        """Return a field that must be a list of integers, none of them negative."""
        return self._list(name, lambda item: type(item) is int and item >= 0, "integers from 0")

    def annotation(self, name: str) -> Scalar:
        """Return a field that must be one plain value."""
        value = self.value(name)
        if not _plain(value):
            raise self.fault(f"annotation {name!r} must be one plain value, not {_kind(value)}")
        return value  # type: ignore[no-any-return]  # `_plain` has just looked

    def annotations(self, names: Sequence[str], per: str, count: int) -> dict[str, tuple[Scalar, ...]]:
        """Return fields that must be lists with ``count`` plain values, one per word or per token."""
        found = {name: self._list(name, _plain, "plain values") for name in names}
        for name, values in found.items():
            if len(values) != count:
                raise self.fault(f"annotation {name!r} has {len(values)} values for {count} {per}s; it needs one each")
        return found

    def _list(self, name: str, fits: Callable[[Any], bool], what: str) -> tuple[Any, ...]:
        value = self.value(name)
        if not isinstance(value, list | tuple):
            raise self.fault(f"field {name!r} must be a list of {what}, not {_kind(value)}")
        for index, item in enumerate(value):
            if not fits(item):
                raise self.fault(
                    f"field {name!r} must be a list of {what}; item {index} is {_kind(item)}: {item!r:.60}"
                )
        return tuple(value)


def json_records(path: Path, encoding: str) -> Iterator[Record]:
    """Yield the JSON objects of a file with one per line; blank lines hold nothing."""
    for line in read_lines(path, encoding):
        if not line.blank:
            yield Record(_json_object(line), f"{line.path}:{line.number}")


def _json_object(line: Line) -> dict[str, Any]:
    rule = "every line must hold one JSON object"
    try:
        value = json.loads(line.text)
    except json.JSONDecodeError as error:
        raise line.fault(f"not valid JSON: {error.msg} at column {error.colno}; {rule}") from error
    except (ValueError, RecursionError) as error:
        raise line.fault(f"JSON that cannot be read: {error}; {rule}") from error
    if not isinstance(value, dict):
        raise line.fault(f"{_kind(value)} where a JSON object belongs; {rule}")
    return value


def sentence(record: Record, options: SegmentFields) -> Sentence:
    """Make a sentence of text or of words, with what goes with it."""
    _one_source(record, options)
    text, pair = _optional(record, options.text_field), _optional(record, options.pair_field)
    annotations = {name: record.annotation(name) for name in options.annotations}
    if text is not None:
        if options.word_annotations:
            raise record.fault("annotations per word need words, and there is only text")
        return Sentence(text=text, pair=pair, annotations=annotations)
    words = record.words(options.words_field or "")
    values = record.annotations(options.word_annotations, "word", len(words))
    return Sentence(words=words, pair=pair, word_annotations=values, annotations=annotations)


def _one_source(record: Record, options: SegmentFields) -> None:
    names = [name for name in (options.text_field, options.words_field) if name is not None]
    given = [name for name in names if _has(record, name)]
    if not given:
        known = ", ".join(sorted(record.fields)) or "none"
        advice = "name the field of the sentence with text_field or words_field"
        raise record.fault(f"no field {' or '.join(map(repr, names))}; its fields: {known}; {advice}")
    if len(given) > 1:
        text, words = given
        advice = f"set words_field to null to read {text!r}, or text_field to null to read {words!r}"
        raise record.fault(f"both text and words; {advice}")


def _has(record: Record, name: str | None) -> bool:
    return name is not None and record.fields.get(name) is not None


def _optional(record: Record, name: str | None) -> str | None:
    return record.text(name) if name is not None and _has(record, name) else None


def _plain(value: object) -> bool:
    return value is None or isinstance(value, str | int | float)


def _kind(value: object) -> str:
    names = {dict: "an object", list: "a list", str: "a string", bool: "true or false", type(None): "null"}
    return names.get(type(value), "a number")
