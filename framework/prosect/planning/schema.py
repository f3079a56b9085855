"""JSON Schema of a spec with the options of every plugin that is installed."""

from __future__ import annotations

from pydantic import BaseModel

from prosect.plugins.registry import Registry
from prosect.spec.schema import JsonSchema, spec_schema


def installed_schema(registry: Registry) -> JsonSchema:
    """Build the schema of a spec file (draft 2020-12)."""
    metrics = {name: registry.find("metrics", name) for name in registry.names("metrics")}
    return spec_schema(
        decompositions=_options(registry, "decompositions"),
        metrics={name: found.options for name, found in metrics.items() if found.form != "derived"},
        derived={name: found.options for name, found in metrics.items() if found.form == "derived"},
        corpora=_options(registry, "corpora"),
    )


def _options(registry: Registry, kind: str) -> dict[str, type[BaseModel]]:
    return {name: registry.find(kind, name).options for name in registry.names(kind)}
