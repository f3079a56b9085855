"""YAML text becomes plain data, and every part knows its place."""

from __future__ import annotations

import json
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prosect.spec.places import Place, Span
from prosect.spec.reading import MAX_DEPTH, read_value, read_yaml

TEXT = st.text(alphabet=string.printable + "äß€😀", max_size=12)
SCALARS = (
    st.none() | st.booleans() | st.integers(-(10**9), 10**9) | st.floats(allow_nan=False, allow_infinity=False) | TEXT
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4), max_leaves=20
)


def data(text: str) -> dict[str, object]:
    document, problems = read_yaml(text, "f")
    assert problems == ()
    return dict(document.data)


@settings(max_examples=50)
@given(st.dictionaries(TEXT, VALUES, max_size=5))
def test_whatever_json_can_say_is_read_back(value):
    assert data(json.dumps(value)) == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("yes", "yes"),
        ("No", "No"),
        ("true", True),
        ("~", None),
        ("012", 12),
        ("0o12", 10),
        ("0x1F", 31),
        ("1_000", "1_000"),
        ("1:30", "1:30"),
        ("1e3", 1000.0),
        (".inf", float("inf")),
        ("2024-01-01", "2024-01-01"),
        ("=", "="),
        ("!!str 3", "3"),
        ("!!float 3", 3.0),
        ("{a: [1, {b: c}]}", {"a": [1, {"b": "c"}]}),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text, value):
    assert data(f"a: {text}") == {"a": value}
    assert type(data(f"a: {text}")["a"]) is type(value)


def test_every_key_and_value_knows_its_place():
    document, _ = read_yaml("a:\n  - b\n  - c: 1\n    d: {e: 2}\n", "f.yaml")
    assert document.spans["a",].key == Place("f.yaml", 1, 1)
    assert document.spans["a",].value == Place("f.yaml", 2, 3)
    assert document.spans["a", 1, "c"] == Span(Place("f.yaml", 3, 5), Place("f.yaml", 3, 8))
    assert document.spans["a", 1, "d", "e"] == Span(Place("f.yaml", 4, 9), Place("f.yaml", 4, 12))


def test_an_empty_value_stands_where_its_key_does():
    document, _ = read_yaml("a:\n\n\nb: 1\n", "f")
    assert document.spans["a",].value == Place("f", 1, 1)


def test_half_a_character_is_a_problem():
    _, (problem,) = read_yaml('a: "x\\ud83d"', "f")
    assert (problem.column, problem.path) == (4, "a")


def test_an_anchor_may_be_used_and_set_again():
    assert data("a: &x [1]\nb: *x\nc: &x 2\nd: *x") == {"a": [1], "b": [1], "c": 2, "d": 2}


def test_aliases_share_no_data():
    found = data("a: &x [1]\nb: *x")
    found["a"].append(2)
    assert found["b"] == [1]


def test_every_duplicate_key_is_reported_and_the_first_value_stays():
    document, problems = read_yaml("a: 1\nb: {c: 1, c: 2}\na: 3\na: 4\n", "f")
    assert [str(problem) for problem in problems] == [
        "f:2:11: b.c: the key stands here again; it was first given at line 2",
        "f:3:1: a: the key stands here again; it was first given at line 1",
        "f:4:1: a: the key stands here again; it was first given at line 1",
    ]
    assert document.data == {"a": 1, "b": {"c": 1}}


def test_every_tag_is_reported():
    _, problems = read_yaml("a: !x 1\nb: !!set {c}\nc: !!python/object:os.system {}\n", "f")
    assert [problem.line for problem in problems] == [1, 2, 3]


def test_aliases_cannot_blow_a_document_up():
    lines = ["a0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    document, problems = read_yaml("\n".join(lines), "f")
    assert document is None
    assert "aliases expand to more than" in problems[0].message


def test_nesting_has_a_limit():
    deep = "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)
    document, problems = read_yaml(f"a: {deep}", "f")
    assert document is None
    assert problems[0].message == "lists and mappings are nested more than 64 deep"


@pytest.mark.parametrize(("text", "says"), [("", "is empty"), ("# only this", "is empty"), ("[1]", "is a mapping")])
def test_the_root_is_a_mapping(text, says):
    document, problems = read_yaml(text, "f")
    assert document is None
    assert str(problems[0]).startswith("f:1:1: ")
    assert says in problems[0].message


@given(st.text(max_size=40))
def test_no_text_whatever_ends_in_a_traceback(text):
    document, problems = read_yaml(text, "f")
    assert document is not None or problems


def test_a_value_of_the_command_line_is_yaml():
    assert read_value("[1, -1]") == [1, -1]
    assert read_value("") is None
    with pytest.raises(ValueError, match="not valid YAML"):
        read_value("[1")
