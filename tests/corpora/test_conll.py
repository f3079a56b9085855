"""Columns: which rows are words, and what is said where a row does not fit."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from prosect.api import Sentence
from prosect_plugins.corpora.options import ConllOptions


def words(sentences):
    return [sentence.words for sentence in sentences]


def test_without_columns_the_first_one_holds_the_words(read):
    assert list(read("conll", "a X\nb Y\n\nc Z")) == [Sentence(words=("a", "b")), Sentence(words=("c",))]


def test_columns_may_be_named_in_order_with_null_for_those_not_wanted(read):
    (found,) = read("conll", "1 a A x\n2 b B y\n", columns=[None, "form", None, "tag"])
    assert found == Sentence(words=("a", "b"), word_annotations={"tag": ("x", "y")})


def test_tabs_separate_where_a_line_has_them_unless_told_otherwise(read):
    assert words(read("conll", "a b\tX\nc d\n")) == [("a b", "c")]
    assert words(read("conll", "a b\tX\nc d\n", separator="tab")) == [("a b", "c d")]
    assert words(read("conll", "a b\tX\nc d\n", separator="whitespace")) == [("a", "c")]


def test_an_empty_column_between_tabs_keeps_its_place(read):
    (found,) = read("conll", "a\t\tX\n", columns={"form": 0, "lemma": 1, "tag": 2})
    assert found.word_annotations == {"lemma": ("",), "tag": ("X",)}


def test_comments_stand_before_a_sentence(read, fault):
    assert words(read("conll", "# one\n# two\na\n\n#begin\n\nb\n")) == [("a",), ("b",)]
    said = fault("conll", "a\n# O\nb\n")
    assert said.startswith("corpus.txt:2: a comment in the middle of a sentence")
    assert "set 'comment' to null" in said


def test_without_comments_a_number_sign_is_a_word(read):
    assert words(read("conll", "# NN\n1 CD\n", comment=None)) == [("#", "1")]


def test_ranges_and_empty_nodes_are_left_out_only_where_numbers_are_no_words(read):
    rows = "1-2\tdu\n1\tde\n2\tle\n2.1\tx\n"
    assert words(read("conll", rows, columns={"form": 1})) == [("de", "le")]
    assert words(read("conll", rows)) == [("1-2", "1", "2", "2.1")]


def test_a_document_mark_is_left_out_only_where_it_stands_alone(read):
    assert words(read("conll", "-DOCSTART- O\n\n-DOCSTART-\nx\n")) == [("-DOCSTART-", "x")]


@pytest.mark.parametrize("number", [2, 7, -3])
def test_a_row_with_too_few_columns_is_named(fault, number):
    said = fault("conll", "a X\nb Y\n", columns={"form": 0, "tag": number})
    assert said == f"corpus.txt:1: 2 columns, so no column {number} for 'tag'; check 'columns' and 'separator'"


def test_only_the_row_that_is_short_is_named(fault):
    assert fault("conll", "a X\n\nb X\nc\n", columns=["form", "tag"]).startswith(
        "corpus.txt:4: 1 columns, so no column 1"
    )


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"ner": 3}, "must name the column of the words once, as 'form'"),
        (["ner"], "must name the column of the words once, as 'form'"),
        (["form", "form"], "must name the column of the words once, as 'form'"),
        (["form", "ner", "ner"], "columns names one column twice"),
        ({}, "at least 1 item"),
        ({"form": "first"}, "valid integer"),
    ],
)
def test_columns_that_make_no_sense_are_refused_when_the_spec_is_checked(columns, reason):
    with pytest.raises(ValidationError, match=reason):
        ConllOptions(path="a", columns=columns)


CELL = st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), min_size=1, max_size=5)
SENTENCES = st.lists(st.lists(st.tuples(CELL, CELL), min_size=1, max_size=4), max_size=4)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(sentences=SENTENCES, tab=st.booleans())
def test_sentences_written_are_sentences_read(read, sentences, tab):
    separator = "\t" if tab else "  "
    content = "\n\n".join("\n".join(separator.join(row) for row in rows) for rows in sentences)
    found = list(read("conll", content, columns=["form", "tag"], comment=None))
    expected = [
        Sentence(words=tuple(form for form, _ in rows), word_annotations={"tag": tuple(tag for _, tag in rows)})
        for rows in sentences
    ]
    assert found == expected
