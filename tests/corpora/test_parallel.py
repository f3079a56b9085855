"""Parallel files stay in step, or it is said by how many lines they differ."""

from __future__ import annotations

import pytest


@pytest.fixture
def files(tmp_path):
    def write(**contents):
        for name, content in contents.items():
            (tmp_path / name).write_text(content, encoding="utf-8", newline="")
        names = list(contents)
        return {"source": names[0], "target": names[1], "references": names[2:]}

    return write


def test_unequal_numbers_of_lines_are_named_before_the_first_sentence(read, fault, files):
    options = files(en="1\n2\n3\n", de="1\n2\n")
    said = fault("parallel", **options)
    assert said == "the files of a parallel corpus must have the same number of lines: en has 3 lines, de has 2 lines"


def test_a_shorter_reference_is_named_too(fault, files):
    options = files(en="1\n2\n", de="1\n2\n", fr="1\n")
    assert fault("parallel", **options).endswith("en has 2 lines, de has 2 lines, fr has 1 lines")


def test_line_ends_and_a_missing_last_one_do_not_matter(read, files):
    options = files(en="one\r\ntwo\r\n", de="eins\nzwei")
    assert [(s.text, s.targets) for s in read("parallel", **options)] == [("one", ("eins",)), ("two", ("zwei",))]


def test_sentences_come_one_by_one(read, files):
    options = files(en="line\n" * 10_000, de="Zeile\n" * 10_000)
    assert next(read("parallel", **options)).targets == ("Zeile",)


def test_every_file_that_is_missing_is_named(fault, files):
    options = files(en="1\n", de="1\n") | {"references": ["gone"]}
    assert fault("parallel", **options) == "gone: cannot be read: No such file or directory"
