"""What works for what: every decomposition that is installed, asked about the example of every family."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

from prosect.errors import PluginError, ProsectError
from prosect.plugins.declarations import ArchitectureDeclaration, DecompositionDeclaration
from prosect.plugins.loading import Failure, Success, guarded
from prosect.plugins.registry import Registry, implementation
from prosect.vocab.architecture import Architecture


@dataclass(frozen=True, kw_only=True)
class Support:
    """Whether a decomposition works for a family.

    Attributes
    ----------
    family, decomposition
        Names as declared.
    reason
        Why it does not, in words; None where it works.
    """

    family: str
    decomposition: str
    reason: str | None = None


def support(registry: Registry) -> tuple[Support, ...]:
    """Tell of every family that declares an example which decompositions work, by family and decomposition.

    A decomposition refuses a model by raising an error of prosect when it makes its rules; what it says is the reason.
    """
    return tuple(_all(registry))


def works_with(decomposition: DecompositionDeclaration, architecture: Architecture) -> str | None:
    """Return None where a decomposition, with its default options, works for a description; else the reason."""
    if not decomposition.described:
        return None
    make, options = implementation(decomposition), decomposition.options()
    crossing = architecture.crossing if decomposition.crosses else None
    for stream in (*architecture.streams, *(() if crossing is None else (crossing,))):
        made = guarded(partial(make, options, stream))
        if isinstance(made, Failure):
            return _reason(made)
    return None


def example_of(family: ArchitectureDeclaration) -> Mapping[str, Any]:
    """Import the example of a family; PluginError where it is not there."""
    name, _, attribute = family.example.partition(":")
    found = guarded(lambda: getattr(importlib.import_module(name), attribute))
    if isinstance(found, Failure):
        raise PluginError(f"example {family.example!r} of architecture {family.name!r} cannot be imported: {found}")
    example: Mapping[str, Any] = found.value
    return example


def _all(registry: Registry) -> Iterator[Support]:
    decompositions = registry.declarations("decompositions")
    for family in registry.declarations("architectures"):
        if not family.example:
            continue
        described = guarded(partial(_described, family))
        for decomposition in decompositions:
            reason = _verdict(decomposition, described)
            yield Support(family=family.name, decomposition=decomposition.name, reason=reason)


def _verdict(decomposition: DecompositionDeclaration, described: Success[Architecture] | Failure) -> str | None:
    if not decomposition.described:
        return None
    return _reason(described) if isinstance(described, Failure) else works_with(decomposition, described.value)


def _described(family: ArchitectureDeclaration) -> Architecture:
    architecture: Architecture = implementation(family)(example_of(family))
    return architecture


def _reason(failure: Failure) -> str:
    return str(failure.error) if isinstance(failure.error, ProsectError) else str(failure)
