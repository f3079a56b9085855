"""JSON lines: what is malformed is named with file and line, and with what to do."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from prosect.api import Sentence
from prosect_plugins.corpora.options import JsonlOptions


@pytest.mark.parametrize(
    ("line", "options", "reason"),
    [
        (
            '{"text": "a"',
            {},
            "not valid JSON: Expecting ',' delimiter at column 13; every line must hold one JSON object",
        ),
        ("a plain line", {}, "not valid JSON: Expecting value at column 1"),
        ('["a"]', {}, "a list where a JSON object belongs"),
        ("3", {}, "a number where a JSON object belongs"),
        ("[" * 100_000, {}, "JSON that cannot be read: maximum recursion depth exceeded"),
        ('{"text": ' + "9" * 5000 + "}", {}, "JSON that cannot be read: Exceeds the limit"),
        ('{"sentence": "a"}', {}, "no field 'text' or 'words'; its fields: sentence; name the field of the sentence"),
        ("{}", {"words_field": None}, "no field 'text'; its fields: none"),
        ('{"text": null}', {}, "no field 'text' or 'words'; its fields: text"),
        ('{"text": 3}', {}, "field 'text' must be a string, not a number"),
        ('{"text": true}', {}, "field 'text' must be a string, not true or false"),
        ('{"text": "a", "words": ["a"]}', {}, "both text and words; set words_field to null to read 'text'"),
        ('{"words": "a b"}', {}, "field 'words' must be a list of strings, not a string"),
        ('{"words": ["a", null]}', {}, "field 'words' must be a list of strings; item 1 is null: None"),
        ('{"text": "a", "pair": 1}', {}, "field 'pair' must be a string, not a number"),
        ('{"words": ["a"]}', {"word_annotations": ["ner"]}, "no field 'ner'; its fields: words"),
        ('{"words": ["a"], "ner": []}', {"word_annotations": ["ner"]}, "annotation 'ner' has 0 values for 1 words"),
        ('{"words": ["a"], "ner": "O"}', {"word_annotations": ["ner"]}, "field 'ner' must be a list of plain values"),
        ('{"words": ["a"], "ner": [{}]}', {"word_annotations": ["ner"]}, "item 0 is an object: {}"),
        ('{"text": "a", "ner": ["O"]}', {"word_annotations": ["ner"]}, "annotations per word need words"),
        ('{"text": "a"}', {"annotations": ["id"]}, "no field 'id'; its fields: text"),
        ('{"text": "a", "id": [1]}', {"annotations": ["id"]}, "annotation 'id' must be one plain value, not a list"),
    ],
)
def test_a_malformed_record_of_jsonl_is_named(fault, line, options, reason):
    said = fault("jsonl", f"\n \n{line}\n", **options)
    assert said.startswith("corpus.txt:3: ")
    assert reason in said


@pytest.mark.parametrize(
    ("line", "options", "reason"),
    [
        ("{}", {}, "no field 'input_ids'; its fields: none"),
        ('{"input_ids": 3}', {}, "field 'input_ids' must be a list of integers from 0, not a number"),
        ('{"input_ids": [1, -1]}', {}, "item 1 is a number: -1"),
        ('{"input_ids": [1.0]}', {}, "item 0 is a number: 1.0"),
        ('{"input_ids": [true]}', {}, "item 0 is true or false: True"),
        ('{"input_ids": [1], "token_type_ids": []}', {}, "0 token_type_ids for 1 input_ids; it needs one each"),
        ('{"input_ids": [1], "decoder_input_ids": ["a"]}', {}, "item 0 is a string: 'a'"),
        ('{"input_ids": [1]}', {"token_annotations": ["pos"]}, "no field 'pos'"),
        ('{"input_ids": [1], "pos": [1, 2]}', {"token_annotations": ["pos"]}, "has 2 values for 1 tokens"),
    ],
)
def test_a_malformed_record_of_token_ids_is_named(fault, line, options, reason):
    said = fault("token_ids", f"\n{line}\n", **options)
    assert said.startswith("corpus.txt:2: ")
    assert reason in said


def test_a_record_needs_a_field_for_its_sentence():
    with pytest.raises(ValidationError, match="text_field and words_field are both null"):
        JsonlOptions(path="a", text_field=None, words_field=None)


def test_fields_may_have_other_names_and_pairs_may_be_left_out(read):
    content = '{"premise": "a", "hypothesis": "b", "pair": "c"}'
    assert list(read("jsonl", content, text_field="premise", pair_field="hypothesis")) == [Sentence(text="a", pair="b")]
    assert list(read("jsonl", content, text_field="premise", pair_field=None)) == [Sentence(text="a")]


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
ROWS = st.lists(st.tuples(st.text(), SCALARS))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(rows=ROWS, label=SCALARS, ascii_only=st.booleans())
def test_words_and_annotations_written_are_read(read, rows, label, ascii_only):
    words, values = [word for word, _ in rows], [value for _, value in rows]
    record = {"words": words, "tag": values, "label": label}
    content = json.dumps(record, ensure_ascii=ascii_only)
    (found,) = read("jsonl", content, word_annotations=["tag"], annotations=["label"])
    assert found == Sentence(words=tuple(words), word_annotations={"tag": tuple(values)}, annotations={"label": label})
