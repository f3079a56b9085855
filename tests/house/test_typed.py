"""What a user writes against the public functions passes the user's type checker."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.pages import ROOT

pytestmark = pytest.mark.slow

SCRIPT = """
from pathlib import Path

import prosect
import xarray as xr
from prosect.errors import SpecError
from prosect.spec.models import AnalysisSpec, CorpusSpec, ModelSpec, Named, Spec
from torch import nn

spec = Spec(
    prosect=1,
    models={"m": ModelSpec(load="owner/name", dtype="float64", matrix={"revision": ["main", "v1"]})},
    corpora={"c": CorpusSpec(kind="inline", sentences=["The gate was open."], limit=1)},
    analyses={"a": AnalysisSpec(corpus="c", decomposition=Named(name="sum_of_factors", by="head"), metrics=["norm"])},
)


def use(module: nn.Module) -> xr.Dataset:
    try:
        tree: xr.DataTree = prosect.run(spec, out=Path("o.zarr"), models={"m": (module, None)}, quiet=True)
    except SpecError as error:
        print([(problem.path, problem.line) for problem in error.problems])
    tree = prosect.open("o.zarr")
    print([(step.node, step.state, step.cost.bytes) for step in prosect.plan(spec).steps], list(tree.children))
    return prosect.decompose(module, None, [[1, 2]], layers=[0, -1], metrics=["norm", {"name": "cosine"}], by="head")
"""
WRONG = "\nprosect.open(3)\nprosect.plan(spec).stepz\nuse('x')\nAnalysisSpec(corpus=3, decomposition='none')\n"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of both scripts, whose cache spares the second check most of its work."""
    return tmp_path_factory.mktemp("user")


def checked(folder: Path, text: str) -> tuple[int, str]:
    (folder / "user.py").write_text(text, encoding="utf-8")
    command = [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", "--config-file=", "user.py"]
    paths = {"MYPYPATH": os.pathsep.join(str(ROOT / name) for name in ("framework", "plugins"))}
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, env=os.environ | paths, timeout=500
    )
    return done.returncode, done.stdout


def test_a_script_that_is_right_is_right_to_mypy(folder):
    assert checked(folder, SCRIPT) == (0, "Success: no issues found in 1 source file\n")


def test_a_script_that_is_wrong_is_wrong_to_mypy(folder):
    code, out = checked(folder, SCRIPT + WRONG)
    assert code == 1
    lines = SCRIPT.count("\n") + 1
    assert {int(line.split(":")[1]) - lines for line in out.splitlines() if ": error:" in line} == {1, 2, 3, 4}
