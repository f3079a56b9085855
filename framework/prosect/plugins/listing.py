"""What is installed, as rows for a table and as records for a program."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Any

from pydantic_core import to_jsonable_python

from prosect.plugins.declarations import DECLARATIONS, AnyDeclaration, BrokenPlugin
from prosect.plugins.options import Option, describe
from prosect.plugins.registry import Entry, Registry
from prosect.plugins.support import support


@dataclass(frozen=True, kw_only=True)
class Row:
    """One plugin of a listing.

    Attributes
    ----------
    kind, name, summary
        As declared; the name is ``distribution:name`` where several distributions claim it.
    distribution
        Distribution and its version, for example ``prosect 0.1.0``.
    version
        Version of the algorithm.
    options
        Its options, each with default and description.
    """

    kind: str
    name: str
    summary: str
    distribution: str
    version: int
    options: tuple[Option, ...]


@dataclass(frozen=True, kw_only=True)
class BrokenRow:
    """One fault of a plugin.

    Attributes
    ----------
    kind
        Kind of declaration that is lost; empty where that could not be told.
    plugin
        Distribution, version and entry point.
    names
        Names that are lost; empty where that could not be told.
    reason
        What is wrong, in words.
    """

    kind: str
    plugin: str
    names: tuple[str, ...]
    reason: str


def kinds(kind: str | None) -> tuple[str, ...]:
    """All kinds of plugin, or the one that was asked for."""
    return tuple(DECLARATIONS) if kind is None else (kind,)


def rows(registry: Registry, kind: str | None = None) -> tuple[Row, ...]:
    """List what is installed, by kind and name.

    Raises
    ------
    PluginError
        There is no such kind.
    """
    return tuple(_row(name, entry) for name, entry in _named(registry, kind))


def broken_rows(registry: Registry, kind: str | None = None) -> tuple[BrokenRow, ...]:
    """List what is broken; with a kind, what may have been of it."""
    return tuple(
        BrokenRow(kind=fault.kind or "", plugin=str(fault.origin), names=fault.names, reason=fault.reason)
        for fault in _faults(registry, kind)
    )


def records(registry: Registry, kind: str | None = None) -> dict[str, Any]:
    """Return everything that is known about the plugins as JSON values.

    Keys: ``plugins`` (one object per declaration, with its fields, origin and options; the JSON Schema of these
    is part of that of a spec), ``broken``, ``conflicts`` (names that several distributions claim) and ``heavy``
    (plugins whose import drags in libraries that make every command slow); for ``architectures`` also
    ``support``: which decomposition works for which family, and the reason where it does not.
    """
    works = {"support": [asdict(entry) for entry in support(registry)]} if kind == "architectures" else {}
    return {
        "plugins": [_record(name, entry) for name, entry in _named(registry, kind)],
        "broken": [to_jsonable_python(asdict(fault)) for fault in _faults(registry, kind)],
        "conflicts": [str(conflict) for conflict in registry.conflicts if conflict.kind in kinds(kind)],
        "heavy": [{"plugin": asdict(p.origin), "imports": list(p.heavy)} for p in registry.plugins if p.heavy],
        **works,
    }


def _faults(registry: Registry, kind: str | None) -> tuple[BrokenPlugin, ...]:
    return tuple(fault for fault in registry.broken if kind is None or fault.kind in (None, kind))


def _named(registry: Registry, kind: str | None) -> Iterator[tuple[str, Entry]]:
    """Give every entry of a kind, or of all, with the name by which a spec asks for it."""
    for wanted in kinds(kind):
        names = frozenset(registry.names(wanted))
        for entry in registry.of_kind(wanted):
            plain = entry.declaration.name
            yield plain if plain in names else entry.qualified, entry


def _row(name: str, entry: Entry) -> Row:
    declaration = entry.declaration
    return Row(
        kind=declaration.kind,
        name=name,
        summary=declaration.summary,
        distribution=f"{entry.origin.distribution} {entry.origin.version}",
        version=declaration.version,
        options=describe(declaration.options),
    )


def _record(name: str, entry: Entry) -> dict[str, Any]:
    declaration = entry.declaration
    return {
        "kind": declaration.kind,
        **_fields(declaration),
        "name": name,
        "origin": asdict(entry.origin),
        "options": [vars(option) for option in describe(declaration.options)],
    }


def _fields(declaration: AnyDeclaration) -> dict[str, Any]:
    """Fields that are data; the options are described apart, and functions of the plan are no data."""
    own = {field.name: getattr(declaration, field.name) for field in fields(declaration)}
    data = {name: value for name, value in own.items() if not callable(value)}
    plain = {name: sorted(value) if isinstance(value, frozenset) else value for name, value in data.items()}
    return {name: to_jsonable_python(value) for name, value in plain.items()}
