"""Places, paths and near words."""

from __future__ import annotations

import pytest

from prosect.errors import Problem
from prosect.spec.places import Document, Place, Span, dotted, in_order, nearest, shown


def test_a_place_leaves_out_what_it_does_not_have():
    assert str(Place("f.yaml", 3, 5)) == "f.yaml:3:5"
    assert str(Place("--set")) == "--set"
    assert str(Place()) == ""


def test_what_is_absent_stands_where_its_nearest_ancestor_does():
    here = Span(Place("f", 1, 1), Place("f", 1, 4))
    document = Document({}, {("a",): here})
    assert document.span(("a", "b", 0)) == here
    assert document.span(("z",)) == Span(Place(), Place())
    assert document.at_value(("a",), "m").column == 4
    assert document.at_value(("a", "b"), "m").column == 1
    assert document.at_key(("a",), "m").column == 1


def test_a_path_is_dotted():
    assert dotted(("analyses", "a", "metrics", 0)) == "analyses.a.metrics.0"


@pytest.mark.parametrize(
    ("word", "valid", "meant"),
    [
        ("modles", ["models", "corpora"], "models"),
        ("MODELS", ["models"], "models"),
        ("norm", ["Norm"], "Norm"),
        ("xyz", ["models"], None),
        ("x", [], None),
        (3, [1, 33], "33"),
    ],
)
def test_the_nearest_word(word, valid, meant):
    assert nearest(word, valid) == meant


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "nothing"),
        (True, "true"),
        (1, "1"),
        ("a", "'a'"),
        ("a" * 100, "'" + "a" * 58 + "…"),
        ([1], "a list"),
        ([], "an empty one"),
        ({"a": 1}, "keys and values"),
    ],
)
def test_a_value_is_shown_as_a_spec_would_write_it(value, text):
    assert shown(value) == text


def test_problems_come_by_file_line_and_column_and_once():
    problems = [
        Problem(message="d", file="b", line=1, column=1),
        Problem(message="c", file="a", line=10, column=1),
        Problem(message="b", file="a", line=9, column=2),
        Problem(message="a", file="a", line=9, column=1),
        Problem(message="a", file="a", line=9, column=1),
        Problem(message="first"),
    ]
    assert [problem.message for problem in in_order(problems)] == ["first", "a", "b", "c", "d"]
