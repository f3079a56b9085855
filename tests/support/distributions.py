"""Distributions made by hand: a dist-info folder and modules, on a path that importlib.metadata searches."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent

from support.pages import ROOT

EXAMPLE = ROOT / "examples" / "prosect-example"


@dataclass(frozen=True)
class Installer:
    """Installs distributions into a folder that stands on ``sys.path``."""

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
        self._write_metadata(name, version, entries)

    def project(self, root: Path) -> Path:
        """Install a project as an editable installation does; returns the folder of its packages."""
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        self._write_metadata(project["name"], project["version"], project["entry-points"]["prosect.plugins"])
        return root / "src"

    def _write_metadata(self, name: str, version: str, entries: Mapping[str, str]) -> None:
        info = self.folder / f"{name.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", encoding="utf-8")
        lines = ["[prosect.plugins]", *(f"{entry} = {value}" for entry, value in entries.items())]
        (info / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
