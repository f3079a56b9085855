"""``--set a.b=c``: values laid over a spec after its files were read."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from typing import Any, Final

from prosect.errors import Problem
from prosect.spec.includes import NAMED, SETTINGS
from prosect.spec.places import Data, Document, KeyPath, Place, Span, dotted, nearest, problem
from prosect.spec.reading import read_value

_HERE: Final = Place("--set")
#: Length of the path of an entry: its section and its name.
_ENTRY: Final = 2
_SECTIONS: Final = ("prosect", "data", *NAMED, *SETTINGS)


class _OverrideError(Exception):
    """An override that cannot be laid over the spec."""

    def __init__(self, path: KeyPath, message: str, suggestion: str | None = None) -> None:
        super().__init__(message)
        self.problem = problem(_HERE, path, message, suggestion=suggestion, code="override")


def override(document: Document, overrides: Iterable[str]) -> tuple[Document, list[Problem]]:
    """Lay ``path=value`` settings over a document, the last one winning.

    The value is YAML. Keys of a path are separated by dots; a number picks an entry of a list. What
    the path names must exist as far as it is a section, an entry or an item of a list; a plugin that
    is given by its name alone takes options this way too.
    """
    data, spans, problems = deepcopy(dict(document.data)), dict(document.spans), []
    for text in overrides:
        try:
            path, value = _parse(text)
            path = _set(data, path, value)
        except _OverrideError as error:
            problems.append(error.problem)
            continue
        spans = {known: span for known, span in spans.items() if known[: len(path)] != path}
        spans[path] = Span(_HERE, _HERE)
    return Document(data, spans), problems


def _parse(text: str) -> tuple[KeyPath, Data]:
    name, equals, value = text.partition("=")
    path: KeyPath = tuple(int(part) if part.lstrip("-").isdigit() else part for part in name.strip().split("."))
    if not equals or "" in path:
        raise _OverrideError((), f"{text!r} is not of the form path=value, for example compute.device=cpu")
    if path[0] not in _SECTIONS:
        message = f"there is no section {str(path[0])!r}; the sections are: {', '.join(_SECTIONS)}"
        raise _OverrideError(path, message, nearest(path[0], _SECTIONS))
    try:
        return path, read_value(value)
    except ValueError as error:
        raise _OverrideError(path, f"the value {value!r} cannot be read: {error}") from error


def _set(data: dict[str, Any], path: KeyPath, value: Data) -> KeyPath:
    """Set the value and return the path with negative numbers resolved."""
    target: Any = data
    real: KeyPath = ()
    for part in path[:-1]:
        key = _key(target, part, real)
        real = (*real, key)
        target = _child(target, key, real)
    last = _key(target, path[-1], real)
    target[last] = value
    return (*real, last)


def _key(target: object, part: str | int, parent: KeyPath) -> str | int:
    if isinstance(target, dict):
        return str(part)
    if not isinstance(target, list):
        raise _OverrideError((*parent, part), f"{dotted(parent)!r} holds a single value, so nothing can be set in it")
    if not isinstance(part, int) or not -len(target) <= part < len(target):
        raise _OverrideError((*parent, part), f"the list has {len(target)} items, and {part!r} names none of them")
    return part % len(target)


def _child(target: dict[Any, Any] | list[Any], key: str | int, path: KeyPath) -> object:
    if path[0] in NAMED and len(path) == _ENTRY and isinstance(target, dict) and key not in target:
        raise _OverrideError(path, f"there is no {str(key)!r} in {path[0]!r}", nearest(key, target))
    child = target.get(key) if isinstance(target, dict) else target[int(key)]
    if child is None:
        child = {}
    if isinstance(child, str) and _is_plugin(path):
        child = {"name": child}
    container: Any = target
    container[key] = child
    return child


def _is_plugin(path: KeyPath) -> bool:
    match path:
        case ("analyses", _, "decomposition") | ("analyses", _, "metrics", _):
            return True
    return False
