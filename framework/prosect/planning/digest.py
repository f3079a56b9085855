"""What a result depends on, as canonical JSON, and its SHA-256."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

#: Version of the engine's algorithms; raise it when results change.
ENGINE_VERSION: Final = 1

#: Stands in a configuration for a digest that is not known before the run.
UNKNOWN: Final = "unknown until run"


def canonical(value: object) -> str:
    """Write JSON in one form only: keys sorted, no blanks, ASCII."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def digest(value: object) -> str:
    """SHA-256 of canonical JSON, in hexadecimal digits."""
    return hashlib.sha256(canonical(value).encode("ascii")).hexdigest()


def step_digest(config: Mapping[str, Any]) -> str | None:
    """Digest of a step's configuration; None while a part of it is unknown."""
    return None if any(unknown_parts(config)) else digest(config)


def unknown_parts(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Dotted names of the parts that are not known before the run."""
    return tuple(name for name, value in flat(config).items() if value == UNKNOWN)


def flat(value: object, name: str = "") -> dict[str, Any]:
    """Flatten nested mappings and lists: dotted name -> scalar; items go by name or number.

    Empty ones stay, and so do lists of numbers, which mean something as a whole.
    """
    if isinstance(value, list | tuple) and value and all(isinstance(item, int) for item in value):
        return {name: list(value)}
    children = dict(_children(value))
    if not children:
        return {name: value}
    prefix = f"{name}." if name else ""
    return {inner: found for key, child in children.items() for inner, found in flat(child, f"{prefix}{key}").items()}


def _children(value: object) -> Iterator[tuple[str, object]]:
    if isinstance(value, Mapping):
        yield from ((str(key), item) for key, item in value.items())
    elif isinstance(value, Sequence) and not isinstance(value, str):
        names = [item.get("name") if isinstance(item, Mapping) else None for item in value]
        unique = None not in names and len(set(names)) == len(names)
        yield from zip(map(str, names if unique else range(len(value))), value, strict=True)
