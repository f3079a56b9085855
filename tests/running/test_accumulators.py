"""Measures accumulated over a corpus: what they count, and that a run continued gives the same bits."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import prosect
from prosect.errors import SpecError, StoreError, UsageError
from prosect.measures.accumulator import Setting
from prosect.measures.gathering import Accumulation
from prosect.model.tokens import TokenStream
from prosect.planning.build import make_plan
from prosect.running import compute, keeping
from prosect.store import running_state
from prosect.store.store import Store
from prosect.vocab.components import TOTAL, Component
from support.models import random_module

METRICS = ["norm", "dispersion"]
CPU = torch.device("cpu")


def source_stream(rows) -> TokenStream:
    ids = np.concatenate([np.array(row, dtype=np.int32) for row in rows])
    offsets = np.cumsum([0, *map(len, rows)])
    position = np.concatenate([np.arange(len(row)) for row in rows])
    return TokenStream(
        ids=ids, offsets=offsets, coordinates={"special": ids < 0, "position": position, "token_id": ids}
    )


def bits(store) -> dict[str, bytes]:
    found = {}
    for node in prosect.open(store).subtree:
        for name, variable in node.to_dataset().data_vars.items():
            found[f"{node.path}/{name}"] = variable.values.tobytes()
    return found


def states(store) -> list:
    return list((store / ".prosect").rglob("*.npz"))


def assert_accumulated(node) -> None:
    norm = node.norm.load().astype(np.float64)
    # Terms that are 0 everywhere have no dispersion; the rest is what the stored norms say.
    np.testing.assert_allclose(node.dispersion, norm.std("token") / norm.mean("token"), rtol=1e-6)
    assert (node.dispersion_n_used == node.sizes["token"]).all()


def test_an_accumulator_is_stored_beside_token_metrics_with_its_attributes(spec, carry_out):
    store = carry_out(spec(metrics=METRICS)).store
    node = prosect.open(store)["m/a"].ds
    assert_accumulated(node)
    assert node.dispersion.dims == ("layer", "component")
    assert node.dispersion.dtype == np.float64
    assert node.dispersion_n_used.dtype == np.int64
    assert set(node.dispersion.attrs) >= {"long_name", "units", "reference", "options"}
    assert states(store) == []


def test_both_streams_of_an_encoder_decoder_accumulate(spec, carry_out):
    tree = prosect.open(carry_out(spec("marian", metrics=METRICS)).store)
    for stream in ("encoder", "decoder"):
        assert_accumulated(tree[f"m/a/{stream}"].ds)


def test_an_analysis_of_accumulators_alone_has_no_token_variables(spec, carry_out):
    node = prosect.open(carry_out(spec(metrics=["dispersion"])).store)["m/a"].ds
    assert set(node.data_vars) == {"dispersion", "dispersion_n_used"}


def test_groups_are_labelled_by_the_corpus(spec, carry_out):
    options = {"name": "dispersion", "group": "token_id", "selection": ["all", "no_first"]}
    node = prosect.open(carry_out(spec(metrics=["norm", options])).store)["m/a"].ds
    assert node.dispersion.dims == ("layer", "selection", "group", "component")
    assert node.group.values.tolist() == sorted(set(node.token_id.values.tolist()))
    number = int(node.group[5])
    own = node.norm.load().astype(float)[..., (node.token_id.values == number) & (node.position.values > 0)]
    found = node.dispersion.sel(selection="no_first", group=number)
    np.testing.assert_allclose(found, own.std("token") / own.mean("token"), rtol=1e-6)


def test_padded_terms_of_whole_sentences_count_only_real_and_own_tokens(spec, carry_out):
    decomposition = {"name": "token_wise", "group": "stream"}
    node = prosect.open(carry_out(spec(decomposition=decomposition, metrics=METRICS)).store)["m/a"].ds
    assert_accumulated(node)


def test_two_accumulators_that_mean_different_things_by_a_dimension_are_refused(spec, carry_out):
    first = {"name": "dispersion", "group": "special"}
    (step,) = make_plan(spec(metrics=[first])).steps
    other = make_plan(spec(metrics=[{**first, "group": "position"}])).steps[0]
    stream = source_stream([[1, 2], [3]])
    setting = Setting(components=(TOTAL,), hidden=4, layers=(0,), stream=stream, device=CPU, dtype=torch.float32)
    accumulation = Accumulation.load([*step.metrics, *other.metrics], setting)
    with pytest.raises(UsageError, match="different things by the dimension 'group'"):
        accumulation.axes()


def test_terms_by_token_are_not_accumulated_one_by_one(spec):
    with pytest.raises(SpecError, match=r"'dispersion' is accumulated term by term.*component: total"):
        make_plan(spec(decomposition="token_wise", metrics=["dispersion"]))


def test_a_plan_says_how_large_the_running_state_is(spec):
    (step,) = make_plan(spec(metrics=METRICS)).steps
    assert step.cost.state == 4 * 8 * (1 + 2 * 4)
    (step,) = make_plan(spec(metrics=["norm"])).steps
    assert step.cost.state == 0


@pytest.mark.parametrize("family", ["bert", pytest.param("marian", marks=pytest.mark.slow)])
@pytest.mark.parametrize("slow", [False, True], ids=["saved at every unit", "saved at the end"])
def test_a_run_that_failed_in_the_middle_continues_and_gives_the_same_bits(
    spec, carry_out, monkeypatch, tmp_path, family, slow
):
    source = spec(family, number=60, metrics=METRICS)
    if slow:
        monkeypatch.setattr(keeping, "PATIENCE", 1e9)
    whole = bits(carry_out(source, tmp_path / "whole.zarr").store)
    real, calls = compute.UnitComputer.compute, []

    def failing(self, *arguments):
        calls.append(arguments)
        if len(calls) == 4:
            raise MemoryError("made to fail")
        return real(self, *arguments)

    monkeypatch.setattr(compute.UnitComputer, "compute", failing)
    with pytest.raises(MemoryError):
        carry_out(source, tmp_path / "broken.zarr")
    assert len(states(tmp_path / "broken.zarr")) == 1
    assert "3 of" in make_plan(source, out=tmp_path / "broken.zarr").steps[0].why
    carry_out(source, tmp_path / "broken.zarr")
    assert bits(tmp_path / "broken.zarr") == whole


@pytest.mark.slow
@pytest.mark.parametrize("method", ["write_data", "save_state", "note_unit", "write_whole", "finish"])
@pytest.mark.parametrize("after", [True, False], ids=["after", "before"])
def test_it_may_end_before_or_after_any_step_of_writing(spec, carry_out, monkeypatch, tmp_path, method, after):
    monkeypatch.setattr(keeping, "PATIENCE", 0)
    source = spec(number=60, metrics=METRICS)
    whole = bits(carry_out(source, tmp_path / "whole.zarr").store)
    real, calls = getattr(Store, method), []

    def failing(self, *arguments):
        calls.append(method)
        # From then on nothing is written any more, as when the process is gone.
        if len(calls) >= (4 if method not in ("write_whole", "finish") else 1):
            if after:
                real(self, *arguments)
            raise KeyboardInterrupt
        return real(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Store, method, failing)
        with pytest.raises(KeyboardInterrupt):
            carry_out(source, tmp_path / "broken.zarr")
    carry_out(source, tmp_path / "broken.zarr")
    assert bits(tmp_path / "broken.zarr") == whole
    assert states(tmp_path / "broken.zarr") == []


def test_a_batch_that_does_not_fit_is_counted_once(spec, carry_out, monkeypatch, tmp_path):
    """Half of its layers may have been counted when memory ran out."""
    source = spec(metrics=METRICS)
    real, calls = compute.Collector.take, []

    def full(self, layer, terms, state):
        real(self, layer, terms, state)
        calls.append(layer)
        if len(calls) in (3, 20) and terms.sum().shape[0] > 1:
            raise torch.OutOfMemoryError("made to fail")

    monkeypatch.setattr(compute.Collector, "take", full)
    node = prosect.open(carry_out(source, tmp_path / "halved.zarr").store)["m/a"].ds
    assert node.attrs["units_halved"] == 2
    assert_accumulated(node)


def test_decompose_accumulates_without_a_store():
    rows = [[5, 6, 7, 8], [9, 10], [11, 12, 13]]
    assert_accumulated(prosect.decompose(random_module("bert"), None, rows, metrics=METRICS))


def test_what_other_workers_have_saved_is_merged_in_the_order_of_their_units(tmp_path):
    def saved(*numbers):
        return running_state.SavedState(frozenset(numbers), {"x": np.array(numbers)})

    for worker, units in (("b", (0, 3)), ("c", (1, 2)), ("a", (4,))):
        running_state.save(tmp_path, "m/a", "main", saved(*units), worker)
    found = running_state.load(tmp_path, "m/a", "main")
    assert [sorted(state.units) for state in found] == [[0, 3], [1, 2], [4]]
    # One process has taken them over: what it covers does not count twice.
    running_state.save(tmp_path, "m/a", "main", saved(0, 1, 2, 3))
    found = running_state.load(tmp_path, "m/a", "main")
    assert [sorted(state.units) for state in found] == [[0, 1, 2, 3], [4]]


def test_a_damaged_state_is_named(tmp_path):
    running_state.save(tmp_path, "m/a", "main", running_state.SavedState(frozenset({1}), {"x": np.zeros(300)}))
    (file,) = states(tmp_path)
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(StoreError, match=r"0\.npz: is damaged.*--replace"):
        running_state.load(tmp_path, "m/a", "main")


GEOMETRY = [
    {"name": "anisotropy", "component": "all", "selection": ["all", "no_first"]},
    {"name": "participation_ratio", "component": "all", "selection": ["all", "no_first"]},
    {"name": "anisotropy_split", "selection": ["all", "no_first"]},
    {"name": "intrinsic_dimension", "component": "total", "sample": 40},
    {"name": "neighbourhood_overlap", "component": "total", "sample": 40, "neighbours": 5},
    {"name": "self_similarity", "contexts": 3},
    "linear_map_r2",
]


def test_measures_that_agree_share_one_covariance_and_one_sample(spec):
    """Ten matrices between pairs of four components serve all sums of both measures and the split."""
    (step,) = make_plan(spec(metrics=GEOMETRY)).steps
    accumulation = Accumulation.load(
        step.metrics,
        Setting(
            components=tuple(Component(name, name) for name in ("input", "attention", "feed_forward", "bias")),
            hidden=4,
            layers=(0, 1),
            stream=source_stream([[1, 2], [3, 4, 5]] * 4),
            device=CPU,
            dtype=torch.float32,
        ),
    )
    shared = {key for _, key in accumulation.begin()._shared}
    assert sorted(key.split()[0] for key in shared) == ["covariance", "directions", "sample"]


@pytest.mark.slow
def test_a_whole_analysis_of_geometry_continues_to_the_same_bits(spec, carry_out, monkeypatch, tmp_path):
    source = spec(number=40, metrics=GEOMETRY)
    whole = carry_out(source, tmp_path / "whole.zarr").store
    node = prosect.open(whole)["m/a"].ds
    np.testing.assert_allclose(
        node.anisotropy_split.sum(("component", "other_component")), node.anisotropy.sel(subset="total"), rtol=1e-9
    )
    assert node.intrinsic_dimension.notnull().all()
    assert node.neighbourhood_overlap.isel(layer=slice(None, -1)).notnull().all()
    calls = []
    real = compute.UnitComputer.compute

    def failing(self, *arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise MemoryError("made to fail")
        return real(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(compute.UnitComputer, "compute", failing)
        with pytest.raises(MemoryError):
            carry_out(source, tmp_path / "broken.zarr")
    carry_out(source, tmp_path / "broken.zarr")
    assert bits(tmp_path / "broken.zarr") == bits(whole)


def test_the_size_of_the_state_that_the_plan_says_is_what_is_saved(spec, carry_out, monkeypatch, tmp_path):
    source = spec(number=40, metrics=[*GEOMETRY[:3], GEOMETRY[6]])
    (step,) = make_plan(source, out=tmp_path / "out.zarr").steps
    seen = []
    real = Store.save_state

    def watched(self, layout, saved):
        seen.append(sum(array.nbytes for array in saved.arrays.values()))
        real(self, layout, saved)

    monkeypatch.setattr(Store, "save_state", watched)
    carry_out(source, tmp_path / "out.zarr")
    # The layer of the embeddings has no sub-layer.
    assert 0.8 < max(seen) / step.cost.state < 1.01


def test_a_sum_that_names_no_component_is_a_problem_of_the_plan(spec):
    with pytest.raises(SpecError, match=r"'isoscore': there is no component 'atention'"):
        make_plan(spec(metrics=[{"name": "isoscore", "component": ["total", "atention"]}]))


@pytest.mark.parametrize(
    ("component", "fault"),
    [("partial", "labels are the tokens"), ("attention", "no component"), ("each", "component: total")],
)
def test_sums_of_tokens_are_a_problem_of_the_plan(spec, component, fault):
    metric = {"name": "isoscore", "component": component}
    with pytest.raises(SpecError, match=fault):
        make_plan(spec(decomposition="token_wise", metrics=[metric]))


def test_the_hidden_state_is_measured_where_labels_are_tokens(spec, carry_out, tmp_path):
    metrics = [
        {"name": "isoscore", "component": "total"},
        {"name": "anisotropy", "component": "total", "method": "cosine"},
    ]
    tokens = prosect.open(carry_out(spec(decomposition="token_wise", metrics=metrics), tmp_path / "a.zarr").store)
    plain = prosect.open(carry_out(spec(decomposition="none", metrics=metrics), tmp_path / "b.zarr").store)
    for name in ("isoscore", "anisotropy"):
        np.testing.assert_allclose(tokens["m/a"].ds[name], plain["m/a"].ds[name], rtol=1e-5)
