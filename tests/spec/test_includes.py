"""Specs in several files."""

from __future__ import annotations

from pathlib import Path

import pytest

from prosect.spec.includes import read_files
from prosect.spec.loading import read_spec


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)

    def write(**files: str) -> None:
        for name, text in files.items():
            path = tmp_path / f"{name.replace('__', '/')}.yaml"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, encoding="utf-8")

    return write


def test_entries_of_all_files_come_together(write):
    write(
        spec="prosect: 1\ninclude: [more/models.yaml, corpora.yaml]\nanalyses: {a: {corpus: c, decomposition: d}}",
        more__models="models: {m: {load: x}}",
        corpora="corpora: {c: {kind: k}}\nmodels: {n: {load: y}}",
    )
    draft = read_spec("spec.yaml")
    assert draft.problems == ()
    assert list(draft.models) == ["m", "n"]
    assert list(draft.spec().corpora) == ["c"]


def test_places_and_folders_are_those_of_the_file_that_declares_an_entry(write, tmp_path):
    write(
        spec="prosect: 1\ninclude: [more/models.yaml]\ncorpora: {c: {kind: k}}\nanalyses: {}",
        more__models="models:\n  m: {load: 3}",
    )
    draft = read_spec("spec.yaml")
    assert "more/models.yaml:2:13: models.m.load: expected text, not 3" in map(str, draft.problems)
    assert draft.folder_of("models", "m") == tmp_path / "more"
    assert draft.folder_of("corpora", "c") == tmp_path


def test_an_include_counts_from_its_own_folder(write):
    write(
        spec="include: [more/a.yaml]",
        more__a="include: [b.yaml, ../c.yaml]",
        more__b="models: {b: {}}",
        c="models: {c: {}}",
    )
    assert list(read_files("spec.yaml").data["models"]) == ["b", "c"]


def test_a_name_defined_twice_names_both_places(write):
    write(spec="include: [b.yaml]\nmodels:\n  m: {load: x}", b="models:\n\n  m: {load: y}")
    merged = read_files("spec.yaml")
    assert [str(problem) for problem in merged.problems] == [
        "b.yaml:3:3: models.m: 'm' is already defined at spec.yaml:3:3"
    ]
    assert merged.data["models"]["m"] == {"load": "x"}


def test_one_name_in_two_sections_is_no_clash(write):
    write(spec="include: [b.yaml]\nmodels: {x: {}}", b="corpora: {x: {}}")
    assert read_files("spec.yaml").problems == []


def test_a_circle_is_shown_as_a_chain(write):
    write(a="include: [b.yaml]", b="include: [c.yaml]", c="x: 1\ninclude: [a.yaml]")
    (problem,) = read_files("a.yaml").problems
    assert problem.message.endswith("in a circle: a.yaml -> b.yaml -> c.yaml -> a.yaml")
    assert (problem.file, problem.line) == ("c.yaml", 2)


def test_a_file_included_on_two_ways_is_merged_once(write):
    write(spec="include: [a.yaml, b.yaml]", a="include: [c.yaml]", b="include: [c.yaml]", c="models: {m: {}}")
    merged = read_files("spec.yaml")
    assert merged.problems == []
    assert list(merged.data["models"]) == ["m"]


def test_settings_of_the_including_file_have_the_last_word(write):
    write(
        spec="include: [b.yaml]\ncompute: {device: cpu}", b="compute: {device: cuda, unit_tokens: 5}\nstore: {path: x}"
    )
    merged = read_files("spec.yaml")
    assert merged.data["compute"] == {"device": "cpu", "unit_tokens": 5}
    assert merged.data["store"] == {"path": "x"}


def test_a_broken_include_hides_no_other_file_and_makes_nothing_else_wrong(write):
    write(spec="prosect: 1\ninclude: [a.yaml, b.yaml, d.yaml]\nanalyses: {}", a="a: [", b="models: {m: {lod: x}}")
    problems = read_spec("spec.yaml").problems
    assert [(problem.file, problem.path) for problem in problems] == [
        ("a.yaml", ""),
        ("b.yaml", "models.m.lod"),
        ("spec.yaml", "include"),
    ]


def test_only_the_text_of_the_first_file_is_kept(write):
    write(spec="include: [b.yaml]  # first", b="models: {}")
    assert read_files("spec.yaml").text == "include: [b.yaml]  # first"


@pytest.mark.parametrize(
    ("content", "place", "says"),
    [
        (b"a: 1\nb: \xff\n", "f.yaml:2:4", "the file is not UTF-8 text"),
        (b"\x89PNG\r\n\x1a\n\x00", "f.yaml:1:1", "the file is not UTF-8 text"),
        (b"a: \x00\n", "f.yaml:1:4", "control character"),
        (b"", "f.yaml:1:1", "the spec is empty"),
    ],
)
def test_a_file_that_is_no_text_is_a_problem(tmp_path, monkeypatch, content, place, says):
    monkeypatch.chdir(tmp_path)
    Path("f.yaml").write_bytes(content)
    (problem,) = read_spec("f.yaml").problems
    assert str(problem).startswith(f"{place}: ")
    assert says in problem.message


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path):
    (tmp_path / "f.yaml").write_bytes(b"\xef\xbb\xbfprosect: 1\n")
    assert read_files(str(tmp_path / "f.yaml")).data == {"prosect": 1}


@pytest.mark.parametrize(("name", "says"), [("absent.yaml", "there is no such file"), (".", "the file cannot be read")])
def test_a_spec_that_cannot_be_opened_is_one_problem(tmp_path, monkeypatch, name, says):
    monkeypatch.chdir(tmp_path)
    (problem,) = read_spec(name).problems
    assert says in problem.message
    assert problem.file == name


def test_data_names_one_folder_for_the_paths_of_all_files(write, tmp_path):
    write(
        spec="prosect: 1\ninclude: [more/corpora.yaml]\nmodels: {m: {load: ./m}}\ndata: texts\nstore: {path: s.zarr}",
        more__corpora="corpora: {c: {kind: k}}",
    )
    draft = read_spec("spec.yaml")
    assert {draft.folder_of("corpora", "c"), draft.folder_of("models", "m")} == {tmp_path / "texts"}
    assert draft.folder_of("store", "path") == tmp_path
    moved = read_spec("spec.yaml", ["data=more"])
    assert moved.folder_of("corpora", "c") == tmp_path / "more"


def test_data_that_is_no_text_is_a_problem_at_its_place(write):
    write(spec="prosect: 1\nmodels: {m: {load: x}}\ndata: [a]")
    found = [problem for problem in read_spec("spec.yaml").problems if problem.path == "data"]
    assert [(one.line, one.column, one.code) for one in found] == [(3, 7, "wrong-type")]
