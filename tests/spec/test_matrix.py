"""A matrix stands for several models; their names can be kept in a store."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from prosect.spec.matrix import FIELDS, check_matrices, member_name, members
from prosect.spec.models import ModelSpec
from prosect.spec.places import Document

SAFE = re.compile(r"m(@[A-Za-z0-9._+=,-]+)?")


def test_without_a_matrix_an_entry_is_its_own_member():
    (member,) = members("m", ModelSpec(load="x", dtype="float64"))
    assert (member.name, member.values) == ("m", {})
    assert member.spec == ModelSpec(load="x", dtype="float64")


def test_members_are_all_combinations_the_last_field_fastest():
    entry = ModelSpec(load="x", matrix={"revision": ["a", "b"], "seed": [1, 2]})
    found = list(members("m", entry))
    assert [member.name for member in found] == ["m@a,1", "m@a,2", "m@b,1", "m@b,2"]
    assert found[1].spec == ModelSpec(load="x", revision="a", seed=2)
    assert found[1].values == {"revision": "a", "seed": 2}


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("main", "m@main"),
        ("owner/name", "m@owner-name"),
        ("./dir/x", "m@dir-x"),
        ("a  b", "m@a-b"),
        ("v1.2", "m@v1.2"),
        ("ä", "m@-"),
        ("a,b", "m@a-b"),
        (3, "m@3"),
        (-3, "m@-3"),
        ("", "m@-"),
        (0.5, "m@0.5"),
        (True, "m@true"),
        (None, "m@null"),
    ],
)
def test_values_become_safe_names(value, name):
    assert member_name("m", {"load": value}) == name


@given(st.lists(st.none() | st.booleans() | st.integers() | st.floats() | st.text(), min_size=1, max_size=3))
def test_every_name_is_safe_in_a_store(values):
    name = member_name("m", {str(index): value for index, value in enumerate(values)})
    assert SAFE.fullmatch(name)
    assert name.count(",") == len(values) - 1


def test_a_matrix_ranges_over_every_field_that_holds_a_scalar():
    assert set(FIELDS) == set(ModelSpec.model_fields) - {"matrix", "config"}


def test_a_value_that_does_not_fit_makes_no_member():
    with pytest.raises(ValidationError):
        list(members("m", ModelSpec(matrix={"seed": ["x"]})))


def test_every_fault_of_a_matrix_is_found():
    matrix = {"sed": [1], "seed": [1, "x", -1], "revision": ["a/b", "a b", "c"]}
    document = Document({"models": {"m": {"matrix": matrix}}})
    found = list(check_matrices(document))
    assert [problem.path for problem in found] == [
        "models.m.matrix.sed",
        "models.m.matrix.seed.1",
        "models.m.matrix.seed.2",
        "models.m.matrix.revision.1",
    ]
    assert found[0].suggestion == "seed"
