"""What is built holds both packages, and works where the sources are not."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from support.pages import ROOT

pytestmark = pytest.mark.slow

SOURCES = ("framework", "plugins", "pyproject.toml", "README.md", "LICENSE")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    command = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", str(folder / "dist"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (built,) = (folder / "dist").glob("*.whl")
    return built


def test_a_wheel_holds_both_packages_their_type_marks_and_the_licence(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for package in ("prosect", "prosect_plugins"):
        assert {f"{package}/__init__.py", f"{package}/py.typed"} <= {*names}
    assert any(name.endswith("licenses/LICENSE") for name in names)
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {"prosect", "prosect_plugins"}


def test_every_module_of_the_sources_is_in_the_wheel(wheel):
    names = {*zipfile.ZipFile(wheel).namelist()}
    for folder in ("framework", "plugins"):
        modules = {str(path.relative_to(ROOT / folder)) for path in (ROOT / folder).rglob("*.py")}
        assert modules <= names


def test_what_is_installed_from_the_wheel_answers_and_finds_its_plugins(wheel, tmp_path):
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    program = "import sys; from prosect.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", program, "plugins", "decompositions", "--json"]
    paths = {"PYTHONPATH": str(tmp_path / "site"), "PATH": ""}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=paths)
    assert done.returncode == 0, done.stderr
    assert "sum_of_factors" in done.stdout
