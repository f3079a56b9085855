"""Loads plugins from entry points, each in isolation: what is broken in one is recorded, never raised."""

from __future__ import annotations

import importlib
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final, Generic, TypeVar

import pluggy

from prosect.plugins import hookspecs
from prosect.plugins.declarations import (
    DECLARATIONS,
    AnyDeclaration,
    BrokenPlugin,
    Origin,
)
from prosect.plugins.names import nearest
from prosect.plugins.validation import faults

HOOKS: Final = {f"prosect_{kind}": declaration for kind, declaration in DECLARATIONS.items()}
HEAVY: Final = ("torch", "transformers", "xarray", "zarr")

T = TypeVar("T")


@dataclass(frozen=True)
class LoadedPlugin:
    """One entry point after loading.

    Attributes
    ----------
    origin
        Where it came from.
    declarations
        The valid ones, in the order of the hooks.
    broken
        What could not be taken in; one record per fault.
    heavy
        Libraries that importing it dragged in and that make every command slow.
    """

    origin: Origin
    declarations: tuple[AnyDeclaration, ...] = ()
    broken: tuple[BrokenPlugin, ...] = ()
    heavy: tuple[str, ...] = ()


@dataclass(frozen=True)
class Success(Generic[T]):
    """What foreign code returned."""

    value: T


@dataclass(frozen=True)
class Failure:
    """What foreign code raised."""

    error: BaseException

    def __str__(self) -> str:
        frames = traceback.extract_tb(self.error.__traceback__)
        place = f" ({frames[-1].filename}:{frames[-1].lineno})" if frames else ""
        words = " ".join(str(self.error).split())
        return f"{type(self.error).__name__}: {words}{place}"

    def absent(self, module: str) -> bool:
        """Tell whether the module itself, or a package that holds it, is what could not be found."""
        missing = self.error.name if isinstance(self.error, ModuleNotFoundError) else None
        return missing is not None and f"{module}.".startswith(f"{missing}.")


def guarded(action: Callable[[], T]) -> Success[T] | Failure:
    """Run foreign code and return its value, or whatever it raised."""
    try:
        return Success(action())
    except (Exception, SystemExit) as error:  # noqa: BLE001 - a plugin may raise anything, and must stop only itself
        return Failure(error)


def load_plugins() -> tuple[LoadedPlugin, ...]:
    """Load every installed plugin, ordered by distribution and entry point."""
    found = [(origin_of(entry), entry) for entry in entry_points(group=hookspecs.GROUP)]
    ordered = sorted(found, key=lambda pair: (pair[0].distribution, pair[0].entry_point))
    return tuple(load_plugin(entry, origin) for origin, entry in ordered)


def load_plugin(entry: EntryPoint, origin: Origin) -> LoadedPlugin:
    """Import one entry point and collect what its hooks declare."""
    before = frozenset(sys.modules)
    module = guarded(lambda: importlib.import_module(entry.module))
    heavy = tuple(name for name in HEAVY if name in sys.modules and name not in before)
    if isinstance(module, Failure):
        reason = _import_reason(entry, module)
        return LoadedPlugin(origin, broken=(BrokenPlugin(origin, reason),), heavy=heavy)
    plugin = guarded(lambda: reduce(getattr, entry.attr.split("."), module.value) if entry.attr else module.value)
    if isinstance(plugin, Failure):
        reason = f"module {entry.module!r} has no attribute {entry.attr!r}, which the entry point names"
        return LoadedPlugin(origin, broken=(BrokenPlugin(origin, reason),), heavy=heavy)
    results = tuple(_collect(plugin.value, origin))
    return LoadedPlugin(
        origin,
        declarations=tuple(result for result in results if not isinstance(result, BrokenPlugin)),
        broken=tuple(result for result in results if isinstance(result, BrokenPlugin)),
        heavy=heavy,
    )


def origin_of(entry: EntryPoint) -> Origin:
    """Say where an entry point came from; one that was not read from an installed distribution has no such place."""
    if entry.dist is None:
        return Origin("unknown", "0", entry.name)
    # Every look at the metadata parses its file again.
    metadata = entry.dist.metadata
    return Origin(metadata["Name"], metadata["Version"], entry.name)


def _import_reason(entry: EntryPoint, failure: Failure) -> str:
    if failure.absent(entry.module):
        return f"module {entry.module!r} is absent, though the entry point names it; install the distribution again"
    return f"importing {entry.module!r} failed: {failure}"


def _collect(plugin: object, origin: Origin) -> Iterator[AnyDeclaration | BrokenPlugin]:
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    registered = guarded(lambda: manager.register(plugin, name=origin.entry_point))
    if isinstance(registered, Failure):
        yield BrokenPlugin(origin, f"its hooks do not fit: {registered.error}")
        return
    callers = manager.get_hookcallers(plugin) or []
    yield from (BrokenPlugin(origin, reason) for reason in _hook_faults(plugin, callers))
    for caller in callers:
        if caller.has_spec():
            for hook in caller.get_hookimpls():
                # The function itself is called: a hook call would drop None without a word.
                yield from _declared(caller.name, guarded(hook.function), origin)


def _hook_faults(plugin: object, callers: Sequence[pluggy.HookCaller]) -> Iterator[str]:
    implementations = [(caller, hook) for caller in callers for hook in caller.get_hookimpls()]
    for caller, hook in implementations:
        if not caller.has_spec() and not hook.optionalhook:
            yield f"{caller.name!r} is no hook of prosect{_meant(caller.name)}; the hooks are {', '.join(HOOKS)}"
    marked = {hook.function for _, hook in implementations}
    for name in HOOKS:
        function = inspect.getattr_static(plugin, name, None)
        if inspect.isfunction(function) and function not in marked:
            yield f"function {name!r} is not marked as a hook; put @prosect.api.hookimpl above it"
    if not implementations:
        yield "it marks no hook with prosect.api.hookimpl"


def _meant(name: str) -> str:
    close = nearest(name, HOOKS)
    return f"; did you mean {close!r}?" if close else ""


def _declared(hook: str, result: Success[Any] | Failure, origin: Origin) -> Iterator[AnyDeclaration | BrokenPlugin]:
    expected = HOOKS[hook]
    if isinstance(result, Failure):
        yield BrokenPlugin(origin, f"hook {hook!r} failed: {result}", kind=expected.kind)
    elif not isinstance(result.value, list | tuple):
        reason = f"hook {hook!r} returned {_a(result.value)}, not a list of {expected.__name__}"
        yield BrokenPlugin(origin, reason, kind=expected.kind)
    else:
        for item in result.value:
            yield _checked(hook, item, origin)


def _checked(hook: str, item: object, origin: Origin) -> AnyDeclaration | BrokenPlugin:
    expected = HOOKS[hook]
    if not isinstance(item, expected):
        reason = f"hook {hook!r} returned a list with {_a(item)} in it, which is no {expected.__name__}"
        return BrokenPlugin(origin, reason, kind=expected.kind)
    if wrong := faults(item, expected):
        names = (item.name,) if isinstance(item.name, str) else ()
        reason = f"{expected.__name__} {item.name!r}: {'; '.join(wrong)}"
        return BrokenPlugin(origin, reason, names, kind=expected.kind)
    return item


def _a(value: object) -> str:
    return "None" if value is None else f"an object of type {type(value).__name__}"
