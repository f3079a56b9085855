"""Plans: steps in order, members of matrices, options, folders."""

from __future__ import annotations

import json

import pytest

from prosect.errors import SpecError, StoreError
from prosect.planning.build import make_plan
from prosect.plugins.declarations import BrokenPlugin, Origin
from prosect.plugins.loading import LoadedPlugin
from prosect.plugins.registry import Registry
from support.fake_plugins import architecture, metric, registry

MODELS = {"m": {"load": "./toy"}, "r": {"load": "./toy", "init": "random", "matrix": {"seed": [1, 2]}}}


def analysis(**more):
    return {"corpus": "c", "decomposition": "parts", **more}


def test_steps_are_analyses_by_models_in_the_order_of_the_spec(planned):
    plan = planned(models=MODELS, analyses={"z": analysis(), "a": analysis(models=["r", "m"])})
    assert [step.node for step in plan.steps] == ["m/z", "r@1/z", "r@2/z", "r@1/a", "r@2/a", "m/a"]
    assert [model.name for model in plan.models] == ["m", "r@1", "r@2"]


@pytest.mark.parametrize(
    ("names", "nodes"),
    [
        (["r"], ["r@1/a", "r@2/a"]),
        (["r@2"], ["r@2/a"]),
        (["r@2", "r"], ["r@2/a", "r@1/a"]),
        (["m", "m"], ["m/a"]),
    ],
)
def test_a_name_of_a_matrix_means_all_its_members(planned, names, nodes):
    plan = planned(models=MODELS, analyses={"a": analysis(models=names)})
    assert [step.node for step in plan.steps] == nodes


def test_a_misspelt_member_is_a_problem(problems):
    (problem,) = problems(models=MODELS, analyses={"a": analysis(models=["r@3"])})
    assert problem.message == "there is no model 'r@3'"
    assert problem.suggestion in ("r@1", "r@2")


def test_analyses_of_a_wrong_model_are_not_reported_too(problems):
    models = {"m": {"lod": "x"}, "n": {"load": "./nowhere", "matrix": {"seed": [1]}}}
    found = problems(models=models, analyses={"a": analysis(models=["m", "n", "n@1"])})
    assert [problem.path for problem in found] == ["models.m.lod", "models.n.load"]


def test_options_are_filled_in_and_layers_expanded(planned):
    decomposition = {"name": "parts", "by": "head"}
    (step,) = planned(analyses={"a": analysis(decomposition=decomposition, layers=["0-2", -1])}).steps
    assert step.decomposition.options.model_dump()["target"] == "corpus"
    assert step.layers == (0, 1, 2, 6)
    assert step.layer_selection == ["0-2", -1]
    assert [bound.record() for bound in step.metrics] == [
        {"name": "norm", "version": 1, "options": {"order": 2}},
        {"name": "cosine", "version": 1, "options": {}},
    ]


def test_an_empty_list_of_metrics_means_none(planned):
    (step,) = planned(analyses={"a": analysis(metrics=[], keep=["terms"])}).steps
    assert step.metrics == ()
    assert step.keep_terms == "computed"


@pytest.mark.parametrize(
    ("keep", "kept"), [([], None), (["terms"], "computed"), ([{"terms": {"dtype": "float16"}}], "float16")]
)
def test_what_is_kept(planned, keep, kept):
    (step,) = planned(analyses={"a": analysis(keep=keep)}).steps
    assert step.keep_terms == kept


def test_paths_start_in_the_folder_of_the_file_that_declares_them(folder, planned):
    (folder / "sub").mkdir()
    (folder / "sub" / "b.yaml").write_text("corpora: {c: {kind: lines, path: ../b.txt}}\nmodels: {m: {load: ../toy}}")
    (folder / "spec.yaml").write_text(
        "prosect: 1\ninclude: [sub/b.yaml]\nanalyses: {a: {corpus: c, decomposition: parts}}"
    )
    plan = planned("spec.yaml")
    assert [file.resolve() for file in plan.corpora[0].files] == [folder / "b.txt"]
    assert plan.models[0].location == folder / "toy"
    assert plan.source.startswith("prosect: 1")
    assert plan.folder == folder


def test_an_encoder_decoder_needs_targets(planned, problems):
    models = {"m": {"load": "./pair"}}
    (problem,) = problems(models=models)
    assert problem.path == "analyses.a.corpus"
    assert "no targets for its decoder" in problem.message
    generated = {"a": analysis(decomposition={"name": "parts", "target": "generated"})}
    assert planned(models=models, analyses=generated).steps[0].layers == (0, 1, 2, 3)


def test_a_layer_must_exist_in_both_streams(problems):
    decomposition = {"name": "parts", "target": "generated"}
    found = problems(models={"m": {"load": "./pair"}}, analyses={"a": analysis(decomposition=decomposition, layers=3)})
    assert [problem.message for problem in found] == [
        "model 'm': there is no layer 3: L is 2, so layers run from 0 to 2"
    ]


@pytest.mark.parametrize(
    ("model_type", "says"),
    [
        ("windowed", "models with sliding windows are not described"),
        ("buggy", "RuntimeError: a bug of the plugin"),
        ("unheard_of", "no plugin describes models of type 'unheard_of'; described are: buggy, toy, windowed"),
    ],
)
def test_a_model_that_is_not_described_can_only_be_left_whole(planned, problems, model_type, says):
    models = {"m": {"init": "random", "config": {"model_type": model_type, "num_hidden_layers": 2}}}
    (problem,) = problems(models=models)
    assert problem.path == "analyses.a.decomposition"
    assert problem.message.startswith("model 'm' cannot be decomposed by 'parts': ")
    assert says in problem.message
    (step,) = planned(models=models, analyses={"a": analysis(decomposition="whole")}).steps
    assert step.layers == (0, 1, 2)


def test_a_family_that_two_plugins_describe_is_a_problem(folder, problems):
    other = architecture("other", "describe")
    twice = type(other)(**{**vars(other), "model_types": ("toy",)})
    (problem,) = problems(registry=registry(twice))
    assert "is described by" in problem.message


def test_an_implementation_that_cannot_be_loaded_or_returns_something_else_is_a_problem(problems):
    for function, says in (("nowhere", "has no attribute 'nowhere'"), ("nothing", "returned no Architecture")):
        models = {"m": {"init": "random", "config": {"model_type": "odd"}}}
        (problem,) = problems(models=models, registry=registry(architecture("odd", function)))
        assert problem.path == "analyses.a.decomposition"
        assert says in problem.message


def test_a_broken_plugin_is_named_where_a_spec_asks_for_it(planned, problems):
    broken = BrokenPlugin(Origin("lost", "1.0", "lost"), "module 'lost' is absent", ("loud",), "metrics")
    installed = Registry.of([*registry().plugins, LoadedPlugin(broken.origin, broken=(broken,))])
    (problem,) = problems(registry=installed, analyses={"a": analysis(metrics=["loud"])})
    assert problem.message == "metric 'loud' of lost 1.0 (lost) is broken: module 'lost' is absent"
    assert planned(registry=installed).steps


def test_several_corpora_models_and_analyses_are_all_checked(problems):
    found = problems(
        models={"m": {"load": "./toy"}, "n": {"load": "./x"}, "o": {"load": "./y"}},
        corpora={"c": {"kind": "lines", "path": "x"}, "d": {"kind": "pairs", "source": "y", "target": "a.txt"}},
        analyses={"a": analysis(models=["x"]), "b": analysis(corpus="y", decomposition="z", metrics=["w"])},
    )
    assert [problem.path for problem in found] == [
        "models.n.load",
        "models.o.load",
        "corpora.c.path",
        "corpora.d.source",
        "analyses.a.models.0",
        "analyses.b.corpus",
        "analyses.b.decomposition",
        "analyses.b.metrics.0",
    ]


def test_each_of_several_files_must_exist(problems):
    corpora = {"c": {"kind": "pairs", "source": "a.txt", "target": "b.txt", "references": ["b.txt", "x.txt"]}}
    (problem,) = problems(corpora=corpora)
    assert problem.path == "corpora.c.references.1"


def test_files_of_a_corpus_are_in_the_order_of_its_options(planned, folder):
    corpora = {"c": {"kind": "pairs", "target": "b.txt", "source": "a.txt", "references": ["a.txt"]}}
    (corpus,) = planned(corpora=corpora).corpora
    assert corpus.files == (folder / "a.txt", folder / "b.txt", folder / "a.txt")
    assert corpus.reader.options.model_dump()["source"] == str(folder / "a.txt")
    assert corpus.common.limit is None


def test_a_head_needs_a_configuration_that_names_one(planned, problems, folder):
    models = {"m": {"load": "./toy", "head": "own"}}
    assert "needs 'architectures'" in problems(models=models)[0].message
    assert planned(models={"m": {**models["m"], "config": {"architectures": ["ToyForMaskedLM"]}}}).steps


def test_a_tokenizer_of_its_own_is_located(planned, folder):
    (model,) = planned(models={"m": {"load": "./toy", "tokenizer": "./pair"}}).models
    assert model.tokenizer_location == folder / "pair"
    (model,) = planned(models={"m": {"load": "./toy", "tokenizer": "owner/name"}}).models
    assert model.tokenizer_location is None


def test_a_name_that_two_distributions_claim_is_a_problem_unless_one_is_meant(planned, problems):
    both = registry(metric("norm"))
    (problem,) = problems(registry=both, analyses={"a": analysis(metrics=["norm"])})
    assert "claimed by fakes 1.0 (fakes) and others 2.0 (others)" in problem.message
    assert problem.suggestion is None
    (step,) = planned(registry=both, analyses={"a": analysis(metrics=["others:norm"])}).steps
    assert step.metrics[0].name == "norm"


def test_a_description_that_misses_a_key_waits_for_the_model(planned):
    models = {"m": {"init": "random", "config": {"model_type": "toy", "layers": 6}}}
    (step,) = planned(models=models, analyses={"a": analysis(layers=[9])}).steps
    assert (step.model.architecture, step.layers) == (None, None)
    assert step.model.family.name == "toy"


def test_a_hub_model_that_is_not_at_hand_is_unknown_and_valid(planned):
    (step,) = planned(models={"m": {"load": "owner/name"}}).steps
    assert (step.model.location, step.model.config, step.layers) == (None, None, None)
    assert step.cost.bytes is None


def test_a_model_in_memory_needs_no_source(planned):
    config = {"model_type": "toy", "layers": 6, "width": 8, "heads": 2}
    (step,) = planned(models={"m": {}}, in_memory={"m": config}).steps
    assert step.model.location is None
    assert step.layers == (0, 1, 2, 3, 4, 5, 6)


def test_overrides_reach_the_plan(planned):
    (step,) = planned(overrides=["analyses.a.decomposition.by=head", "models.m.dtype=float64"]).steps
    assert step.decomposition.options.model_dump()["by"] == "head"
    assert step.model.spec.dtype == "float64"


def test_a_step_to_replace_must_be_a_step(problems):
    (problem,) = problems(replace=["m/b"])
    assert str(problem) == "--replace: the spec has no step 'm/b'; did you mean 'm/a'?"


@pytest.mark.parametrize(
    ("given", "store"),
    [({"out": "x/y.zarr"}, "x/y.zarr"), ({}, "specs/results/s.zarr"), ({"overrides": ["store.path=../r"]}, "r")],
)
def test_where_results_go(folder, planned, given, store):
    (folder / "specs").mkdir()
    spec = {"prosect": 1, "models": {"m": {"load": "../toy"}}, "corpora": {"c": {"kind": "lines", "path": "../a.txt"}}}
    (folder / "specs" / "s.yaml").write_text(json.dumps({**spec, "analyses": {"a": analysis()}}))
    assert planned("specs/s.yaml", **given).store == str(folder / store)


def test_a_spec_of_python_is_stored_only_where_it_says(folder, planned):
    assert planned().store is None
    assert planned(store={"path": "x"}).store == str(folder / "x")
    assert planned().steps[0].why == "nothing is stored"


def test_a_url_is_no_store(planned):
    with pytest.raises(StoreError, match="is a URL"):
        planned(out="s3://bucket/x")


def test_the_public_function_takes_the_same(folder):
    spec = {
        "prosect": 1,
        "models": {"m": {"load": "./toy"}},
        "corpora": {"c": {"kind": "lines", "path": "a.txt"}},
        "analyses": {"a": analysis()},
    }
    plan = make_plan(
        spec, registry=registry(), out="x", overrides=["models.m.dtype=float64"], tokenise=lambda *_: {"main": 5}
    )
    assert plan.steps[0].cost.exact
    with pytest.raises(SpecError):
        make_plan(spec, registry=registry(), replace=["m/x"])
