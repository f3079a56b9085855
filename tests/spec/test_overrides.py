"""``--set`` lays values over a spec; what it breaks is reported with ``--set`` as its place."""

from __future__ import annotations

import pytest

from prosect.spec.overrides import override
from prosect.spec.places import Document, Place, Span

DATA = {
    "prosect": 1,
    "models": {"minilm": {"load": "./x"}},
    "analyses": {"a": {"decomposition": "parts", "metrics": ["norm", {"name": "cosine"}], "layers": [1, 2, 3]}},
    "derived": None,
}
SPANS = {("models", "minilm", "load"): Span(Place("f", 1, 1), Place("f", 1, 2))}


def after(*overrides: str) -> dict:
    document, problems = override(Document(DATA, SPANS), overrides)
    assert problems == []
    return document.data


@pytest.mark.parametrize(
    ("text", "path", "value"),
    [
        ("models.minilm.dtype=float64", ("models", "minilm", "dtype"), "float64"),
        ("models.minilm.load=a=b", ("models", "minilm", "load"), "a=b"),
        ("models.minilm.config.id2label.0=x", ("models", "minilm", "config", "id2label", "0"), "x"),
        ("models.new={load: ./y}", ("models", "new", "load"), "./y"),
        ("compute.device=cpu", ("compute", "device"), "cpu"),
        ("compute={device: cpu}", ("compute", "device"), "cpu"),
        ("analyses.a.layers=[0, -1]", ("analyses", "a", "layers"), [0, -1]),
        ("analyses.a.layers.0=9", ("analyses", "a", "layers", 0), 9),
        ("analyses.a.layers.-1=9", ("analyses", "a", "layers", 2), 9),
        ("analyses.a.decomposition.by=head", ("analyses", "a", "decomposition"), {"name": "parts", "by": "head"}),
        ("analyses.a.metrics.0.order=1", ("analyses", "a", "metrics", 0), {"name": "norm", "order": 1}),
        ("models.minilm.revision=", ("models", "minilm", "revision"), None),
    ],
)
def test_a_value_is_set_at_its_path(text, path, value):
    found = after(text)
    for part in path:
        found = found[part]
    assert found == value


def test_the_last_of_two_settings_wins():
    assert after("prosect=2", "prosect=3")["prosect"] == 3


def test_what_is_given_stays_as_it_was():
    after("analyses.a.metrics.0=cosine", "models.minilm.load=./y")
    assert DATA["analyses"]["a"]["metrics"][0] == "norm"
    assert DATA["models"]["minilm"]["load"] == "./x"


def test_what_is_set_stands_on_the_command_line():
    document, _ = override(Document(DATA, SPANS), ["models.minilm.load=./y"])
    assert str(document.at_value(("models", "minilm", "load"), "wrong")) == "--set: models.minilm.load: wrong"


def test_an_item_set_from_the_end_stands_on_the_command_line_too():
    document, _ = override(Document(DATA), ["analyses.a.layers.-1=x"])
    assert document.span(("analyses", "a", "layers", 2)).value == Place("--set")


@pytest.mark.parametrize(
    ("text", "says", "suggestion"),
    [
        ("compute.device", "is not of the form path=value", None),
        ("=3", "is not of the form path=value", None),
        ("models..x=3", "is not of the form path=value", None),
        ("modles.x=3", "there is no section 'modles'", "models"),
        ("include=[x]", "there is no section 'include'", None),
        ("models.mnilm.dtype=float64", "there is no 'mnilm' in 'models'", "minilm"),
        ("derived.x.name=y", "there is no 'x' in 'derived'", None),
        ("corpora.c.limit=3", "there is no 'c' in 'corpora'", None),
        ("models.minilm.load.x=3", "'models.minilm.load' holds a single value", None),
        ("analyses.a.layers.x=3", "the list has 3 items, and 'x' names none of them", None),
        ("analyses.a.layers.3=3", "the list has 3 items, and 3 names none of them", None),
        ("analyses.a.layers=[1", "the value '[1' cannot be read", None),
    ],
)
def test_a_path_that_leads_nowhere_is_a_problem(text, says, suggestion):
    _, (problem,) = override(Document(DATA, SPANS), [text])
    assert (problem.file, problem.line) == ("--set", None)
    assert says in problem.message
    assert problem.suggestion == suggestion
