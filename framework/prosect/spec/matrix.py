"""A model entry with ``matrix`` stands for several models, one for each combination of values."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from math import prod
from typing import Any, Final

from pydantic import ValidationError

from prosect.errors import Problem
from prosect.spec.messages import problems_of
from prosect.spec.models import ModelSpec, Scalar
from prosect.spec.places import Document, KeyPath, dotted, nearest, shown

#: Fields that can take several values: all that hold one scalar.
FIELDS: Final = tuple(name for name in ModelSpec.model_fields if name not in ("matrix", "config"))
MAX_MEMBERS: Final = 10_000
_UNSAFE: Final = re.compile(r"[^A-Za-z0-9._+=-]+")


@dataclass(frozen=True)
class Member:
    """One model of an entry: its name, its fields (without ``matrix``), and the values that make it."""

    name: str
    spec: ModelSpec
    values: Mapping[str, Scalar]


def check_matrices(document: Document) -> Iterator[Problem]:
    """Find unknown fields, values that do not fit, and values that would give two members one name.

    Whatever has another form than a list of values under each field is left to the validation of the entry.
    """
    entries = document.data.get("models")
    for name, entry in entries.items() if isinstance(entries, Mapping) else ():
        matrix = entry.get("matrix") if isinstance(entry, Mapping) else None
        if isinstance(matrix, Mapping):
            listed = {field: values for field, values in matrix.items() if isinstance(values, list)}
            yield from _matrix(name, listed, document)


def _matrix(name: str, matrix: Mapping[str, list[Any]], document: Document) -> Iterator[Problem]:
    number = prod(map(len, matrix.values()))
    if number > MAX_MEMBERS:
        message = f"the matrix makes {number} models; at most {MAX_MEMBERS} are taken"
        yield document.at_key(("models", name, "matrix"), message, code="matrix")
        return
    for field, given in matrix.items():
        path: KeyPath = ("models", name, "matrix", field)
        values = {index: value for index, value in enumerate(given) if isinstance(value, Scalar)}
        if field not in FIELDS:
            message = f"a matrix ranges over fields of a model: {', '.join(FIELDS)}"
            yield document.at_key(path, message, suggestion=nearest(field, FIELDS), code="matrix")
            continue
        for index, value in values.items():
            yield from _misfit(field, value, document, (*path, index))
        yield from _clashes(values, document, path)


def _misfit(field: str, value: Scalar, document: Document, path: KeyPath) -> Iterator[Problem]:
    try:
        ModelSpec.model_validate({field: value})
    except ValidationError as error:
        alone = Document({field: value}, {(): document.span(path)})
        yield from (replace(found, path=dotted(path)) for found in problems_of(error, ModelSpec, alone, ()))


def _clashes(values: Mapping[int, Scalar], document: Document, path: KeyPath) -> Iterator[Problem]:
    seen: dict[str, Scalar] = {}
    for index, value in values.items():
        name = _safe(value)
        if name in seen:
            message = f"the values {shown(seen[name])} and {shown(value)} both give the name @{name}"
            yield document.at_value((*path, index), message, code="matrix")
        seen.setdefault(name, value)


def members(name: str, entry: ModelSpec) -> Iterator[Member]:
    """Expand an entry in the order of the spec, the last field fastest; without a matrix it is its own member.

    Raises
    ------
    pydantic.ValidationError
        A value does not fit its field.
    """
    plain = entry.model_dump(exclude={"matrix"}, exclude_unset=True)
    for values in itertools.product(*entry.matrix.values()):
        chosen = dict(zip(entry.matrix, values, strict=True))
        spec = ModelSpec.model_validate({**plain, **chosen})
        yield Member(member_name(name, chosen), spec, chosen)


def member_name(name: str, values: Mapping[str, Scalar]) -> str:
    """``m@value``, several values joined by a comma; safe as a name in a Zarr store.

    A leading ``./`` is dropped, and every run of characters other than ASCII letters, digits and
    ``._+=-`` becomes one ``-``.
    """
    return f"{name}@{','.join(_safe(value) for value in values.values())}" if values else name


def _safe(value: Scalar) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return _UNSAFE.sub("-", text.removeprefix("./")) or "-"
