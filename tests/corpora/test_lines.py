"""Lines of files from every system and in every encoding, one at a time."""

from __future__ import annotations

import codecs
from itertools import islice

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from prosect.api import Sentence
from prosect_plugins.corpora.options import TextOptions


def texts(sentences):
    return [sentence.text for sentence in sentences]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_ends_of_every_system_are_no_part_of_the_text(read, end):
    assert texts(read("text", f"one{end}two{end}{end}three")) == ["one", "two", "three"]


def test_other_characters_that_break_lines_are_part_of_the_text(read):
    line = "a\rb\x0bc\x0cd\x1ce\x85f\u2028g"
    assert texts(read("text", line + "\n")) == [line]


@pytest.mark.parametrize(
    ("mark", "encoding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF8, "UTF8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (b"", "utf-16"),
        (b"", "utf-8"),
    ],
)
def test_a_byte_order_mark_is_no_part_of_the_text(read, mark, encoding):
    if encoding == "utf-16-le":
        content, encoding = mark + "één\r\ntwee\n".encode(encoding), "utf-16"
    else:
        content = mark + "één\r\ntwee\n".encode(encoding)
    assert texts(read("text", content, encoding=encoding)) == ["één", "twee"]


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-32", "utf-16-be"])
def test_other_encodings_are_read(read, encoding):
    # U+0A0A has the byte of a line end in both halves, where the encoding has room for it.
    text = "Grüße" if encoding in ("latin-1", "cp1252") else "Grüße \u0a0a"
    assert texts(read("text", f"{text}\n\nzwei", encoding=encoding)) == [text, "zwei"]


def test_a_byte_order_mark_does_not_spoil_the_first_json_object(read):
    assert next(read("jsonl", codecs.BOM_UTF8 + b'{"text": "a"}\r\n')) == Sentence(text="a")


def test_a_line_in_another_encoding_is_named(fault):
    said = fault("text", b"one\ntwo\nGr\xfc\xdfe\nfour\n")
    assert said.startswith("corpus.txt:3: not utf-8: invalid start byte")
    assert "set 'encoding'" in said


def test_a_file_that_ends_inside_a_character_is_named(fault):
    assert fault("text", "one\ntwo€".encode()[:-1]).startswith("corpus.txt:2: not utf-8: unexpected end of data")


@pytest.mark.parametrize("encoding", ["utf-9", "hex", "rot13"])
def test_what_is_no_text_encoding_is_refused_when_the_spec_is_checked(encoding):
    with pytest.raises(ValidationError, match=f"'{encoding}' is no text encoding"):
        TextOptions(path="a", encoding=encoding)


def test_a_folder_in_place_of_a_file_is_named(fault, tmp_path):
    (tmp_path / "folder").mkdir()
    assert fault("text", path="folder") == "folder: cannot be read: Is a directory"


def test_a_file_that_is_not_there_is_named(fault):
    assert fault("text", path="gone.txt") == "gone.txt: cannot be read: No such file or directory"


@pytest.mark.parametrize("kind", ["text", "jsonl", "conll"])
def test_a_file_is_read_as_far_as_it_is_needed(read, kind):
    good = '{"text": "word"}\n\n' * 10_000
    sentences = read(kind, good.encode() + b"\xff\xff\n")
    assert len(list(islice(sentences, 10_000))) == 10_000


def test_an_empty_file_holds_nothing(read):
    assert all(list(read(kind, "")) == [] for kind in ("text", "jsonl", "token_ids", "conll"))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(lines=st.lists(st.text(st.characters(exclude_characters="\r\n", codec="utf-8"))), crlf=st.booleans())
def test_lines_written_are_lines_read(read, lines, crlf):
    content = "".join(line + ("\r\n" if crlf else "\n") for line in lines).encode()
    expected = [line for line in lines if line.strip()]
    if content.startswith(codecs.BOM_UTF8):
        expected = [line for line in [lines[0].removeprefix("\ufeff"), *lines[1:]] if line.strip()]
    assert texts(read("text", content)) == expected


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=50)
@given(lines=st.lists(st.text(st.characters(exclude_characters="\r\n", codec="utf-8"), min_size=1).filter(str.strip)))
def test_paragraphs_hold_every_word_once_and_in_order(read, lines):
    content = "\n".join("" if index % 3 == 2 else line for index, line in enumerate(lines))
    words = content.removeprefix("\ufeff").split()
    assert " ".join(texts(read("text", content, unit="paragraph"))).split() == words
