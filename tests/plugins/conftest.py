"""Distributions that are installed for one test, and sources of plugin modules."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from support.distributions import EXAMPLE, Installer


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Installer]:
    """Install distributions for one test; their modules are forgotten afterwards."""
    before = set(sys.modules)
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    yield Installer(folder)
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith((str(folder), str(EXAMPLE))):
            del sys.modules[name]


def metric(name: str, module: str = "nowhere") -> str:
    """Source of a plugin module with one metric."""
    return f"""
        from prosect.api import MetricDeclaration, Variable, hookimpl

        @hookimpl
        def prosect_metrics():
            variable = Variable(name="{name}", dims=("component", "token"), long_name="a metric")
            return [
                MetricDeclaration(
                    name="{name}", summary="A metric.", implementation="{module}:measure", produces=(variable,)
                )
            ]
    """


def architecture(name: str, model_type: str) -> str:
    """Source of a plugin module with one architecture."""
    return f"""
        from prosect.api import ArchitectureDeclaration, hookimpl

        @hookimpl
        def prosect_architectures():
            return [
                ArchitectureDeclaration(
                    name="{name}", summary="A family.", implementation="a:b", model_types=("{model_type}",)
                )
            ]
    """


@pytest.fixture
def source() -> Mapping[str, Callable[..., str]]:
    """Sources of plugin modules by kind."""
    return {"metric": metric, "architecture": architecture}
