"""What a release says of itself is said everywhere alike."""

from __future__ import annotations

import re
from importlib.metadata import metadata

import prosect
from prosect.spec.reading import read_value
from support.pages import ROOT

CHANGES = (ROOT / "CHANGELOG.md").read_text("utf-8")
CITATION = read_value((ROOT / "CITATION.cff").read_text("utf-8"))


def test_changes_and_citation_speak_of_the_version_that_is_installed():
    newest = re.search(r"^## \[(.+?)\]", CHANGES, re.MULTILINE)
    assert newest is not None
    assert {newest[1], str(CITATION["version"]), metadata("prosect")["Version"]} == {prosect.__version__}


def test_changes_are_in_the_sections_of_keep_a_changelog():
    sections = set(re.findall(r"^### (.+)$", CHANGES, re.MULTILINE))
    assert sections <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_the_citation_has_what_its_format_requires():
    assert str(CITATION["cff-version"]) == "1.2.0"
    assert {"message", "title", "authors"} <= CITATION.keys()
    assert CITATION["license"] == metadata("prosect")["License-Expression"] == "Apache-2.0"
    for reference in CITATION["references"]:
        assert {"type", "title", "authors", "year"} <= reference.keys()
        assert all({"family-names", "given-names"} == author.keys() for author in reference["authors"])


def test_the_licence_is_the_one_that_is_named():
    assert "Apache License" in (ROOT / "LICENSE").read_text("utf-8")
