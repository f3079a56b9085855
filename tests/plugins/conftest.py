"""Distributions made by hand: a dist-info folder and modules, on a path that importlib.metadata searches."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

import pytest


@dataclass(frozen=True)
class Installer:
    """Installs distributions into a temporary folder that stands on ``sys.path``."""

    folder: Path

    def __call__(
        self,
        name: str,
        modules: Mapping[str, str],
        entry_points: Mapping[str, str] | None = None,
        version: str = "1.0",
    ) -> None:
        """Write modules (name -> source); by default every module is an entry point under its own name."""
        for module, source in modules.items():
            (self.folder / f"{module}.py").write_text(dedent(source), encoding="utf-8")
        entries = {module: module for module in modules} if entry_points is None else entry_points
        info = self.folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
        lines = ["[prosect.plugins]", *(f"{entry} = {value}" for entry, value in entries.items())]
        (info / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Install a distribution for one test; its modules are forgotten afterwards."""
    before = set(sys.modules)
    folder = tmp_path / "site"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)
    yield Installer(folder)
    for name in set(sys.modules) - before:
        if (getattr(sys.modules[name], "__file__", None) or "").startswith(str(folder)):
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
