"""What is installed: finds declarations by kind and name, and explains what cannot be found."""

from __future__ import annotations

import importlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import reduce
from typing import Any, Final, Literal, overload

from prosect.errors import PluginError
from prosect.plugins.declarations import (
    DECLARATIONS,
    AnyDeclaration,
    ArchitectureDeclaration,
    BrokenPlugin,
    CorpusDeclaration,
    Declaration,
    DecompositionDeclaration,
    MetricDeclaration,
    Origin,
)
from prosect.plugins.loading import Failure, LoadedPlugin, guarded, load_plugins
from prosect.plugins.names import nearest, normal_distribution

SINGULAR: Final = {
    "architectures": "architecture",
    "decompositions": "decomposition",
    "metrics": "metric",
    "corpora": "corpus kind",
}

#: More names than these would bury the one that is meant.
LISTED: Final = 12


@dataclass(frozen=True)
class Entry:
    """A declaration and where it came from."""

    declaration: AnyDeclaration
    origin: Origin

    @property
    def qualified(self) -> str:
        """``distribution:name``, which names it even where another distribution claims the name too."""
        return f"{self.origin.distribution}:{self.declaration.name}"


@dataclass(frozen=True)
class Conflict:
    """A name that two or more distributions claim; each is still there as ``distribution:name``."""

    kind: str
    name: str
    entries: tuple[Entry, ...]

    def __str__(self) -> str:
        claimants = " and ".join(str(entry.origin) for entry in self.entries)
        choices = " or ".join(repr(entry.qualified) for entry in self.entries)
        return f"{SINGULAR[self.kind]} {self.name!r} is claimed by {claimants}; write {choices}"


@dataclass(frozen=True)
class Registry:
    """Every plugin that is installed.

    Attributes
    ----------
    plugins
        Entry points after loading.
    entries
        Their valid declarations.
    broken
        What could not be taken in, with reasons.
    """

    plugins: tuple[LoadedPlugin, ...]
    entries: tuple[Entry, ...]
    broken: tuple[BrokenPlugin, ...]

    @classmethod
    def of(cls, plugins: Iterable[LoadedPlugin]) -> Registry:
        """Build a registry; a name that one distribution gives twice counts once and is reported as broken."""
        plugins = tuple(plugins)
        kept: dict[tuple[str, str, str], Entry] = {}
        broken = [fault for plugin in plugins for fault in plugin.broken]
        for entry in (Entry(found, plugin.origin) for plugin in plugins for found in plugin.declarations):
            key = entry.declaration.kind, normal_distribution(entry.origin.distribution), entry.declaration.name
            if key in kept:
                broken.append(_given_twice(entry, kept[key]))
            else:
                kept[key] = entry
        ordered = sorted(kept.values(), key=lambda entry: (entry.declaration.name, entry.origin.distribution))
        return cls(plugins, tuple(ordered), tuple(broken))

    @overload
    def find(self, kind: Literal["architectures"], name: str) -> ArchitectureDeclaration: ...
    @overload
    def find(self, kind: Literal["decompositions"], name: str) -> DecompositionDeclaration: ...
    @overload
    def find(self, kind: Literal["metrics"], name: str) -> MetricDeclaration: ...
    @overload
    def find(self, kind: Literal["corpora"], name: str) -> CorpusDeclaration: ...
    @overload
    def find(self, kind: str, name: str) -> AnyDeclaration: ...
    def find(self, kind: str, name: str) -> AnyDeclaration:
        """Return the declaration that a spec means by ``name`` or ``distribution:name``.

        Raises
        ------
        PluginError
            No plugin has the name, the plugin that has it is broken, or several distributions claim it.
        """
        found = self._matches(kind, name)
        if not found:
            raise self._unknown(kind, name)
        if len(found) > 1:
            raise PluginError(str(Conflict(kind, name, found)))
        return found[0].declaration

    @overload
    def declarations(self, kind: Literal["architectures"]) -> tuple[ArchitectureDeclaration, ...]: ...
    @overload
    def declarations(self, kind: Literal["decompositions"]) -> tuple[DecompositionDeclaration, ...]: ...
    @overload
    def declarations(self, kind: Literal["metrics"]) -> tuple[MetricDeclaration, ...]: ...
    @overload
    def declarations(self, kind: Literal["corpora"]) -> tuple[CorpusDeclaration, ...]: ...
    @overload
    def declarations(self, kind: str) -> tuple[AnyDeclaration, ...]: ...
    def declarations(self, kind: str) -> tuple[Any, ...]:
        """All declarations of a kind, ordered by name."""
        return tuple(entry.declaration for entry in self.of_kind(kind))

    def of_kind(self, kind: str) -> tuple[Entry, ...]:
        """All entries of a kind, ordered by name; PluginError where there is no such kind."""
        if kind not in DECLARATIONS:
            message = f"there is no kind of plugin {kind!r}; the kinds are {', '.join(DECLARATIONS)}"
            raise PluginError(message, nearest(kind, DECLARATIONS))
        return tuple(entry for entry in self.entries if entry.declaration.kind == kind)

    def names(self, kind: str) -> tuple[str, ...]:
        """Names of a kind, in order; one that several distributions claim is there once per distribution, qualified."""
        entries = self.of_kind(kind)
        count = Counter(entry.declaration.name for entry in entries)
        unique = {e.declaration.name if count[e.declaration.name] == 1 else e.qualified for e in entries}
        return tuple(sorted(unique))

    def nearest(self, kind: str, name: str) -> str | None:
        """Return the known name that is most like ``name``, or None."""
        return nearest(name, self.names(kind))

    def origin(self, declaration: Declaration) -> Origin:
        """Return where a declaration of this registry came from; PluginError for any other."""
        # Two distributions may give equal declarations; a copy that travelled between processes is only equal.
        same = [entry for entry in self.entries if entry.declaration is declaration]
        equal = same or [entry for entry in self.entries if entry.declaration == declaration]
        if not equal:
            raise PluginError(f"{SINGULAR[declaration.kind]} {declaration.name!r} is not from an installed plugin")
        return equal[0].origin

    @property
    def conflicts(self) -> tuple[Conflict, ...]:
        """Names that several distributions claim."""
        groups: dict[tuple[str, str], list[Entry]] = {}
        for entry in self.entries:
            groups.setdefault((entry.declaration.kind, entry.declaration.name), []).append(entry)
        return tuple(Conflict(*key, tuple(group)) for key, group in groups.items() if len(group) > 1)

    def architecture_for(self, model_type: str) -> ArchitectureDeclaration | None:
        """Return the family that describes a ``model_type`` of ``config.json``; None where there is none.

        Raises
        ------
        PluginError
            Several plugins describe it.
        """
        found = [e for e in self.of_kind("architectures") if model_type in _model_types(e.declaration)]
        if len(found) > 1:
            claimants = " and ".join(f"{entry.declaration.name!r} of {entry.origin}" for entry in found)
            raise PluginError(
                f"model type {model_type!r} is described by {claimants}; only one of them may be installed"
            )
        return next((e.declaration for e in found if isinstance(e.declaration, ArchitectureDeclaration)), None)

    def suspects(self, kind: str, name: str) -> tuple[BrokenPlugin, ...]:
        """Return the broken plugins that give, or may give, this name once they are mended."""
        distribution, plain = _parts(name)
        possible = [fault for fault in self.broken if fault.kind in (None, kind)]
        return tuple(
            fault
            for fault in possible
            if plain in (fault.names or (plain,))
            and distribution in (None, normal_distribution(fault.origin.distribution))
        )

    def _matches(self, kind: str, name: str) -> tuple[Entry, ...]:
        distribution, plain = _parts(name)
        return tuple(
            entry
            for entry in self.of_kind(kind)
            if entry.declaration.name == plain
            and distribution in (None, normal_distribution(entry.origin.distribution))
        )

    def _unknown(self, kind: str, name: str) -> PluginError:
        what = SINGULAR[kind]
        suspects = self.suspects(kind, name)
        if culprit := next((fault for fault in suspects if fault.names), None):
            return PluginError(f"{what} {name!r} of {culprit.origin} is broken: {culprit.reason}")
        known, close = self.names(kind), self.nearest(kind, name)
        there = f"; known: {', '.join(known)}" if known else f"; no {what} is installed"
        if close and len(known) > LISTED:
            there = ""
        message = "".join((f"there is no {what} {name!r}", there, *map(_may_hold, suspects)))
        return PluginError(message, close)


def load_registry() -> Registry:
    """Load every plugin that is installed. Never raises for a broken one: see `Registry.broken`."""
    return Registry.of(load_plugins())


def implementation(declaration: Declaration) -> Callable[..., Any]:
    """Import the function or class that a declaration names as its implementation.

    Raises
    ------
    PluginError
        Its module or attribute is absent, importing it failed, or it cannot be called.
    """
    module_name, _, attribute = declaration.implementation.partition(":")
    what = f"implementation {declaration.implementation!r} of {SINGULAR[declaration.kind]} {declaration.name!r}"
    module = guarded(lambda: importlib.import_module(module_name))
    if isinstance(module, Failure):
        reason = f"there is no module {module_name!r}" if module.absent(module_name) else str(module)
        raise PluginError(f"{what} cannot be imported: {reason}") from module.error
    try:
        found: object = reduce(getattr, attribute.split("."), module.value)
    except AttributeError as error:
        raise PluginError(f"{what}: module {module_name!r} has no attribute {attribute!r}") from error
    if not callable(found):
        raise PluginError(f"{what} is of type {type(found).__name__}, which cannot be called")
    return found


def _parts(name: str) -> tuple[str | None, str]:
    distribution, colon, plain = name.rpartition(":")
    return (normal_distribution(distribution), plain) if colon else (None, name)


def _model_types(declaration: AnyDeclaration) -> tuple[str, ...]:
    return declaration.model_types if isinstance(declaration, ArchitectureDeclaration) else ()


def _may_hold(fault: BrokenPlugin) -> str:
    return f"; it may belong to {fault.origin}, which is broken: {fault.reason}"


def _given_twice(entry: Entry, first: Entry) -> BrokenPlugin:
    name, kind = entry.declaration.name, entry.declaration.kind
    reason = f"{SINGULAR[kind]} {name!r} is given twice by this distribution; the first one, of {first.origin}, is used"
    return BrokenPlugin(entry.origin, reason, (name,), kind)
