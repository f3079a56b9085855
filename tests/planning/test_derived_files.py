"""Files that options of derived metrics name: found beside the spec, and known by their contents."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from prosect.plugins.declarations import MetricDeclaration
from prosect.plugins.validation import faults
from support.fake_plugins import LinesOptions, metric, registry
from support.records import remember_step

HEAD = """\
prosect: 1
models: {m: {load: ./toy}}
corpora: {c: {kind: lines, path: a.txt}}
analyses: {a: {corpus: c, decomposition: parts}}
derived:
"""
MORE = (metric("scored", form="derived", options=LinesOptions, paths=("path",)),)
ENTRY = "  x: {name: scored, of: m/a, path: gold.txt}"


@pytest.fixture
def derived(folder: Path, planned: Callable) -> Callable:
    (folder / "gold.txt").write_text("1-1\n", "utf-8")

    def plan(entry: str = ENTRY, **given):
        (folder / "spec.yaml").write_text(HEAD + entry, encoding="utf-8")
        return planned("spec.yaml", registry=registry(*MORE), **given)

    return plan


def test_a_path_starts_at_the_folder_of_the_spec(derived, folder):
    (step,) = derived().derived
    assert Path(step.metric.options.path) == folder / "gold.txt"


def test_a_file_that_is_not_there_is_a_problem_of_its_place(folder, problems, derived):
    derived()
    (folder / "spec.yaml").write_text(HEAD + ENTRY.replace("gold", "glod"), encoding="utf-8")
    (problem,) = problems("spec.yaml", registry=registry(*MORE))
    assert problem.path == "derived.x.path"
    assert "glod.txt' does not exist" in problem.message


def test_contents_are_in_the_digest_and_paths_are_not(derived, folder):
    (first,) = derived().derived
    (folder / "other.txt").write_text("1-1\n", "utf-8")
    (same,) = derived(ENTRY.replace("gold", "other")).derived
    assert same.config == first.config
    assert str(folder) not in repr(first.config)
    (folder / "gold.txt").write_text("1-2\n", "utf-8")
    (changed,) = derived().derived
    assert changed.config != first.config


def test_another_content_is_what_a_plan_says(derived, folder):
    plan = derived(out="results.zarr")
    for step in (*plan.steps, *plan.derived):
        remember_step(folder / "results.zarr", step, units=8, state="finished")
    assert derived(out="results.zarr").derived[0].state == "done"
    (folder / "gold.txt").write_text("1-2\n", "utf-8")
    step = derived(out="results.zarr").derived[0]
    assert step.state == "changed"
    assert "metric.files.path" in step.why


def test_a_declaration_may_name_its_own_options_only():
    declaration = metric("scored", form="derived", options=LinesOptions, paths=("gold",))
    assert faults(declaration, MetricDeclaration) == ("paths names 'gold', which is no option of LinesOptions",)
