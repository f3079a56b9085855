"""Sources are the same on every machine."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from support.pages import ROOT

TEXT = {".py", ".md", ".yaml", ".toml", ".txt", ".cff", ".json", ".jsonl", ""}
FOLDERS = ("framework", "plugins", "specs", "tests", "docs", "examples", "benchmarks", ".ci")
#: Folders that belong to one machine or one person.
OF_A_MACHINE = re.compile(r"(?<![\w.~/-])/(?:home|root|Users|work|mnt|media|data|scratch|opt|srv)/\w+|[A-Z]:\\\w")


def sources() -> list[Path]:
    found = [*ROOT.glob("[!.]*"), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))]
    return [p for p in found if p.is_file() and p.suffix in TEXT and "__pycache__" not in p.parts]


def places(text: str) -> list[str]:
    return OF_A_MACHINE.findall(text)


def test_no_source_names_a_folder_of_some_machine():
    found = {str(p.relative_to(ROOT)): places(p.read_text("utf-8")) for p in sources() if p != Path(__file__)}
    assert len(found) > 100
    assert {name: named for name, named in found.items() if named} == {}


@pytest.mark.parametrize("text", ["open('/home/ada/x')", "/root/venv", r"C:\Users"])
def test_such_a_folder_would_be_found(text):
    assert places(text)


@pytest.mark.parametrize("text", ["https://host/data/x", "tests/data/mickus", "and/or", "./work/x", "s3://b/home/x"])
def test_what_is_no_such_folder_is_not_found(text):
    assert not places(text)


def test_files_hold_the_number_of_lines_that_a_reader_can_hold():
    long = {p.name: len(p.read_text("utf-8").splitlines()) for p in sources() if p.suffix == ".py"}
    assert {name: lines for name, lines in long.items() if lines > 400} == {}


def test_nothing_is_left_to_do():
    marks = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b|NotImplementedError")
    code = [p for p in sources() if p.suffix == ".py" and p.parts[len(ROOT.parts)] in ("framework", "plugins", "docs")]
    assert [str(p.relative_to(ROOT)) for p in code if marks.search(p.read_text("utf-8"))] == []
