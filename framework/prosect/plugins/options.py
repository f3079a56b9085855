"""What the options of a declaration are, in words, for listings and for the documentation test."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import pairwise
from typing import Any, Final

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

_SECTION: Final = "Attributes"
_RULE: Final = re.compile(r"-{3,}")


@dataclass(frozen=True, kw_only=True)
class Option:
    """One option of a plugin.

    Attributes
    ----------
    name
        Key in the spec.
    required
        It has no default.
    default
        The default as JSON holds it; None where it is required.
    description
        What it means; empty where the options model does not say.
    """

    name: str
    required: bool
    default: Any
    description: str

    def __str__(self) -> str:
        return f"{self.name} (required)" if self.required else f"{self.name}={self.default!r}"


def describe(model: type[BaseModel]) -> tuple[Option, ...]:
    """Return the options of a model in the order of its fields.

    A description is the field's own (``Field(description=...)``), or what the numpydoc section
    ``Attributes`` in the docstring of the model, or of a model that it derives from, says of it.
    """
    documented = documentation(model)
    return tuple(
        Option(
            name=name,
            required=field.is_required(),
            default=None if field.is_required() else _default(field.get_default(call_default_factory=True)),
            description=field.description or documented.get(name, ""),
        )
        for name, field in model.model_fields.items()
    )


def documentation(model: type) -> dict[str, str]:
    """Read the sections ``Attributes`` of the docstrings of a class and its bases: field -> text."""
    docstrings = (base.__dict__.get("__doc__") or "" for base in reversed(model.__mro__))
    return {name: text for docstring in docstrings for name, text in _attributes(docstring)}


@cache
def _attributes(docstring: str) -> tuple[tuple[str, str], ...]:
    """Read one docstring; those of common bases are met again and again."""
    return tuple(_described(inspect.cleandoc(docstring)))


def _described(docstring: str) -> Iterator[tuple[str, str]]:
    names: list[str] = []
    text: list[str] = []
    for line in _section(docstring.splitlines()):
        if line[:1].strip():
            yield from ((name, " ".join(text)) for name in names)
            names, text = [name.strip() for name in line.partition(" :")[0].split(",")], []
        elif line.strip():
            text.append(line.strip())
    yield from ((name, " ".join(text)) for name in names)


def _section(lines: list[str]) -> Iterator[str]:
    inside = False
    for line, following in pairwise([*lines, ""]):
        if _RULE.fullmatch(following):
            inside = line == _SECTION
        elif inside and not _RULE.fullmatch(line):
            yield line


def _default(value: object) -> Any:  # noqa: ANN401 - any JSON value
    return to_jsonable_python(value)
