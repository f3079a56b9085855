"""Alignments as text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prosect.api import UsageError
from prosect_plugins.alignment.links import Links, Notation, parse_line, parse_pharaoh, pharaoh, read_links

TALP = Notation("talp")
PHARAOH = Notation("pharaoh")


def links(sure, possible):
    return Links(frozenset(sure), frozenset(possible))


def test_talp_counts_from_one_and_sure_links_are_possible_too():
    assert parse_line("1-1 2p3 3-2", TALP) == links({(0, 0), (2, 1)}, {(0, 0), (1, 2), (2, 1)})


def test_pharaoh_counts_from_zero_and_knows_sure_links_only():
    assert parse_line("0-0 1-2\n", PHARAOH) == links({(0, 0), (1, 2)}, {(0, 0), (1, 2)})


def test_the_first_word_and_the_order_can_be_said():
    assert parse_line("0-2 1p0", Notation("talp", 0, "target-source")) == links({(2, 0)}, {(2, 0), (0, 1)})


def test_an_empty_line_has_no_links():
    assert parse_line("\n", TALP) == links((), ())


@pytest.mark.parametrize(
    ("line", "notation", "said"),
    [
        ("1-1 2:3", TALP, "'2:3' is no link of a talp alignment"),
        ("1p1", PHARAOH, "'1p1' is no link of a pharaoh alignment"),
        ("0-1", TALP, "'0-1' names a word before word 1"),
        ("1--1", TALP, "is no link"),
    ],
)
def test_what_is_no_link_is_named(line, notation, said):
    with pytest.raises(UsageError, match=said):
        parse_line(line, notation)


def test_a_file_has_one_line_per_pair_and_mistakes_have_their_place(tmp_path):
    path = tmp_path / "gold.talp"
    path.write_text("1-1\n\n2p1\n", "utf-8")
    assert [len(found.possible) for found in read_links(path, TALP)] == [1, 0, 1]
    path.write_text("1-1\n1_1\n", "utf-8")
    with pytest.raises(UsageError, match=r"gold\.talp:2: '1_1' is no link"):
        read_links(path, TALP)
    with pytest.raises(UsageError, match="nowhere"):
        read_links(tmp_path / "nowhere", TALP)


@given(st.frozensets(st.tuples(st.integers(0, 30), st.integers(0, 30))))
def test_pharaoh_lines_come_back(found):
    assert parse_pharaoh(pharaoh(found)) == found
