"""README, CI and Makefile say the same."""

from __future__ import annotations

import os
import re
import shlex
import subprocess

import pytest

from support.pages import ROOT

README = (ROOT / "README.md").read_text("utf-8")
CI = ROOT / ".ci" / "run"
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")


def commands_of_the_readme() -> list[str]:
    return re.findall(r"^python3 -m venv .*$", README, re.MULTILINE)


def test_the_readme_has_two_commands_each_of_one_line():
    run, test = commands_of_the_readme()
    assert run.endswith("prosect run specs/quickstart.yaml")
    assert test.endswith("pytest -q -n auto")
    assert all("-c constraints.txt" in command for command in (run, test))


def test_ci_runs_the_test_command_of_the_readme():
    (line,) = re.findall(r"^tests=\$\((.*)\)$", CI.read_text("utf-8"), re.MULTILINE)
    pattern = shlex.split(line)[2]
    assert [command for command in commands_of_the_readme() if re.match(pattern, command)] == commands_of_the_readme()[
        1:
    ]
    assert 'step eval "$tests"' in CI.read_text("utf-8")


def test_ci_can_be_run_and_stops_at_the_first_failure():
    assert os.access(CI, os.X_OK)
    assert "set -euo pipefail" in CI.read_text("utf-8")
    assert subprocess.run(["bash", "-n", str(CI)], check=False).returncode == 0


@pytest.mark.parametrize("word", ["setup", "test", "lint", "types", "docs", "bench", "check"])
def test_each_word_of_the_front_door_is_a_target_and_explained(word):
    assert re.search(rf"^{word}:.* ## \w", MAKEFILE, re.MULTILINE)
    assert f"`make {word}`" in (ROOT / "CONTRIBUTING.md").read_text("utf-8")
