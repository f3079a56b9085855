"""The section ``derived``: references resolved, everything that is wrong with it, order, digests and states."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from prosect.errors import StoreError
from prosect.planning.derivedstates import step_of
from prosect.planning.states import refuse_changes
from support.fake_plugins import metric, registry
from support.records import remember_step

OUT = "results.zarr"
HEAD = """\
prosect: 1
models:
  m: {load: ./toy}
  r: {load: ./toy, matrix: {dtype: [float32, float64]}}
  p: {load: ./pair}
corpora:
  c: {kind: lines, path: a.txt}
  d: {kind: pairs, source: a.txt, target: a.txt}
analyses:
  a: {models: [m, r], corpus: c, decomposition: parts}
  b: {models: [p], corpus: d, decomposition: parts}
"""
MORE = (
    metric("two", form="derived", inputs=(2, 2)),
    metric("single", form="derived", inputs=(1, 1)),
    metric("each", form="derived", inputs=(2, None), members="separate"),
    metric("vectors", form="derived", needs=("terms",)),
)


@pytest.fixture
def derived(folder: Path, planned: Callable) -> Callable:
    """Plan the spec above with entries of ``derived``."""
    (folder / "t.csv").write_text("sentence,run,BLEU,mean I,mean F\n0,a,1.5,1,2\n", encoding="utf-8")

    def plan(entries: str, **given):
        (folder / "spec.yaml").write_text(HEAD + "derived:\n" + entries, encoding="utf-8")
        return planned("spec.yaml", registry=registry(*MORE), **given)

    return plan


@pytest.mark.parametrize(
    ("of", "nodes"),
    [
        ("m/a", ("m/a",)),
        ("r/a", ("r@float32/a", "r@float64/a")),
        ("r@float64/a", ("r@float64/a",)),
        ("'r@*/a'", ("r@float32/a", "r@float64/a")),
        ("'?/a'", ("m/a",)),
        ("'m/*'", ("m/a",)),
        ("p/b/decoder", ("p/b/decoder",)),
        ("p/b/sentences", ("p/b/sentences",)),
    ],
)
def test_a_reference_names_nodes_in_the_order_of_the_spec(derived, of, nodes):
    (step,) = derived(f"  x: {{name: drift, of: {of}}}").derived
    (found,) = step.inputs
    assert found.nodes == nodes
    assert found.several == (len(nodes) > 1 or "*" in of or "?" in of)
    assert (step.node, step.state) == ("derived/x", "new")


def test_entries_may_read_each_other_and_come_in_the_order_in_which_they_can_be_computed(derived):
    plan = derived(
        "  last: {name: two, of: [derived/middle, derived/first]}\n"
        "  middle: {name: drift, of: derived/first}\n"
        "  first: {name: drift, of: m/a}\n"
    )
    assert [step.name for step in plan.derived] == ["first", "middle", "last"]


@dataclass(frozen=True)
class Case:
    """An entry ``x`` of ``derived``, and the one problem that it makes."""

    entry: str
    place: str
    path: str
    says: str
    suggestion: str | None = None


CASES = [
    Case("{name: drift, of: m/b}", "13:24", "of", "no step of this spec or of its store fits 'm/b'", "p/b"),
    Case("{name: drift, of: [m/a, q/zzz]}", "13:30", "of.1", "; there are: m/a, "),
    Case("{name: drift, of: m}", "13:24", "of", "expected MODEL/ANALYSIS, MODEL/ANALYSIS/STREAM or derived/NAME"),
    Case("{name: drift, of: m/a/b/c}", "13:24", "of", "expected MODEL/ANALYSIS"),
    Case("{name: drift, of: 3}", "13:24", "of", "expected text or a list, not 3"),
    Case("{name: drift, of: m/a/decoder}", "13:24", "of", "the model has one stream, so write 'm/a'"),
    Case("{name: drift, of: p/b}", "13:24", "of", "write one of p/b/encoder, p/b/decoder"),
    Case("{name: drift, of: p/b/encodr}", "13:24", "of", "p/b has no node 'encodr'", "encoder"),
    Case("{name: drift, of: derived/y}", "13:24", "of", "there is no derived result 'derived/y'", "derived/x"),
    Case("{name: drift, of: derived/x}", "13:24", "of", "these read each other in a circle: x"),
    Case(
        "{name: two, of: m/a}", "13:22", "of", "'two' reads 2 datasets (nodes of 'of', then 'tables'), and here are 1"
    ),
    Case("{name: two, of: [m/a, m/a, m/a]}", "13:22", "of", "here are 3"),
    Case("{name: single, of: [m/a, m/a]}", "13:25", "of", "reads 1 dataset (nodes of"),
    Case("{name: single, of: [m/a, m/a]}", "13:25", "of", "one with '*', stands for several models as one dataset"),
    Case("{name: each, of: m/a}", "13:23", "of", "'each' reads 2 or more datasets"),
    Case("{name: vectors, of: m/a}", "13:26", "of", "m/a does not have; 'keep: [terms]' of the analysis stores it"),
    Case("{name: drift}", "13:3", "of", "reads 1 or more datasets"),
    Case("{name: drft, of: m/a}", "13:13", "name", "there is no metric 'drft'", "drift"),
    Case("{name: norm, of: m/a}", "13:13", "name", "'norm' measures a model"),
    Case("{name: drift, of: m/a, wat: 1}", "13:29", "wat", "unknown key; the keys here are: name, of, tables"),
    Case("{name: drift, tables: {t: {path: no.csv}}}", "13:39", "tables.t.path", "no.csv' does not exist"),
    Case("{name: drift, tables: {t: {path: toy}}}", "13:39", "tables.t.path", "toy' is a folder"),
    Case(
        "{name: drift, tables: {t: {path: t.csv, keys: [sentense]}}}",
        "13:53",
        "tables.t.keys.0",
        "the table has no column 'sentense'; it has sentence, run",
        "sentence",
    ),
    Case(
        "{name: drift, tables: {t: {path: t.csv, keys: {rn: r}}}}", "13:57", "tables.t.keys.rn", "no column 'rn'", "run"
    ),
    Case("{name: drift, tables: {t: {path: t.csv, names: B}}}", "13:53", "tables.t.names", "no column 'B'"),
    Case("{name: drift, tables: {t: {path: t.csv, where: {B: 1}}}}", "13:57", "tables.t.where.B", "no column 'B'"),
    Case(
        "{name: drift, tables: {t: {path: t.csv, spread: {k: mean}}}}",
        "13:58",
        "tables.t.spread.k",
        "a pattern with one '*' that fits columns",
    ),
    Case("{name: drift, tables: {t: {path: t.csv, duplicates: sum}}}", "13:58", "tables.t.duplicates", "'error', "),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.entry)
def test_a_mistake_is_one_problem_with_its_place(problems, derived, folder, case):
    derived("  x: {name: drift, of: m/a}")
    (folder / "spec.yaml").write_text(HEAD + f"derived:\n  x: {case.entry}", encoding="utf-8")
    (problem,) = problems("spec.yaml", registry=registry(*MORE))
    assert f"{problem.line}:{problem.column}" == case.place
    assert problem.path == f"derived.x.{case.path}"
    assert case.says in problem.message
    assert problem.suggestion == case.suggestion


def test_a_model_may_not_be_called_as_the_results_are(problems, folder):
    text = HEAD.replace("  m:", "  derived:").replace("[m, r]", "[derived, r]")
    (folder / "spec.yaml").write_text(text + "derived:\n  x: {name: drift, of: r/a}", encoding="utf-8")
    (problem,) = problems("spec.yaml")
    assert (problem.line, problem.column, problem.path) == (3, 3, "models.derived")
    assert "may not be called 'derived'" in problem.message


def test_what_is_wrong_with_an_analysis_is_not_told_again_where_it_is_read(problems, folder):
    text = HEAD.replace("corpus: c, decomposition: parts", "corpus: nowhere, decomposition: parts")
    (folder / "spec.yaml").write_text(text + "derived:\n  x: {name: drift, of: m/a}", encoding="utf-8")
    assert [problem.path for problem in problems("spec.yaml")] == ["analyses.a.corpus"]


def test_what_the_store_holds_already_may_be_read(derived, planned, folder):
    other = replace(derived("  x: {name: drift, of: m/a}").steps[0], analysis="older")
    remember_step(folder / OUT, other, state="finished")
    (step,) = derived("  x: {name: drift, of: m/older}", out=OUT).derived
    assert step.config["inputs"][0]["nodes"][0]["name"] == "m/older"


def test_a_step_of_the_store_that_is_not_finished_is_no_result_yet(derived, problems, folder):
    other = replace(derived("  x: {name: drift, of: m/a}").steps[0], analysis="older")
    remember_step(folder / OUT, other, state="allocated")
    (folder / "spec.yaml").write_text(HEAD + "derived:\n  x: {name: drift, of: m/older}", encoding="utf-8")
    (problem,) = problems("spec.yaml", out=OUT)
    assert "fits 'm/older'" in problem.message


def remember(folder: Path, step) -> None:
    remember_step(folder / OUT, step, state="finished", streams={"main": 1})


class TestStates:
    """Judged from digests: the metric with its options, what it reads, and tables by content."""

    ENTRY = "  x: {name: two, of: [m/a], tables: {t: {path: t.csv, keys: [sentence, run]}}}"

    def judged(self, derived, entry: str | None = None, **given):
        (step,) = derived(entry or self.ENTRY, out=OUT, **given).derived
        return step.state, step.why

    @pytest.fixture
    def stored(self, derived, folder):
        plan = derived(self.ENTRY, out=OUT)
        for step in plan.steps:
            remember_step(folder / OUT, step, state="finished")
        remember(folder, plan.derived[0])

    def test_it_is_done_when_nothing_changed(self, derived, stored):
        assert self.judged(derived) == ("done", "finished, same digest")

    def test_where_a_table_lies_does_not_matter(self, derived, stored, folder):
        (folder / "u.csv").write_bytes((folder / "t.csv").read_bytes())
        assert self.judged(derived, self.ENTRY.replace("t.csv", "u.csv"))[0] == "done"

    def test_another_content_of_a_table_changes_it(self, derived, stored, folder, planned):
        (folder / "t.csv").write_text("sentence,run,BLEU\n0,a,2.5\n", encoding="utf-8")
        step = planned("spec.yaml", registry=registry(*MORE), out=OUT).derived[0]
        assert step.state == "changed"
        assert "tables.t.file was" in step.why
        assert "--replace derived/x" in step.why

    def test_another_input_changes_it_and_stops_a_run(self, derived, stored):
        plan = derived(self.ENTRY.replace("[m/a]", "[r/a]"), out=OUT)
        assert plan.derived[0].state == "changed"
        with pytest.raises(StoreError, match=r"derived/x: inputs\.0"):
            refuse_changes(plan)

    def test_what_reads_a_replaced_step_is_computed_again(self, derived, stored):
        assert self.judged(derived, replace=["m/a"]) == ("replace", "m/a is computed again")

    def test_it_can_be_replaced_itself(self, derived, stored):
        assert self.judged(derived, replace=["derived/x"]) == ("replace", "to be computed again, as asked")


def test_a_compressed_table_is_read_too(derived, folder):
    with gzip.open(folder / "t.csv.gz", "wt") as file:
        file.write("a\tb\n")
    (step,) = derived("  x: {name: drift, tables: {t: {path: t.csv.gz}}}").derived
    assert [table.file for table in step.tables] == [folder / "t.csv.gz"]


def test_a_table_that_is_no_text_is_a_problem_and_no_traceback(derived, problems, folder):
    derived("  x: {name: drift, of: m/a}")
    (folder / "t.csv").write_bytes(b"\xff\xfe\x00\x80")
    (folder / "t.csv.gz").write_bytes(b"no gzip")
    for name in ("t.csv", "t.csv.gz"):
        entry = f"derived:\n  x: {{name: drift, tables: {{t: {{path: {name}}}}}}}"
        (folder / "spec.yaml").write_text(HEAD + entry, encoding="utf-8")
        (problem,) = problems("spec.yaml")
        assert "cannot be read as a table" in problem.message


def test_the_configuration_is_plain_json(derived):
    (step,) = derived(TestStates.ENTRY).derived
    assert json.loads(json.dumps(step.config)) == step.config


@pytest.mark.parametrize(("node", "step"), [("m/a", "m/a"), ("m/a/decoder", "m/a"), ("derived/x", "derived/x")])
def test_a_node_belongs_to_a_step(node, step):
    assert step_of(node) == step
