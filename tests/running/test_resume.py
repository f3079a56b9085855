"""Continuing, extending, refusing and replacing."""

import copy

import numpy as np
import pytest
import torch
import xarray as xr

import prosect
from prosect.errors import ClosureError, StoreError
from prosect.model import forward
from prosect.planning.build import make_plan
from prosect.running import compute


@pytest.fixture
def passes(monkeypatch):
    """Count forward passes."""
    calls = []
    real = forward.forward

    def counted(model, feed, **keywords):
        calls.append(tuple(feed.source["input_ids"].shape))
        return real(model, feed, **keywords)

    monkeypatch.setattr(compute, "forward", counted)
    return calls


def load(path) -> dict[str, xr.Dataset]:
    tree = prosect.open(path)
    return {node.path: node.to_dataset().load() for node in tree.subtree if node.has_data}


def assert_same_bits(one, other):
    assert one.keys() == other.keys()
    for path, dataset in one.items():
        for name, variable in dataset.variables.items():
            twin = other[path].variables[name]
            assert variable.dtype == twin.dtype
            if variable.dtype.kind == "f":
                bits = f"u{variable.dtype.itemsize}"
                np.testing.assert_array_equal(variable.values.view(bits), twin.values.view(bits))
            else:
                np.testing.assert_array_equal(variable.values, twin.values)


def test_what_is_finished_is_not_computed_again(spec, carry_out, passes):
    first = carry_out(spec())
    before = len(passes)
    again = carry_out(spec())
    assert (first.computed, again.computed, again.untouched) == (("m/a",), (), ("m/a",))
    assert len(passes) == before > 0


def test_two_analyses_share_their_forward_passes(spec, carry_out, passes, tmp_path):
    carry_out(spec())
    alone = len(passes)
    passes.clear()
    source = spec()
    source["analyses"]["b"] = {
        "corpus": "c",
        "decomposition": {"name": "sum_of_factors", "by": "head"},
        "metrics": ["norm"],
    }
    source["analyses"]["d"] = {"corpus": "c", "decomposition": "none"}
    carry_out(source, tmp_path / "three.zarr")
    assert len(passes) - 1 <= alone + 1
    assert set(load(tmp_path / "three.zarr")) == {"/m/a", "/m/b", "/m/d"}


def test_a_new_step_extends_the_store_and_leaves_the_old_ones_alone(spec, carry_out):
    store = carry_out(spec()).store
    before = load(store)
    source = spec()
    source["analyses"]["b"] = {"corpus": "c", "decomposition": "none"}
    summary = carry_out(source)
    assert summary.computed == ("m/b",)
    after = load(store)
    assert set(after) == {"/m/a", "/m/b"}
    assert_same_bits(before, {"/m/a": after["/m/a"]})


def test_a_changed_step_is_refused_by_name_and_nothing_is_touched(spec, carry_out):
    store = carry_out(spec()).store
    before = load(store)
    changed = spec(layers=[1])
    with pytest.raises(StoreError, match=r"m/a.*layers.*--replace m/a"):
        carry_out(changed)
    assert_same_bits(before, load(store))
    summary = carry_out(changed, replace=["m/a"])
    assert summary.computed == ("m/a",)
    assert list(load(store)["/m/a"]["layer"].values) == [1]


def test_batch_size_device_and_comments_do_not_make_another_step(spec, carry_out, passes):
    carry_out(spec())
    before = len(passes)
    source = spec()
    source["compute"] = {"batch_tokens": 33, "unit_tokens": 77}
    assert carry_out(source).computed == ()
    assert len(passes) == before


@pytest.mark.parametrize("family", ["bert", pytest.param("marian", marks=pytest.mark.slow)])
def test_a_run_that_failed_in_the_middle_continues_and_gives_the_same_bits(
    spec, carry_out, monkeypatch, tmp_path, family
):
    source = spec(family, number=60)
    whole = carry_out(source, tmp_path / "whole.zarr")
    real, calls = compute.UnitComputer.compute, []

    def failing(self, *arguments):
        calls.append(arguments)
        if len(calls) == 4:
            raise ClosureError("made to fail")
        return real(self, *arguments)

    monkeypatch.setattr(compute.UnitComputer, "compute", failing)
    with pytest.raises(ClosureError):
        carry_out(source, tmp_path / "broken.zarr")
    failed_at = len(calls)
    plan = make_plan(source, out=tmp_path / "broken.zarr")
    assert plan.steps[0].state == "continue"
    assert "3 of" in plan.steps[0].why
    # the batches of the first start are kept, whatever the spec says now
    changed = copy.deepcopy(source)
    changed["compute"]["batch_tokens"] = 17
    carry_out(changed, tmp_path / "broken.zarr")
    streams = [dataset for dataset in load(whole.store).values() if "token" in dataset.sizes]
    total = sum(len(range(0, dataset.sizes["token"], 40)) for dataset in streams)
    assert len(calls) - failed_at == total - 3
    assert_same_bits(load(whole.store), load(tmp_path / "broken.zarr"))


def test_a_batch_that_does_not_fit_is_halved_and_the_unit_is_marked(spec, carry_out, monkeypatch, tmp_path):
    source = spec()
    whole = load(carry_out(source, tmp_path / "whole.zarr").store)
    real = forward.forward

    def small(model, feed, **keywords):
        if len(feed.source["input_ids"]) > 2:
            raise torch.OutOfMemoryError("made to fail")
        return real(model, feed, **keywords)

    monkeypatch.setattr(compute, "forward", small)
    halved = load(carry_out(source, tmp_path / "halved.zarr").store)
    assert halved["/m/a"].attrs["units_halved"] > 0 == whole["/m/a"].attrs["units_halved"]
    np.testing.assert_allclose(halved["/m/a"]["norm"], whole["/m/a"]["norm"], rtol=1e-4)


def test_results_do_not_depend_on_units_and_batches_beyond_rounding(spec, carry_out, tmp_path):
    source = spec(model={"dtype": "float64"})
    one = load(carry_out(source, tmp_path / "one.zarr").store)["/m/a"]
    source["compute"] = {"unit_tokens": 13, "batch_tokens": 12}
    other = load(carry_out(source, tmp_path / "other.zarr").store)["/m/a"]
    for name in one.data_vars:
        np.testing.assert_allclose(one[name], other[name], rtol=1e-9, atol=1e-12)
