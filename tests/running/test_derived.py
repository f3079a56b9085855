"""Metrics over stored results as steps of a run: computed, kept, computed again; and what reads them."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import sacrebleu
import xarray as xr

import prosect
from prosect.cli import main
from prosect.errors import PluginError, RunError, StoreError, UsageError
from prosect.planning.build import make_plan
from prosect.running import derived as running
from prosect.running.loop import execute
from prosect.running.progress import Lines
from support.models import DATA

DERIVED = {
    "agreement": {"name": "correlation", "of": ["m@1/a", "m@2/a"]},
    "within": {"name": "correlation", "of": "m/a", "variables": ["norm"], "against": "importance"},
    "pattern": {"name": "correlation", "of": ["derived/within", "derived/within"], "over": ["model"], "minimum": 2},
}


@pytest.fixture
def source(spec):
    return {
        **spec(model={"matrix": {"seed": [1, 2]}}, number=8, metrics=["importance", "norm"]),
        "derived": DERIVED,
    }


@pytest.fixture
def tree(source, carry_out, tmp_path):
    summary = carry_out(source)
    assert summary.computed == ("m@1/a", "m@2/a", "derived/agreement", "derived/within", "derived/pattern")
    return prosect.open(tmp_path / "out.zarr")


def test_every_entry_becomes_a_node_with_its_origin(tree):
    found = tree["derived/agreement"]
    assert found.correlation.dims == ("variable", "layer", "component")
    assert found.correlation.attrs["units"] == "1"
    assert found.correlation.attrs["reference"].startswith("Mickus")
    assert found.attrs["derived"]["name"] == "correlation"
    assert [node["name"] for one in found.attrs["inputs"] for node in one["nodes"]] == ["m@1/a", "m@2/a"]
    assert found.attrs["packages"]["scipy"]
    assert found.attrs["time"]


def test_its_numbers_are_those_of_the_function_on_the_opened_nodes(tree):
    nodes = [tree[path].to_dataset() for path in ("m@1/a", "m@2/a")]
    expected = prosect.derive("correlation", *nodes).sel(variable=["importance", "norm"])
    np.testing.assert_allclose(tree["derived/agreement"].correlation, expected.correlation, rtol=1e-12)


def test_members_of_a_matrix_come_stacked(tree):
    found = tree["derived/within"]
    assert found.model.values.tolist() == ["m@1", "m@2"]
    assert found.seed.values.tolist() == [1, 2]
    assert set(found.run.values.tolist()) == {"m"}


def test_an_entry_may_read_another(tree):
    assert tree["derived/pattern"].attrs["inputs"][0]["nodes"][0]["name"] == "derived/within"


def test_nothing_is_computed_twice(source, tree, carry_out):
    assert carry_out(source).computed == ()


def test_only_what_is_new_is_computed(source, tree, carry_out):
    more = {**source, "derived": {**DERIVED, "other": {"name": "correlation", "of": ["m@2/a", "m@1/a"]}}}
    assert carry_out(more).computed == ("derived/other",)


def test_a_changed_entry_stops_the_run_and_is_computed_again_when_asked(source, tree, carry_out):
    changed = {**DERIVED, "agreement": {**DERIVED["agreement"], "method": "pearson"}}
    with pytest.raises(StoreError, match=r"options\.method was spearman and is now pearson"):
        carry_out({**source, "derived": changed})
    found = carry_out({**source, "derived": changed}, replace=["derived/agreement"])
    assert found.computed == ("derived/agreement",)


def test_what_reads_a_step_is_computed_again_with_it(source, tree, carry_out):
    assert carry_out(source, replace=["m@1/a"]).computed == (
        "m@1/a",
        "derived/agreement",
        "derived/within",
        "derived/pattern",
    )


def test_a_run_that_dies_leaves_no_half_result(source, tmp_path, monkeypatch):
    planned = make_plan(source, out=tmp_path / "out.zarr")

    def die(*_args: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("prosect.store.journal.write_record", _only_analyses(die))
        with pytest.raises(KeyboardInterrupt):
            execute(planned, Lines(io.StringIO()))
    tree = prosect.open(tmp_path / "out.zarr")
    assert [path for path, node in tree.subtree_with_keys if node.has_data] == ["m@1/a", "m@2/a"]
    plan = make_plan(source, out=tmp_path / "out.zarr")
    assert [step.state for step in plan.everything] == ["done", "done", "new", "new", "new"]
    assert "derived/agreement" in execute(plan, Lines(io.StringIO())).computed


def _only_analyses(otherwise):
    from prosect.store.journal import write_record

    def write(store, record):
        if record.node.startswith("derived/"):
            otherwise()
        write_record(store, record)

    return write


def test_replaced_results_go_before_what_they_read_is_computed_again(source, tree, tmp_path, monkeypatch):
    """A run that is cut short in between must not leave results of what is no longer there."""
    monkeypatch.setattr(running, "compute", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        execute(make_plan(source, out=tmp_path / "out.zarr", replace=["m@1/a"]), Lines(io.StringIO()))
    assert "derived/agreement" not in {p for p, _ in prosect.open(tmp_path / "out.zarr").subtree_with_keys}


def test_plan_show_and_export_speak_of_them(source, tree, tmp_path, capsys):
    out = tmp_path / "out.zarr"
    (tmp_path / "spec.json").write_text(json.dumps(source))
    assert main(["plan", str(tmp_path / "spec.json"), "--out", str(out)]) == 0
    assert "derived/agreement" in capsys.readouterr().out
    assert main(["plan", str(tmp_path / "spec.json"), "--out", str(out), "--json"]) == 0
    record = json.loads(capsys.readouterr().out)["derived"][0]
    assert (record["node"], record["of"], record["state"]) == ("derived/agreement", ["m@1/a", "m@2/a"], "done")
    assert main(["check", str(tmp_path / "spec.json"), "--out", str(out)]) == 0
    assert "3 derived results" in capsys.readouterr().out
    assert main(["show", str(out)]) == 0
    shown = capsys.readouterr().out
    assert "derived/agreement  finished, " in shown
    assert "closure" not in shown.partition("derived/agreement")[2].partition("\n")[0]
    assert main(["export", str(out), str(tmp_path / "x.nc"), "--node", "derived/agreement"]) == 0
    with xr.open_dataset(tmp_path / "x.nc") as exported:
        np.testing.assert_array_equal(exported.correlation, tree["derived/agreement"].correlation)


def test_a_run_scores_what_the_model_wrote(spec, carry_out):
    """From the spec alone: generation, texts, score, and the score joined to what was measured."""
    source = spec("marian", number=4)
    rows = source["corpora"]["c"]["sentences"]
    source["models"]["m"] = {"load": str(DATA / "mickus" / "marian"), "head": "own"}
    references = [" ".join(map(str, row)) for row in rows]
    source["corpora"]["c"] = {"kind": "inline", "sentences": rows, "targets": references}
    option = {"name": "sum_of_factors", "target": "generated", "max_new_tokens": 6}
    source["analyses"]["a"] |= {"decomposition": option, "metrics": ["importance"]}
    source["derived"] = {
        "bleu": {"name": "bleu", "of": "m/a/sentences", "tokenize": "none"},
        "quality": {
            "name": "correlation",
            "of": ["m/a/decoder", "derived/bleu"],
            "against": "sentence_bleu",
            "variables": ["importance"],
        },
    }
    with prosect.open(carry_out(source).store) as tree:
        texts = tree["m/a/sentences"]
        assert texts.reference.values[:, 0].tolist() == references
        expected = sacrebleu.corpus_bleu(texts.target.values.tolist(), [references], tokenize="none").score
        assert float(tree["derived/bleu"].bleu) == pytest.approx(expected)
        assert tree["derived/quality"].correlation.dims == ("variable", "layer", "component")


class TestDerive:
    """The function for notebooks."""

    ONE = xr.DataArray(np.arange(5.0) ** 2, dims="token")

    def test_arrays_give_an_array_named_as_the_metric(self):
        found = prosect.derive("correlation", self.ONE, -self.ONE)
        assert isinstance(found, xr.DataArray)
        assert (found.name, found.dims, int(found.number)) == ("correlation", (), 5)
        assert float(found) == pytest.approx(-1)

    def test_datasets_give_a_dataset(self):
        given = self.ONE.to_dataset(name="x")
        found = prosect.derive("correlation", given, given)
        assert isinstance(found, xr.Dataset)
        assert float(found.correlation.sel(variable="x")) == pytest.approx(1)

    @pytest.mark.parametrize(
        ("name", "count", "options", "error", "says"),
        [
            ("corelation", 2, {}, PluginError, "did you mean 'correlation'"),
            ("norm", 1, {}, UsageError, "'norm' measures a model"),
            ("correlation", 3, {}, UsageError, "'correlation' reads 1 to 2 datasets, and here are 3"),
            ("correlation", 2, {"metod": 1}, UsageError, "unknown key; did you mean 'method'"),
            ("correlation", 2, {"method": "x"}, UsageError, "expected 'spearman', 'pearson' or 'kendall'"),
            ("correlation", 2, {"over": ["layer"]}, UsageError, "correlation: no variable has the dimension 'layer'"),
        ],
    )
    def test_what_is_wrong_is_one_message(self, name, count, options, error, says):
        with pytest.raises(error, match=says.replace("(", r"\(")):
            prosect.derive(name, *([self.ONE] * count), **options)

    def test_anything_else_than_labelled_data_is_refused(self):
        with pytest.raises(UsageError, match="expected xarray Datasets or DataArrays, not ndarray"):
            prosect.derive("correlation", np.zeros(3), np.zeros(3))

    def test_a_metric_must_return_what_it_declares(self, monkeypatch):
        monkeypatch.setattr(running, "implementation", lambda _: lambda *_: xr.Dataset())
        with pytest.raises(RunError, match="must return a Dataset with correlation, number"):
            prosect.derive("correlation", self.ONE, self.ONE)


@pytest.mark.slow
def test_a_notebook_that_derives_loads_no_torch(tmp_path: Path):
    import subprocess
    import sys

    code = (
        "import sys, prosect, xarray as xr; a = xr.DataArray([1.0, 2, 4])\n"
        "prosect.derive('dynamic_time_warping', a, a)\n"
        "assert 'torch' not in sys.modules and 'transformers' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_means_of_nothing_are_undefined_without_a_warning(source, tmp_path):
    """Layer 0 has no term of attention, so its cosine is NaN at every token; warnings are errors in tests."""
    source["analyses"]["a"]["metrics"] = ["cosine"]
    source["derived"] = {"means": {"name": "summary", "of": "m@1/a"}}
    tree = prosect.run(source, tmp_path / "out.zarr", quiet=True)
    assert np.isnan(tree["derived/means"].ds["mean"].sel(layer=0, component="attention")).all()
