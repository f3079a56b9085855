"""Test kits for plugin authors: subclass one, set its attribute, get the suite. They need pytest."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from prosect.testing.accumulators import AccumulatorTests
    from prosect.testing.architectures import ArchitectureTests
    from prosect.testing.corpora import CorpusExample, CorpusTests
    from prosect.testing.decompositions import DecompositionTests
    from prosect.testing.maps import MapMetricTests
    from prosect.testing.metrics import MetricTests
    from prosect.testing.plugins import PluginTests

__all__ = [
    "AccumulatorTests",
    "ArchitectureTests",
    "CorpusExample",
    "CorpusTests",
    "DecompositionTests",
    "MapMetricTests",
    "MetricTests",
    "PluginTests",
]

# Loaded when asked for, because most of them import torch.
_HOMES = {
    "AccumulatorTests": "prosect.testing.accumulators",
    "ArchitectureTests": "prosect.testing.architectures",
    "CorpusExample": "prosect.testing.corpora",
    "CorpusTests": "prosect.testing.corpora",
    "DecompositionTests": "prosect.testing.decompositions",
    "MapMetricTests": "prosect.testing.maps",
    "MetricTests": "prosect.testing.metrics",
    "PluginTests": "prosect.testing.plugins",
}

# So that a failing kit shows the values it compared.
pytest.register_assert_rewrite(*_HOMES.values())


def __getattr__(name: str) -> Any:  # noqa: ANN401 - one of the kits
    """Import a kit when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'prosect.testing' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """List the kits."""
    return sorted(__all__)
