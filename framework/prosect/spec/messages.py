"""pydantic's errors in the words of a spec: places, dotted paths, what was expected, the nearest valid word."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from typing import Any, Final, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from prosect.errors import Problem
from prosect.spec.places import MAPPING, Document, KeyPath, nearest, shown

_QUOTED: Final = re.compile(r"'([^']*)'")

#: Error type -> what was expected, as a format of the error's context.
_EXPECTED: Final[Mapping[str, str]] = {
    **dict.fromkeys(("string_type", "string_sub_type", "path_type"), "text"),
    **dict.fromkeys(("int_type", "int_parsing", "int_from_float", "int_parsing_size"), "a whole number"),
    **dict.fromkeys(("float_type", "float_parsing", "finite_number", "decimal_parsing"), "a number"),
    **dict.fromkeys(("bool_type", "bool_parsing"), "true or false"),
    **dict.fromkeys(("list_type", "tuple_type", "set_type", "frozen_set_type", "iterable_type"), "a list"),
    **dict.fromkeys(("dict_type", "mapping_type", "model_type", "model_attributes_type", "dataclass_type"), MAPPING),
    **dict.fromkeys(("literal_error", "enum"), "{expected}"),
    "none_required": "nothing",
    "greater_than": "a number above {gt}",
    "greater_than_equal": "a number of at least {ge}",
    "less_than": "a number below {lt}",
    "less_than_equal": "a number of at most {le}",
    "multiple_of": "a multiple of {multiple_of}",
    "too_short": "a list of at least {min_length}",
    "too_long": "a list of at most {max_length}",
    "string_too_short": "at least {min_length} characters",
    "string_too_long": "at most {max_length} characters",
}


def problems_of(
    error: ValidationError, model: type[BaseModel], document: Document, path: KeyPath, valid: Iterable[str] = ()
) -> list[Problem]:
    """Turn a validation error into problems.

    Parameters
    ----------
    error
        What pydantic raised.
    model
        The model that was to be made, asked for its field names.
    document, path
        Where the validated value stands.
    valid
        Further keys that may stand at ``path`` although the model does not know them.
    """
    value = _follow(document.data, path)
    placed = [(_real_path(details, value), details) for details in error.errors(include_url=False)]
    writer = _Writer(model, document, path, tuple(valid))
    groups = groupby(placed, key=lambda item: item[0])
    return [writer.problem(inner, [details for _, details in group]) for inner, group in groups]


class _Writer:
    def __init__(self, model: type[BaseModel], document: Document, path: KeyPath, valid: tuple[str, ...]) -> None:
        self.model = model
        self.document = document
        self.path = path
        self.valid = valid

    def problem(self, inner: KeyPath, errors: list[ErrorDetails]) -> Problem:
        """Write one problem for all errors at one path; several stem from a union of types."""
        path = (*self.path, *inner)
        special: Mapping[str, Callable[[KeyPath], Problem]] = {
            "missing": self._missing,
            "extra_forbidden": self._unknown,
            "invalid_key": self._no_text,
        }
        for details in errors:
            if details["type"] in special:
                return special[details["type"]](path)
        expected = list(dict.fromkeys(phrase for details in errors if (phrase := _expectation(details))))
        if not expected:
            return self.document.at_value(path, _message(errors[0]))
        words = _QUOTED.findall(" ".join(expected))
        given = _follow(self.document.data, path)
        return self.document.at_value(
            path,
            f"expected {' or '.join(expected)}, not {shown(given)}",
            suggestion=nearest(given, words) if isinstance(given, str) else None,
            code="wrong-value" if words else "wrong-type",
        )

    def _missing(self, path: KeyPath) -> Problem:
        return self.document.at_key(path, f"the key {str(path[-1])!r} is required", code="missing-key")

    def _no_text(self, path: KeyPath) -> Problem:
        return self.document.at_key(path, f"keys are text, not {shown(path[-1])}", code="wrong-type")

    def _unknown(self, path: KeyPath) -> Problem:
        inner = path[len(self.path) :]
        known = sorted({*_fields_at(self.model, inner[:-1]), *(self.valid if len(inner) == 1 else ())})
        close = nearest(path[-1], known)
        keys = ", ".join(known) if known else "none"
        message = "unknown key" if close else f"unknown key; the keys here are: {keys}"
        return self.document.at_key(path, message, suggestion=close, code="unknown-key")


def _expectation(details: ErrorDetails) -> str | None:
    phrase = _EXPECTED.get(details["type"])
    return phrase.format(**details.get("ctx", {})) if phrase else None


def _message(details: ErrorDetails) -> str:
    """Words of an error that no table knows: those of the validator itself, or pydantic's."""
    cause = details.get("ctx", {}).get("error")
    return str(cause if isinstance(cause, Exception) else details["msg"]).rstrip(".")


def _real_path(details: ErrorDetails, data: object) -> KeyPath:
    """Path inside the data: pydantic's location without the names it gives to the branches of unions."""
    path: list[str | int] = []
    value = data
    for part in details["loc"]:
        if (isinstance(value, Mapping) and part in value) or (
            isinstance(value, list | tuple) and isinstance(part, int) and part < len(value)
        ):
            path.append(part)
            value = _follow(value, (part,))
    if details["type"] == "missing":
        path.append(details["loc"][-1])
    return tuple(path)


def _follow(value: object, path: KeyPath) -> object:
    found: Any = value
    for part in path:
        found = found[part]
    return found


def _fields_at(model: type[BaseModel], path: KeyPath) -> Iterator[str]:
    """Names of the fields that may stand at a path inside a model."""
    models = {model}
    for part in path:
        fields = [found.model_fields[part] for found in models if isinstance(part, str) and part in found.model_fields]
        models = {inner for field in fields for inner in _models_in(field.annotation)} if fields else models
    for found in models:
        yield from found.model_fields


def _models_in(annotation: object) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)
