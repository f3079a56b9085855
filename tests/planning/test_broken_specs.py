"""Every kind of mistake in a spec: its exact place, its path, what is said, and what was meant."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from prosect.errors import Problem

BASE = """\
prosect: 1
models:
  m: {load: ./toy}
corpora:
  c: {kind: lines, path: a.txt}
analyses:
  a: {corpus: c, decomposition: parts}
"""


@dataclass(frozen=True)
class Case:
    """A replacement in the spec above (or more lines below it), and the one problem that it makes."""

    name: str
    old: str
    new: str
    place: str
    path: str
    says: str
    suggestion: str | None = None

    @property
    def text(self) -> str:
        assert not self.old or BASE.count(self.old) == 1
        return BASE.replace(self.old, self.new) if self.old else BASE + self.new


ENTRY = "a: {corpus: c, decomposition: parts}"
CASES = [
    Case("unknown section", "", "modles: {}", "8:1", "modles", "unknown key", "models"),
    Case("unlike any section", "", "zzz: {}", "8:1", "zzz", "the keys here are: include, prosect, models"),
    Case("no format version", "prosect: 1\n", "", "1:1", "prosect", "'prosect' is required"),
    Case("other format version", "prosect: 1", "prosect: 2", "1:10", "prosect", "expected format version 1, not 2"),
    Case("version as text", "prosect: 1", "prosect: '1'", "1:10", "prosect", "expected format version 1, not '1'"),
    Case("empty section", "  m: {load: ./toy}\n", "", "2:1", "models", "the section is empty"),
    Case("section of the wrong type", "models:\n  m: {load: ./toy}", "models: toy", "2:9", "models", "expected names"),
    Case("settings of the wrong type", "", "compute: 3", "8:10", "compute", "expected keys and values"),
    Case("entry without a value", "m: {load: ./toy}", "m:", "3:3", "models.m", "expected keys and values, not nothing"),
    Case("unknown key", "load: ./toy", "load: ./toy, dtpe: float64", "3:20", "models.m.dtpe", "unknown key", "dtype"),
    Case(
        "unlike any key", "load: ./toy", "load: ./toy, q: 1", "3:20", "models.m.q", "the keys here are: config, dtype"
    ),
    Case("wrong type", "load: ./toy", "load: 3", "3:13", "models.m.load", "expected text, not 3"),
    Case("text for a number", "./toy", "./toy, seed: '3'", "3:26", "models.m.seed", "expected a whole number, not '3'"),
    Case(
        "word for a truth value", "./toy", "./toy, pickle: yes", "3:28", "models.m.pickle", "true or false, not 'yes'"
    ),
    Case("number below a bound", "./toy", "./toy, seed: -1", "3:26", "models.m.seed", "a number of at least 0, not -1"),
    Case("wrong choice", "./toy", "./toy, dtype: float23", "3:27", "models.m.dtype", "expected 'float32', ", "float32"),
    Case("bad name", "m: {", "1m: {", "3:3", "models.1m", "a name starts with a letter"),
    Case("duplicate key", "{load: ./toy}", "{load: ./toy, load: x}", "3:20", "models.m.load", "first given at line 3"),
    Case("two analyses of one name", "", "  a: {}", "8:3", "analyses.a", "the key stands here again"),
    Case("key is no text", "m: {", "3: {", "3:3", "models", "keys are text, not 3"),
    Case("key is a list", "m: {", "[m]: {", "3:3", "models", "keys are text, not a list or mapping"),
    Case("tag of Python", "./toy", "!!python/name:os.system x", "3:13", "models.m.load", "the tag !!python/name:os.sy"),
    Case("unknown tag", "./toy", "!folder x", "3:13", "models.m.load", "the tag !folder is not allowed"),
    Case("binary", "./toy", "!!binary aGk=", "3:13", "models.m.load", "the tag !!binary is not allowed"),
    Case("value does not fit its tag", "./toy", "!!int x", "3:13", "models.m.load", "'x' does not fit its tag"),
    Case(
        "contains itself", "m: {", "m: &m {config: *m, ", "3:10", "models.m.config", "contains itself through an alias"
    ),
    Case(
        "merge key", "m: {load", "m: {<<: {dtype: float64}, load", "3:7", "models.m.<<", "merge keys belong to YAML 1.1"
    ),
    Case("tab", "  m:", "\tm:", "3:1", "", "a tab cannot indent YAML"),
    Case("two documents", "", "---\nprosect: 1", "8:1", "", "a spec is one document"),
    Case("colon in text", "{load: ./toy}", "a: b", "3:7", "", "a ':' cannot stand here"),
    Case("unclosed bracket", "{load: ./toy}", "{load: ./toy", "4:8", "", "not valid YAML"),
    Case("alias of nothing", "./toy", "*toy", "3:13", "", "found undefined alias"),
    Case("control character", "./toy", "./t\x07oy", "3:16", "", "a control character cannot stand in YAML"),
    Case("other version of YAML", "prosect: 1\n", "%YAML 1.1\n---\nprosect: 1\n", "1:1", "", "specs are YAML 1.2"),
    Case("model without a source", "{load: ./toy}", "{}", "3:3", "models.m.load", "'load' is required, unless"),
    Case("absent folder", "./toy", "./tox", "3:13", "models.m.load", "does not exist"),
    Case("folder that is no model", "./toy", "..", "3:13", "models.m.load", "holds no config.json"),
    Case("absent package", "./toy", "package:nowhere/x", "3:13", "models.m.load", "no installed package 'nowhere'"),
    Case("no hub id", "./toy", "a/b/c", "3:13", "models.m.load", "neither a hub id (owner/name), nor a folder"),
    Case("head of an unknown model", "./toy", "./toy, head: own", "3:13", "models.m.load", "needs 'architectures'"),
    Case("absent tokenizer", "./toy", "./toy, tokenizer: ./x", "3:31", "models.m.tokenizer", "does not exist"),
    Case(
        "matrix over no field",
        "./toy",
        "./toy, matrix: {sed: [1]}",
        "3:29",
        "models.m.matrix.sed",
        "ranges over",
        "seed",
    ),
    Case(
        "matrix of a matrix", "./toy", "./toy, matrix: {matrix: [1]}", "3:29", "models.m.matrix.matrix", "ranges over"
    ),
    Case("empty matrix", "./toy", "./toy, matrix: {seed: []}", "3:35", "models.m.matrix.seed", "a list of at least 1"),
    Case(
        "misfit in a matrix",
        "./toy",
        "./toy, matrix: {seed: [1, x]}",
        "3:39",
        "models.m.matrix.seed.1",
        "a whole number",
    ),
    Case(
        "members of one name",
        "./toy",
        "./toy, matrix: {revision: [a/b, a-b]}",
        "3:45",
        "models.m.matrix.revision.1",
        "both give the name @a-b",
    ),
    Case(
        "unknown kind of corpus",
        "kind: lines",
        "kind: linse",
        "5:13",
        "corpora.c.kind",
        "no corpus kind 'linse'",
        "lines",
    ),
    Case("no kind of corpus", "kind: lines, ", "", "5:3", "corpora.c.kind", "the key 'kind' is required"),
    Case("absent file", "a.txt", "x.txt", "5:26", "corpora.c.path", "x.txt' does not exist"),
    Case("folder for a file", "a.txt", "toy", "5:26", "corpora.c.path", "is a folder, not a file"),
    Case("option of the kind", "a.txt", "a.txt, unit: lin", "5:39", "corpora.c.unit", "expected 'line' or", "line"),
    Case("unknown option of the kind", "a.txt", "a.txt, untl: x", "5:33", "corpora.c.untl", "unknown key", "unit"),
    Case("misspelt common option", "a.txt", "a.txt, limt: 3", "5:33", "corpora.c.limt", "unknown key", "limit"),
    Case("option of the kind left out", ", path: a.txt", "", "5:3", "corpora.c.path", "the key 'path' is required"),
    Case(
        "key inside a common option",
        "a.txt",
        "a.txt, window: {tokens: 3, strid: 1}",
        "5:53",
        "corpora.c.window.strid",
        "unk",
        "stride",
    ),
    Case("unknown corpus", "corpus: c", "corpus: cc", "7:15", "analyses.a.corpus", "there is no corpus 'cc'", "c"),
    Case(
        "unknown model", ENTRY, ENTRY[:-1] + ", models: [n, m]}", "7:49", "analyses.a.models.0", "there is no model 'n'"
    ),
    Case(
        "unknown decomposition",
        "parts",
        "part",
        "7:33",
        "analyses.a.decomposition",
        "there is no decomposition 'part'",
        "parts",
    ),
    Case(
        "unknown option",
        "parts",
        "{name: parts, bye: head}",
        "7:47",
        "analyses.a.decomposition.bye",
        "unknown key",
        "by",
    ),
    Case(
        "wrong option",
        "parts",
        "{name: parts, by: heads}",
        "7:51",
        "analyses.a.decomposition.by",
        "expected 'kind' or",
        "head",
    ),
    Case("plugin without a name", "parts", "{by: head}", "7:18", "analyses.a.decomposition.name", "'name' is required"),
    Case(
        "unknown metric",
        "parts}",
        "parts, metrics: [nrom]}",
        "7:50",
        "analyses.a.metrics.0",
        "there is no metric 'nrom'",
        "norm",
    ),
    Case(
        "metric of the wrong type",
        "parts}",
        "parts, metrics: [3]}",
        "7:50",
        "analyses.a.metrics.0",
        "expected text, not 3",
    ),
    Case(
        "option of a metric",
        "parts}",
        "parts, metrics: [{name: norm, order: 0}]}",
        "7:70",
        "analyses.a.metrics.0.order",
        "a number of at least 1, not 0",
    ),
    Case(
        "one variable twice",
        "parts}",
        "parts, metrics: [norm, copy]}",
        "7:56",
        "analyses.a.metrics.1",
        "'norm' is already",
    ),
    Case(
        "derived metric",
        "parts}",
        "parts, metrics: [drift]}",
        "7:50",
        "analyses.a.metrics.0",
        "belongs under 'derived'",
    ),
    Case(
        "layer selection",
        "parts}",
        "parts, layers: 4-}",
        "7:48",
        "analyses.a.layers",
        "expected 'all', a number, a range",
    ),
    Case("no layer", "parts}", "parts, layers: []}", "7:48", "analyses.a.layers", "names no layer"),
    Case("impossible layer", "parts}", "parts, layers: [1, 7]}", "7:52", "analyses.a.layers.1", "no layer 7: L is 6"),
    Case("no selection in a list", "parts}", "parts, layers: [1, x]}", "7:52", "analyses.a.layers.1", "expected 'all'"),
    Case(
        "too large a number",
        "a.txt",
        f"a.txt, limit: {9**30}",
        "5:40",
        "corpora.c.limit",
        "at most 9223372036854775807",
    ),
    Case("too many digits", "a.txt", f"a.txt, limit: {'9' * 5000}", "5:40", "corpora.c.limit", "is too large a number"),
    Case("quote that is never closed", "a.txt", '"a.txt', "5:26", "", "the quote that opens here is never closed"),
    Case(
        "bracket closed later", "}\ncorpora", "\ncorpora", "4:8", "", "the bracket that is open here stands at line 3"
    ),
    Case("indent of no entry", "", " x: {}", "8:2", "", "this stands under no entry above it"),
    Case("name of two lines", "a: {corpus", '"a\\n": {corpus', "7:3", "analyses.'a\\n'", "a name starts with a letter"),
    Case(
        "absent folder in a matrix",
        "{load: ./toy}",
        "{matrix: {load: [./toy, ./x]}}",
        "3:30",
        "models.m.matrix.load.1",
        "ex",
    ),
    Case(
        "layer the decomposition lacks", "parts}", "blocks, layers: 0}", "7:49", "analyses.a.layers", "run from 1 to 6"
    ),
    Case(
        "unknown thing to keep",
        "parts}",
        "parts, keep: [term]}",
        "7:47",
        "analyses.a.keep.0",
        "expected 'terms'",
        "terms",
    ),
    Case("kept twice", "parts}", "parts, keep: [terms, terms]}", "7:54", "analyses.a.keep.1", "stands here twice"),
    Case("refused by the rules", "parts}", "causal}", "7:33", "analyses.a.decomposition", "needs a causal model"),
    Case(
        "bug in the rules", "parts}", "crash}", "7:33", "analyses.a.decomposition", "RuntimeError: a bug of the plugin"
    ),
    Case(
        "no derived metric",
        "",
        "derived: {d: {name: norm}}",
        "8:21",
        "derived.d.name",
        "only derived metrics stand here",
    ),
    Case("no rules", "parts}", "no_rules}", "7:33", "analyses.a.decomposition", "nothing returned no Rules"),
    Case("unknown setting", "", "compute: {devise: cpu}", "8:11", "compute.devise", "unknown key", "device"),
    Case(
        "two types allowed",
        "",
        "compute: {batch_tokens: x}",
        "8:25",
        "compute.batch_tokens",
        "expected 'auto' or a whole",
    ),
    Case("tag in a setting", "", "compute: {device: !x cpu}", "8:19", "compute.device", "the tag !x is not allowed"),
    Case("include is no list", "", "include: x.yaml", "8:10", "include", "expected a list of files"),
    Case("include is no name", "", "include: [3]", "8:11", "include.0", "expected the name of a file"),
    Case("absent include", "", "include: [x.yaml]", "8:11", "include", "there is no file 'x.yaml'"),
    Case("includes itself", "", "include: [spec.yaml]", "8:11", "include", "in a circle: spec.yaml -> spec.yaml"),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_mistake_is_one_problem_with_its_place(
    case: Case, folder: Path, problems: Callable[..., tuple[Problem, ...]]
):
    (folder / "spec.yaml").write_bytes(case.text.encode())
    (problem,) = problems("spec.yaml")
    assert (problem.file, f"{problem.line}:{problem.column}") == ("spec.yaml", case.place)
    assert problem.path == case.path
    assert case.says in problem.message
    assert problem.suggestion == case.suggestion
    assert str(problem).startswith(f"spec.yaml:{case.place}: ")


def test_no_message_speaks_the_language_of_the_validator(folder, problems):
    for case in CASES:
        (folder / "spec.yaml").write_bytes(case.text.encode())
        for problem in problems("spec.yaml"):
            for word in ("Input should", "Field required", "Extra inputs", "valid string", "pydantic", "type="):
                assert word not in problem.message


def test_the_spec_without_a_mistake_is_planned(folder, planned):
    (folder / "spec.yaml").write_text(BASE, encoding="utf-8")
    assert [step.node for step in planned("spec.yaml").steps] == ["m/a"]
