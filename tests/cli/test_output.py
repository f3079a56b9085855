"""Tables, sizes and counts as a person reads them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prosect.cli.output import count, size, table


def test_columns_are_aligned_and_the_last_one_ends_with_its_text():
    assert table(("a", "n", "why"), [("long name", "1", "x"), ("b", "22", "")], frozenset({1})) == (
        "a           n  why\nlong name   1  x\nb          22"
    )


def test_a_cell_may_have_several_lines():
    assert table(("a", "b"), [("x", "one\ntwo"), ("y", "three")]) == "a  b\nx  one\n   two\ny  three"


def test_a_table_without_rows_is_its_headings():
    assert table(("a", "b"), []) == "a  b"


@given(st.lists(st.tuples(st.text("abc", max_size=5), st.text("abc", min_size=1, max_size=5))))
def test_every_line_begins_its_second_column_at_the_same_place(rows):
    lines = table(("x", "y"), rows).splitlines()
    width = max(1, *(len(row[0]) for row in rows)) if rows else 1
    assert [line[width : width + 2] for line in lines] == ["  "] * len(lines)


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (None, "?"),
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (2352, "2.3 KiB"),
        (5 * 2**30, "5.0 GiB"),
        (3000 * 2**40, "3000.0 TiB"),
    ],
)
def test_sizes(number, text):
    assert size(number) == text


def test_counts_agree_with_their_nouns():
    assert count(1, "step") == "1 step"
    assert count(2, "step") == "2 steps"
    assert count(0, "corpus", "corpora") == "0 corpora"
    assert count(1, "corpus", "corpora") == "1 corpus"
    assert count(12345, "token") == "12,345 tokens"
