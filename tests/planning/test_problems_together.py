"""Problems of a spec come together: none hides another, and none is said twice."""

from __future__ import annotations

from textwrap import dedent

import pytest

from prosect.plugins.declarations import BrokenPlugin, Origin
from prosect.plugins.loading import LoadedPlugin
from prosect.plugins.registry import Registry
from support.fake_plugins import decomposition, metric, registry

BASE = """\
prosect: 1
models:
  m: {load: ./toy}
corpora:
  c: {kind: lines, path: a.txt}
analyses:
  a: {corpus: c, decomposition: parts}
"""
ENTRY = "a: {corpus: c, decomposition: parts}"


def test_all_problems_come_together_in_the_order_of_the_file(folder, problems):
    text = """\
        prosect: 1
        models:
          good: {load: ./toy}
          bad: {load: ./toy, dtpye: float64}
        corpora:
          c: {kind: lines, path: nowhere.txt, unit: lin}
        analyses:
          a: {corpus: c, decomposition: parts, layers: 9, metrics: [norm, cosin]}
          b: {corpus: d, decomposition: {name: parts, by: x}, models: [good, bad, ugly]}
          b: {}
        computer: {}
    """
    (folder / "spec.yaml").write_text(dedent(text), encoding="utf-8")
    found = [f"{problem.line}:{problem.column} {problem.path}" for problem in problems("spec.yaml")]
    assert found == [
        "4:22 models.bad.dtpye",
        "6:26 corpora.c.path",
        "6:45 corpora.c.unit",
        "8:48 analyses.a.layers",
        "8:67 analyses.a.metrics.1",
        "9:15 analyses.b.corpus",
        "9:51 analyses.b.decomposition.by",
        "9:75 analyses.b.models.2",
        "10:3 analyses.b",
        "11:1 computer",
    ]


def test_a_key_that_is_missing_hides_nothing_else_of_its_entry(folder, problems):
    text = """\
        prosect: 1
        models:
          m: {load: ./toy}
        corpora:
          c: {kind: lines, path: a.txt}
        analyses:
          a: {decomposition: part, metrics: [cosin]}
          b: {corpus: d, metrics: [norm, cosin], models: [n]}
          c: {corpus: 5, layers: 99, decomposition: parts}
    """
    (folder / "spec.yaml").write_text(dedent(text), encoding="utf-8")
    assert [problem.path for problem in problems("spec.yaml")] == [
        "analyses.a.corpus",
        "analyses.a.decomposition",
        "analyses.a.metrics.0",
        "analyses.b.decomposition",
        "analyses.b.corpus",
        "analyses.b.metrics.1",
        "analyses.b.models.0",
        "analyses.c.corpus",
        "analyses.c.layers",
    ]


def test_a_wrong_field_hides_nothing_else_of_its_entry(folder, problems):
    text = """\
        prosect: 1
        models:
          m: {matrix: {sed: [1], dtype: [float32, float23], head: {}, load: [./toy, 3]}}
        corpora:
          c: {kind: lines, path: nowhere.txt, limit: 0, until: x}
        analyses:
          a: {corpus: d, decomposition: part, layers: x, metrics: [cosin], models: [n], keep: [term], colour: red}
    """
    (folder / "spec.yaml").write_text(dedent(text), encoding="utf-8")
    assert [problem.path for problem in problems("spec.yaml")] == [
        "models.m.matrix.sed",
        "models.m.matrix.dtype.1",
        "models.m.matrix.head",
        "models.m.matrix.load.1",
        "corpora.c.path",
        "corpora.c.limit",
        "corpora.c.until",
        "analyses.a.corpus",
        "analyses.a.decomposition",
        "analyses.a.layers",
        "analyses.a.metrics.0",
        "analyses.a.models.0",
        "analyses.a.keep.0",
        "analyses.a.colour",
    ]


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("load: ./toy", "load: 3", "models.m.load"),
        ("load: ./toy", "laod: ./toy", "models.m.laod"),
        ("load: ./toy", "init: rnd", "models.m.init"),
        (ENTRY, ENTRY[:-1] + ", models: m, layers: 99}", "analyses.a.models"),
        (ENTRY, ENTRY[:-1] + ", model: [m], layers: 99}", "analyses.a.model"),
    ],
)
def test_what_cannot_be_judged_without_a_wrong_field_is_not_judged(folder, problems, old, new, path):
    (folder / "spec.yaml").write_text(BASE.replace(old, new), encoding="utf-8")
    assert [problem.path for problem in problems("spec.yaml")] == [path]


def test_models_of_one_depth_have_one_problem_of_layers(problems):
    models = {"m": {"load": "./toy", "matrix": {"seed": [1, 2, 3]}}}
    found = problems(models=models, analyses={"a": {"corpus": "c", "decomposition": "parts", "layers": [7, 1, 8]}})
    assert [(problem.path, problem.message.partition(":")[0]) for problem in found] == [
        ("analyses.a.layers.0", "model 'm@1'"),
        ("analyses.a.layers.2", "model 'm@1'"),
    ]


def test_a_spec_of_a_notebook_has_the_same_problems_without_places(folder, problems):
    from prosect.spec.models import AnalysisSpec, CorpusSpec, ModelSpec, Spec

    spec = Spec(
        prosect=1,
        models={"m": ModelSpec(load="./toy")},
        corpora={"c": CorpusSpec(kind="lines", path="a.txt")},
        analyses={"a": AnalysisSpec(corpus="c", decomposition="part", layers=9)},
    )
    (problem,) = problems(spec)
    assert str(problem).startswith("analyses.a.decomposition: there is no decomposition 'part'; known: ")
    assert str(problem).endswith("; did you mean 'parts'?")
    assert (problem.file, problem.line) == (None, None)


def test_a_store_that_is_a_file_is_a_problem_like_any_other(folder, problems):
    (folder / "spec.yaml").write_text(BASE.replace("parts}", "part}") + "store: {path: a.txt}\n", encoding="utf-8")
    found = [f"{problem.line}:{problem.column} {problem.path}" for problem in problems("spec.yaml")]
    assert found == ["7:33 analyses.a.decomposition", "8:15 store.path"]


def test_metrics_of_maps_need_maps(problems):
    analyses = {
        "a": {"corpus": "c", "decomposition": "parts", "metrics": ["norm", "map"]},
        "b": {"corpus": "c", "decomposition": "whole", "metrics": ["map"]},
        "c": {"corpus": "c", "decomposition": "block_maps"},
    }
    more = (
        metric("map", ("token", "source"), requires=frozenset({"maps"})),
        decomposition("block_maps", "block_map_rules", metrics=("map",), first_layer=1),
    )
    found = problems(analyses=analyses, registry=registry(*more))
    assert [(problem.path, problem.message) for problem in found] == [
        (
            "analyses.a.metrics.1",
            "'map' reads maps of tokens to tokens, and 'parts' gives none: use it with block_maps",
        ),
        (
            "analyses.b.metrics.0",
            "'map' reads maps of tokens to tokens, and 'whole' gives none: use it with block_maps",
        ),
    ]


def test_a_suggestion_inside_the_reason_of_a_broken_plugin_is_not_that_of_the_name(problems):
    origin = Origin("bad", "1.0", "bad")
    fault = BrokenPlugin(origin, "'prosect_metrix' is no hook; did you mean 'prosect_metrics'?; see docs")
    base = registry()
    broken = Registry.of([*base.plugins, LoadedPlugin(origin, broken=(fault,))])
    analyses = {"a": {"corpus": "c", "decomposition": "parts", "metrics": ["cosin"]}}
    (problem,) = problems(analyses=analyses, registry=broken)
    assert problem.suggestion == "cosine"
    assert problem.message.endswith(
        "which is broken: 'prosect_metrix' is no hook; did you mean 'prosect_metrics'?; see docs"
    )
