"""Every example of README and docs runs and prints what it shows, or says why it is not run."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

from prosect.cli import main
from prosect.spec.reading import read_value
from support.pages import PAGES, Block, blocks, commands, matches

RUN = {"python", "yaml", "console"}
SHOWN = {"text", "toml"}
FOUND = [block for page in PAGES for block in blocks(page)]


def of_language(language: str) -> list[Block]:
    return [block for block in FOUND if block.language == language and block.reason is None]


def test_every_block_is_run_or_says_why_not():
    assert [str(block) for block in FOUND if block.language not in RUN | SHOWN and not block.reason] == []


@pytest.mark.parametrize("page", sorted({block.page for block in of_language("python")}), ids=lambda p: p.name)
def test_python_prints_what_the_page_shows(page, inside, capsys):
    names: dict[str, object] = {"__name__": "example"}
    for block in of_language("python"):
        if block.page == page:
            exec(compile("\n" * block.line + block.text, page, "exec"), names)
            real = capsys.readouterr().out
            assert block.output is None or matches(block.output, real), f"{block} prints:\n{real}"


@pytest.mark.parametrize("block", of_language("yaml"), ids=str)
def test_a_spec_is_valid(block, inside, capsys):
    """A part of a spec is laid over the quickstart's."""
    spec, quickstart = read_value(block.text), read_value(Path("specs/quickstart.yaml").read_text("utf-8"))
    if "prosect" not in spec:
        sections = {name: {**quickstart.get(name, {}), **part} for name, part in spec.items() if name != "include"}
        spec = quickstart | spec | sections
    Path("specs/example.yaml").write_text(json.dumps(spec), encoding="utf-8")
    assert main(["check", "specs/example.yaml"]) == 0, capsys.readouterr().err


@pytest.mark.parametrize("block", of_language("console"), ids=str)
def test_a_command_prints_what_the_page_shows(block, inside, capsys):
    for command, shown in commands(block):
        program, *arguments = shlex.split(command, comments=True)
        assert program.removeprefix(".venv/bin/") == "prosect", (
            f"{block}: only prosect is run here; say why {program} is not"
        )
        main(arguments)
        printed = capsys.readouterr()
        assert matches(shown, printed.out + printed.err), f"{block}: $ {command}\n{printed.out}{printed.err}"
