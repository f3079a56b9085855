"""The example distribution, which lives outside our packages, works as any third party's would."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

import prosect
from prosect.errors import PluginError, SpecError
from prosect.plugins.registry import load_registry
from support.distributions import EXAMPLE, Installer

NAMES = {
    "decompositions": "halves",
    "metrics": "largest_coordinate",
    "architectures": "ernie",
    "corpora": "csv",
}


@pytest.fixture
def example(install: Installer, monkeypatch) -> Installer:
    """Install the example, and whatever a test puts beside it."""
    monkeypatch.syspath_prepend(install.project(EXAMPLE))
    return install


def test_it_supplies_a_plugin_of_every_kind(example):
    registry = load_registry()
    for kind, name in NAMES.items():
        assert str(registry.origin(registry.find(kind, name))) == "prosect-example 1.0 (example)"
    assert registry.architecture_for("ernie") is registry.find("architectures", "ernie")
    assert registry.broken == registry.conflicts == ()


def test_it_is_not_there_where_it_is_not_installed():
    registry = load_registry()
    assert not any(name in registry.names(kind) for kind, name in NAMES.items())


def test_its_spec_runs(example, tmp_path):
    node = prosect.run(EXAMPLE / "example.yaml", tmp_path / "store.zarr", quiet=True)["small/halves"].ds
    assert node.component.values.tolist() == ["input", "lower", "upper", "bias"]
    assert [set(node.author.values[node.sentence == number]) for number in range(3)] == [{"Ada"}, {"Bo"}, {"Ada"}]
    assert node.attrs["closure_max"] < 5e-6
    assert (node.largest_coordinate.sel(component="upper", layer=1) == 0).all()
    assert (node.largest_coordinate.sel(component="upper", layer=2) > 0).all()
    assert node.largest_coordinate.attrs["units"] == "embedding units"
    assert abs(node.importance.sum("component") - 1).max() < 1e-5


def test_a_broken_plugin_beside_it_stops_nothing_that_does_not_name_it(example, tmp_path):
    example("broken", {"broken_plugin": "raise RuntimeError('no licence')"})
    prosect.run(EXAMPLE / "example.yaml", tmp_path / "store.zarr", quiet=True)
    (fault,) = load_registry().broken
    assert "no licence" in fault.reason


def test_a_spec_that_names_a_broken_plugin_is_told_why(example, source, tmp_path):
    example("broken", {"broken_plugin": source["metric"]("loudness").replace("A metric.", " ")})
    override = ["analyses.halves.metrics=[loudness]"]
    with pytest.raises(SpecError, match=r"'loudness' of broken 1\.0 \(broken_plugin\) is broken: .*summary is empty"):
        prosect.plan(EXAMPLE / "example.yaml", tmp_path / "store.zarr", overrides=override)


def test_another_distribution_may_claim_its_name_and_a_spec_then_chooses(example, source, tmp_path):
    example("rival", {"rival_plugin": source["metric"]("largest_coordinate")})
    choice = "write 'prosect-example:largest_coordinate' or 'rival:largest_coordinate'"
    with pytest.raises(PluginError, match=choice):
        load_registry().find("metrics", "largest_coordinate")
    with pytest.raises(SpecError, match=choice):
        prosect.plan(EXAMPLE / "example.yaml", tmp_path / "store.zarr")
    chosen = ['analyses.halves.metrics=["prosect-example:largest_coordinate"]']
    (step,) = prosect.plan(EXAMPLE / "example.yaml", tmp_path / "store.zarr", overrides=chosen).steps
    assert [metric.declaration.implementation for metric in step.metrics] == [
        "prosect_example.largest:largest_coordinate"
    ]


@pytest.mark.slow
def test_its_own_tests_pass_in_an_interpreter_of_their_own(install):
    paths = [str(install.folder), str(install.project(EXAMPLE))]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([*paths, *sys.path]), "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "tests"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=EXAMPLE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout
