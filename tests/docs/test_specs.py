"""Every file under specs/ is planned, and the small ones are run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xarray as xr

import prosect
from prosect.cli import main
from support.pages import ROOT, blocks

SPECS = sorted(path for path in (ROOT / "specs").glob("**/*.yaml") if path.parent.name != "papers")


@pytest.mark.parametrize("path", SPECS, ids=lambda path: path.name)
def test_a_spec_is_planned_with_every_size_known(path):
    plan = prosect.plan(path, out="nowhere.zarr")
    assert plan.steps
    assert all(step.cost.tokens and step.cost.bytes and step.state == "new" for step in plan.steps)


def _run(path: Path) -> Any:
    return pytest.param(path, marks=[pytest.mark.slow] if path.parent.name == "small" else [], id=path.name)


@pytest.mark.parametrize("path", [_run(path) for path in SPECS if path.name != "quickstart.yaml"])
def test_a_small_spec_is_run(path, tmp_path):
    tree = prosect.run(path, tmp_path / "store.zarr", quiet=True)
    steps = prosect.plan(path, tmp_path / "store.zarr").steps
    assert {step.state for step in steps} == {"done"}
    for step in steps:
        inner = tree[step.node]
        node = (inner["decoder"] if "decoder" in inner.children else inner).ds
        assert node.attrs["closure_max"] < 5e-6
        declared = (metric.declaration.variables(metric.options) for metric in step.metrics)
        assert set(node.data_vars) >= {variable.name for found in declared for variable in found}
    assert [node.name for node in _derived(tree) if not _says_something(node.ds)] == []


def _derived(tree: Any) -> list[Any]:
    return list(tree["derived"].children.values()) if "derived" in tree.children else []


def _says_something(dataset: xr.Dataset) -> bool:
    """Is there a number in what a derived result is named for? A twin too small for its measure holds NaN alone."""
    measured = dataset.get(dataset.attrs["derived"]["name"])
    return measured is None or measured.dtype.kind not in "fiu" or bool(np.isfinite(measured).any())


def test_the_quickstart_says_how_the_layers_are_made(clone):
    """What the README shows rests on these: shares that sum to 1, and input that gives way to the rest."""
    importance = prosect.open(clone / "results" / "quickstart.zarr")["minilm/factors"].ds.importance
    means = importance.mean("token")
    assert importance.sizes == {"layer": 7, "component": 4, "token": 5208}
    assert abs(importance.sum("component") - 1).max() < 1e-5
    assert (means.sel(component="input").diff("layer") < 0).all()


def test_the_quickstart_is_finished_and_done(clone, capsys):
    assert main(["plan", str(clone / "specs" / "quickstart.yaml")]) == 0
    assert "done" in capsys.readouterr().out


def test_the_spec_in_the_readme_is_the_file_it_names():
    shown = [block.text for block in blocks(ROOT / "README.md") if block.language == "yaml"]
    assert shown == [(ROOT / "specs" / "untrained.yaml").read_text("utf-8")]


def test_sentences_of_the_quickstart_are_varied():
    lines = (ROOT / "specs" / "data" / "quickstart.txt").read_text("utf-8").splitlines()
    lengths = [len(line.split()) for line in lines]
    assert len(set(lines)) == len(lines) == 329
    assert (min(lengths), max(lengths)) == (4, 34)
    assert sum(line.endswith("?") for line in lines) > 30
