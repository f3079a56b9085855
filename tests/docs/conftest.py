"""A folder like a clone in which the README's first command has been run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from prosect.cli import main
from support.pages import ROOT

FILES = Path(__file__).parent / "files"


@pytest.fixture(scope="session")
def clone(tmp_path_factory) -> Path:
    """The specs, the files that examples speak of, and the results of the main job."""
    folder = tmp_path_factory.mktemp("clone")
    shutil.copytree(ROOT / "specs", folder / "specs")
    shutil.copytree(FILES, folder / "specs", dirs_exist_ok=True)
    assert main(["run", str(folder / "specs" / "quickstart.yaml"), "--quiet"]) == 0
    return folder


@pytest.fixture
def inside(clone, monkeypatch) -> Path:
    """Stand in that folder."""
    monkeypatch.chdir(clone)
    return clone
