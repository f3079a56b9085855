"""Checkpoints as members of a matrix: their training steps, their results as one dataset, identical ones noticed."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import xarray as xr

import prosect
from prosect.errors import UsageError
from prosect.planning.build import make_plan
from prosect.planning.twins import identical_weights
from support.models import DATA

MARIAN = DATA / "mickus" / "marian"


@pytest.fixture
def checkpoints(tmp_path):
    """Three checkpoints; the second is a copy of the first."""
    from safetensors.numpy import load_file, save_file

    paths = [tmp_path / "run" / name for name in ("step1000", "step2000", "step10000")]
    for path in paths:
        shutil.copytree(MARIAN, path)
    weights = load_file(MARIAN / "model.safetensors")
    save_file({name: value * 1.01 for name, value in weights.items()}, paths[2] / "model.safetensors", {"format": "pt"})
    return paths


@pytest.fixture
def source(spec, checkpoints):
    # out of order on purpose
    loads = [str(checkpoints[place]) for place in (2, 0, 1)]
    return {
        **spec("marian", number=5, metrics=["importance"]),
        "models": {"nmt": {"matrix": {"load": loads}}},
        "derived": {"curve": {"name": "correlation", "of": "nmt/a/decoder", "against": "importance"}},
    }


def test_a_sweep_is_one_dataset_ordered_by_training_step(source, carry_out):
    found = prosect.stack(carry_out({**source, "derived": {}}).store, "nmt/a/decoder")
    assert found.importance.dims == ("model", "layer", "component", "token")
    assert found.step.values.tolist() == [1000, 2000, 10000]
    assert found.step.dims == ("model",)
    assert set(found.run.values.tolist()) == {"nmt"}
    assert [str(value).rpartition("/")[2] for value in found["load"].values] == ["step1000", "step2000", "step10000"]
    assert found.sentence.dims == ("token",)
    same = found.importance.isel(model=0), found.importance.isel(model=1)
    np.testing.assert_array_equal(*same)


def test_derived_metrics_read_members_in_the_order_of_the_spec(source, carry_out):
    summary = carry_out({**source, "derived": {"x": {"name": "correlation", "of": ["nmt/a/decoder", "nmt/a/decoder"]}}})
    with prosect.open(summary.store) as tree:
        assert tree["derived/x"].step.values.tolist() == [10000, 1000, 2000]


def test_identical_weights_under_two_names_are_said_and_recorded(source, carry_out):
    summary = carry_out({**source, "derived": {}})
    (line,) = [line for line in carry_out.log.getvalue().splitlines() if "are identical" in line]
    names = prosect.open(summary.store).attrs["identical_weights"]
    assert len(names) == 1
    assert [name.rpartition("-")[2] for name in names[0]] == ["step1000", "step2000"]
    assert all(name in line for name in names[0])


def test_the_same_place_twice_is_meant(source, tmp_path):
    models = {"m": {"load": str(MARIAN), "matrix": {"dtype": ["float32", "float64"]}}}
    assert identical_weights(make_plan({**source, "models": models, "derived": {}}, out=tmp_path / "x").steps) == ()


class TestStack:
    """What can be stacked, and what is said where it cannot."""

    def tree(self, **nodes: xr.Dataset) -> xr.DataTree:
        return xr.DataTree.from_dict({name.replace("__", "/"): found for name, found in nodes.items()})

    def one(self, name: str, step: int | None = None, **changes) -> xr.Dataset:
        matrix = {} if step is None else {"revision": f"step{step}"}
        data = xr.Dataset({"norm": ("token", np.arange(3.0))}, {"sentence": ("token", [0, 0, 1])})
        return data.assign(changes).assign_attrs(model=name, matrix=matrix)

    def test_a_pattern_fits_models_that_are_no_members(self):
        found = prosect.stack(self.tree(a__x=self.one("a"), b__x=self.one("b"), b__y=self.one("b")), "*/x")
        assert found.model.values.tolist() == ["a", "b"]
        assert "step" not in found.coords

    def test_steps_that_only_some_state_are_numbers_with_gaps(self):
        found = prosect.stack(self.tree(a__x=self.one("a"), b__x=self.one("b", 7)), "*/x")
        np.testing.assert_array_equal(found.step, [np.nan, 7])

    def test_names_may_state_the_step(self):
        found = prosect.stack(self.tree(ck200__x=self.one("checkpoint-200"), ck3__x=self.one("checkpoint-3")), "*/x")
        assert found.step.values.tolist() == [3, 200]

    @pytest.mark.parametrize(
        ("other", "says"),
        [
            ({"cosine": ("token", np.zeros(3))}, "a and b have different variables"),
            ({"sentence": ("token", [0, 1, 1])}, "differ in 'sentence' on the axis token.*'summary'"),
        ],
    )
    def test_what_does_not_fit_is_said(self, other, says):
        with pytest.raises(UsageError, match=says):
            prosect.stack(self.tree(a__x=self.one("a"), b__x=self.one("b", **other)), "*/x")

    def test_axes_of_other_lengths_do_not_fit(self):
        short = self.one("b").drop_vars("sentence").isel(token=slice(2))
        with pytest.raises(UsageError, match="axes of different lengths"):
            prosect.stack(self.tree(a__x=self.one("a").drop_vars("sentence"), b__x=short), "*/x")

    def test_a_reference_that_fits_nothing_names_what_there_is(self):
        with pytest.raises(UsageError, match=r"no node fits 'a/z'; there are a/x"):
            prosect.stack(self.tree(a__x=self.one("a")), "a/z")
