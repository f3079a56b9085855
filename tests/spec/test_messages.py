"""What a validator says, in the words of a spec: for any options model that a plugin may bring."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from prosect.spec.messages import problems_of
from prosect.spec.places import Document, Place, Span


class Inner(BaseModel):
    """A model inside an option."""

    model_config = ConfigDict(extra="forbid")

    depth: int = 0
    width: int | None = None


class Options(BaseModel):
    """Options of every type that a plugin is likely to use."""

    model_config = ConfigDict(extra="forbid")

    number: int = 0
    share: Annotated[float, Field(gt=0, le=1)] = 0.5
    word: Annotated[str, Field(min_length=2, max_length=3)] = "ab"
    switch: bool = False
    choice: Literal["red", "green"] = "red"
    either: Literal["auto"] | Annotated[int, Field(ge=1)] = "auto"
    items: tuple[int, ...] = ()
    few: Annotated[list[int], Field(min_length=1, max_length=2)] = Field(default=[1])
    table: dict[str, int] = Field(default={})
    inner: Inner | None = None
    inners: list[Inner] = Field(default=[])
    path: Path | None = None
    even: int = 2
    low: int = 0
    high: int = 9

    @field_validator("even")
    @classmethod
    def _is_even(cls, value: int) -> int:
        if value % 2:
            raise ValueError(f"{value} is odd.")
        return value

    @model_validator(mode="after")
    def _in_order(self) -> Options:
        if self.low > self.high:
            raise ValueError("low is above high")
        return self


def found(given: Mapping[str, Any], **more: Any) -> list[tuple[str, str, str | None]]:
    """Path, message and suggestion of every problem."""
    with pytest.raises(ValidationError) as caught:
        Options.model_validate(given)
    document = Document({"here": given})
    problems = problems_of(caught.value, Options, document, ("here",), **more)
    return [(problem.path, problem.message, problem.suggestion) for problem in problems]


@pytest.mark.parametrize(
    ("given", "path", "message"),
    [
        ({"number": "x"}, "number", "expected a whole number, not 'x'"),
        ({"number": 1.5}, "number", "expected a whole number, not 1.5"),
        ({"number": None}, "number", "expected a whole number, not nothing"),
        ({"number": {}}, "number", "expected a whole number, not keys and values"),
        ({"share": "x"}, "share", "expected a number, not 'x'"),
        ({"share": 0}, "share", "expected a number above 0.0, not 0"),
        ({"share": 2}, "share", "expected a number of at most 1.0, not 2"),
        ({"word": 3}, "word", "expected text, not 3"),
        ({"word": "a"}, "word", "expected at least 2 characters, not 'a'"),
        ({"word": "abcd"}, "word", "expected at most 3 characters, not 'abcd'"),
        ({"switch": "x"}, "switch", "expected true or false, not 'x'"),
        ({"switch": []}, "switch", "expected true or false, not an empty one"),
        ({"choice": True}, "choice", "expected 'red' or 'green', not true"),
        ({"either": 0}, "either", "expected 'auto' or a number of at least 1, not 0"),
        ({"items": 3}, "items", "expected a list, not 3"),
        ({"items": [1, "x", 2]}, "items.1", "expected a whole number, not 'x'"),
        ({"few": []}, "few", "expected a list of at least 1, not an empty one"),
        ({"few": [1, 2, 3]}, "few", "expected a list of at most 2, not a list"),
        ({"table": [1]}, "table", "expected keys and values, not a list"),
        ({"table": {"a": "x"}}, "table.a", "expected a whole number, not 'x'"),
        ({"inner": 3}, "inner", "expected keys and values, not 3"),
        ({"inner": {"depth": "x"}}, "inner.depth", "expected a whole number, not 'x'"),
        ({"inners": [{}, {"depth": "x"}]}, "inners.1.depth", "expected a whole number, not 'x'"),
        ({"path": 3}, "path", "expected text, not 3"),
        ({"even": 3}, "even", "3 is odd"),
        ({"low": 10}, "", "low is above high"),
    ],
)
def test_what_was_expected_is_said_and_what_was_given(given, path, message):
    assert found(given) == [(f"here.{path}".rstrip("."), message, None)]


@pytest.mark.parametrize(
    ("given", "path", "suggestion"),
    [
        ({"choise": "red"}, "choise", "choice"),
        ({"Number": 1}, "Number", "number"),
        ({"inner": {"dept": 1}}, "inner.dept", "depth"),
        ({"inners": [{"widht": 1}]}, "inners.0.widht", "width"),
        ({"choice": "gren"}, "choice", "green"),
        ({"either": "Auto"}, "either", "auto"),
    ],
)
def test_the_nearest_word_is_suggested(given, path, suggestion):
    ((where, message, meant),) = found(given)
    assert (where, meant) == (f"here.{path}", suggestion)
    assert message == "unknown key" or message.startswith("expected ")


def test_without_a_near_word_all_keys_are_named():
    ((_, message, suggestion),) = found({"inner": {"q": 1}})
    assert (message, suggestion) == ("unknown key; the keys here are: depth, width", None)


def test_keys_beside_those_of_the_model_are_suggested_too():
    assert found({"limt": 3}, valid=("limit",)) == [("here.limt", "unknown key", "limit")]
    assert found({"inner": {"limt": 3}}, valid=("limit",))[0][2] is None


def test_every_mistake_is_found():
    given = {"number": "x", "inner": {"depth": "x", "q": 1}, "items": ["x", "y"], "z": 1}
    paths = [path for path, _, _ in found(given)]
    assert paths == ["here.number", "here.items.0", "here.items.1", "here.inner.depth", "here.inner.q", "here.z"]


def test_a_required_key_is_missed_where_its_mapping_stands():
    class Needs(BaseModel):
        path: str

    with pytest.raises(ValidationError) as caught:
        Needs.model_validate({})
    here = Span(Place("f", 3, 5), Place("f", 3, 8))
    (problem,) = problems_of(caught.value, Needs, Document({"a": {"b": {}}}, {("a", "b"): here}), ("a", "b"))
    assert str(problem) == "f:3:5: a.b.path: the key 'path' is required"
    assert problem.code == "missing-key"
