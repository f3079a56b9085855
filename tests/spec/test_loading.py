"""Specs from files, mappings and objects; entries are validated one by one."""

from __future__ import annotations

from pathlib import Path

import pytest

from prosect.errors import SpecError
from prosect.spec.loading import read_spec
from prosect.spec.models import AnalysisSpec, CorpusSpec, Keep, KeepOptions, ModelSpec, Named, Spec

MAPPING = {
    "prosect": 1,
    "models": {"m": {"load": "x", "config": {"a": {"b": [1]}}}},
    "corpora": {"c": {"kind": "text", "path": "a.txt", "limit": 3, "window": {"tokens": 8}}},
    "analyses": {
        "a": {
            "corpus": "c",
            "decomposition": {"name": "d", "by": "head"},
            "metrics": ["norm", {"name": "cosine"}],
            "layers": ["0-2", -1],
            "keep": ["terms", {"terms": {"dtype": "float16"}}],
        }
    },
}


def test_a_mapping_becomes_a_spec():
    spec = read_spec(MAPPING).spec()
    assert spec.corpora["c"].own == {"path": "a.txt"}
    assert spec.corpora["c"].limit == 3
    assert spec.analyses["a"].decomposition == Named(name="d", by="head")
    assert spec.analyses["a"].decomposition.options == {"by": "head"}
    assert spec.analyses["a"].metrics == ["norm", Named(name="cosine")]
    assert spec.analyses["a"].keep == ["terms", Keep(terms=KeepOptions(dtype="float16"))]


def test_an_object_is_read_as_its_mapping_is():
    spec = read_spec(MAPPING).spec()
    again = read_spec(spec)
    assert again.spec() == spec
    assert (again.file, again.text) == (None, None)


def test_paths_and_tuples_of_python_are_taken_as_text_and_lists():
    models = {"m": ModelSpec(load="x"), "n": {"load": Path("d") / "e"}}
    spec = read_spec({**MAPPING, "models": models, "store": {"path": Path("out")}}).spec()
    assert spec.models["n"].load == str(Path("d/e"))
    assert spec.store.path == "out"
    analyses = {"a": {"corpus": "c", "decomposition": "d", "models": ("m",), "layers": (1, 2)}}
    assert read_spec({**MAPPING, "analyses": analyses}).spec().analyses["a"].models == ["m"]


def test_a_wrong_entry_hides_neither_right_ones_nor_other_wrong_ones():
    models = {"bad": {"lod": "x"}, "good": {"load": "x"}, "worse": 3}
    draft = read_spec({**MAPPING, "models": models})
    assert list(draft.models) == ["good"]
    assert draft.names("models") == ("bad", "good", "worse")
    assert {problem.path for problem in draft.problems} == {"models.bad.lod", "models.worse"}
    with pytest.raises(SpecError, match=r"models\.bad\.lod"):
        draft.spec()


def test_a_wrong_setting_leaves_the_defaults():
    draft = read_spec({**MAPPING, "compute": {"device": "tpu"}})
    assert draft.compute.device == "auto"
    assert [problem.path for problem in draft.problems] == ["compute.device"]


def test_values_are_not_converted():
    for wrong in ({"seed": "1"}, {"seed": 1.5}, {"pickle": 1}, {"load": 1}, {"revision": 1.0}):
        assert len(read_spec({**MAPPING, "models": {"m": {"load": "x", **wrong}}}).problems) == 1


def test_several_expectations_of_one_value_are_one_problem():
    (problem,) = read_spec({**MAPPING, "compute": {"unit_tokens": [1]}}).problems
    assert problem.message == "expected 'auto' or a whole number, not a list"


def test_overrides_are_validated_like_the_rest():
    draft = read_spec(MAPPING, ["corpora.c.limit=5", "models.m.dtype=float3"])
    assert draft.corpora["c"].limit == 5
    assert [str(problem) for problem in draft.problems] == [
        "--set: models.m.dtype: expected 'float32', 'float64', 'float16' or 'bfloat16', not 'float3'; "
        "did you mean 'float32'?"
    ]


def test_a_spec_of_python_starts_in_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert read_spec(MAPPING).folder == tmp_path


def test_an_entry_made_in_python_is_checked_when_it_is_made():
    with pytest.raises(ValueError, match="names no layer"):
        AnalysisSpec(corpus="c", decomposition="d", layers=[])
    with pytest.raises(ValueError, match="lod"):
        ModelSpec(lod="x")
    assert CorpusSpec(kind="text", path="x").own == {"path": "x"}


def test_the_order_of_a_spec_is_kept():
    models = {name: {"load": "x"} for name in ("z", "a", "m")}
    assert list(read_spec({**MAPPING, "models": models}).spec().models) == ["z", "a", "m"]
    assert isinstance(read_spec(MAPPING).spec(), Spec)


def test_a_section_of_python_that_is_no_mapping_is_a_problem():
    (problem,) = read_spec({**MAPPING, "models": ["m"]}).problems
    assert str(problem) == "models: expected keys and values, not a list"


def test_an_empty_mapping_lacks_every_required_section():
    assert [problem.path for problem in read_spec({}).problems] == ["prosect", "models", "corpora", "analyses"]


@pytest.mark.parametrize("key", [3, None, ("a",)])
def test_a_key_of_python_that_is_no_text_is_a_problem(key):
    assert read_spec({**MAPPING, key: 1}).problems
    assert read_spec({**MAPPING, "models": {key: {"load": "x"}}}).problems
    assert read_spec({**MAPPING, "models": {"m": {"load": "x", key: 1}}}).problems
