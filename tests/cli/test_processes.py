"""Exit codes, stdout and stderr of real processes."""

from __future__ import annotations

import json
import os
import signal

import pytest

from cli.conftest import PROGRAM
from prosect import __version__

#: Whoever runs the tests may ignore SIGINT, and a process inherits that.
LISTENING = """
import signal, sys
from prosect.cli import main
signal.signal(signal.SIGINT, signal.default_int_handler)
sys.exit(main())
"""
BUG = """
import sys
from prosect.cli import main
from prosect.planning import build
def broken(request):
    raise RuntimeError("a bug")
build.plan_request = broken
sys.exit(main())
"""


def test_a_right_spec_is_ok(prosect):
    assert prosect("check", "spec.yaml") == (0, "spec.yaml: ok (1 model, 1 corpus, 1 analysis, 1 step)\n", "")


def test_a_wrong_spec_is_2_with_every_problem_on_a_line_of_its_own(prosect, broken):
    code, out, error = prosect("check", "broken.yaml")
    assert (code, out) == (2, "")
    assert error.splitlines() == [
        "prosect: error: 2 problems",
        "broken.yaml:7:21: analyses.factors.corpus: there is no corpus 'idz'; did you mean 'ids'?",
        "broken.yaml:9:19: compute.device: expected 'auto', 'cpu' or 'cuda', not 'gpu'; did you mean 'cpu'?",
    ]


@pytest.mark.parametrize("command", ["check", "plan", "run"])
def test_with_json_problems_are_records(prosect, broken, command):
    code, out, error = prosect(command, "broken.yaml", "--json")
    found = json.loads(out)
    assert (code, found["ok"]) == (2, False)
    assert error.startswith("prosect: error: 2 problems\n")
    assert [problem["line"] for problem in found["problems"]] == [7, 9]
    assert found["problems"][1] == {
        "file": "broken.yaml",
        "line": 9,
        "column": 19,
        "path": "compute.device",
        "message": "expected 'auto', 'cpu' or 'cuda', not 'gpu'",
        "suggestion": "cpu",
        "code": "wrong-value",
    }


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["check", "nowhere.yaml"], "nowhere.yaml: there is no such file"),
        (
            ["check", "spec.yaml", "--set", "compute.divice=cpu"],
            "--set: compute.divice: unknown key; did you mean 'device'?",
        ),
        (["plan", "spec.yaml", "--replace", "tiny/factor"], "did you mean 'tiny/factors'?"),
        (["plan", "spec.yaml", "--out", "spec.yaml"], "spec.yaml is a file"),
        (["plan", "spec.yaml", "--out", "."], "is no store of prosect, and not empty"),
        (["show", "nowhere.zarr"], "nowhere.zarr"),
        (["plugins", "metric"], "there is no kind of plugin 'metric'; the kinds are"),
        (["frobnicate"], "invalid choice: 'frobnicate'"),
        (["check"], "required: SPEC"),
        ([], "required: COMMAND"),
        (["check", "spec.yaml", "--frob"], "unrecognized arguments: --frob"),
    ],
)
def test_wrong_arguments_are_2_without_a_traceback(prosect, arguments, says):
    code, out, error = prosect(*arguments)
    assert (code, out) == (2, "")
    assert says in error
    assert "error: " in error
    assert "Traceback" not in error


def test_a_spec_that_is_a_folder_or_no_text_is_2(prosect, folder):
    (folder / "image.yaml").write_bytes(b"\x89PNG\r\n\x1a\n\x00")
    for name in (".", "image.yaml"):
        code, _, error = prosect("check", name)
        assert code == 2
        assert "Traceback" not in error


def test_the_version_is_a_result(prosect):
    assert prosect("--version") == (0, f"prosect {__version__}\n", "")


def test_a_bug_shows_its_traceback_and_says_that_nothing_was_lost(prosect):
    code, out, error = prosect("check", "spec.yaml", program=BUG)
    assert (code, out) == (1, "")
    assert "nothing finished was lost" in error
    assert error.index("nothing finished was lost") < error.index("Traceback")
    assert "RuntimeError: a bug" in error


def test_an_interrupt_is_130_and_says_how_to_go_on(process, folder):
    os.mkfifo(folder / "endless.yaml")
    started = process("check", "endless.yaml", program=LISTENING)
    with (folder / "endless.yaml").open("w") as writer:  # returns once the process reads
        writer.write("prosect: 1\n")
        writer.flush()
        started.send_signal(signal.SIGINT)
    # The end of the file wakes a process that was just about to read when the signal came.
    _, error = started.communicate(timeout=60)
    assert started.returncode == 130
    assert error == "prosect: interrupted; finished units are kept, and the same command continues\n"


def test_a_reader_that_goes_away_is_no_error_to_speak_of(process, folder):
    started = process("schema")
    started.stdout.close()
    with started.stderr as messages:
        error = messages.read()
    started.wait(timeout=60)
    assert error == ""
    assert started.returncode == 1


def test_a_terminal_of_a_narrow_encoding_stops_nothing(prosect, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    code, out, _ = prosect("plan", "spec.yaml")
    assert code == 0
    assert "layers ? components" in out


@pytest.mark.parametrize("number", [1, 2])
def test_a_stream_that_is_closed_is_no_bug(folder, process, number):
    closing = f"import os, sys; os.close({number}); os.execv(sys.executable, [sys.executable, '-c', *sys.argv[1:]])"
    done = process(PROGRAM, "check", "spec.yaml", program=closing)
    out, error = done.communicate(timeout=120)
    assert (done.returncode, error) == (0, "")
    assert out == ("" if number == 1 else "spec.yaml: ok (1 model, 1 corpus, 1 analysis, 1 step)\n")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no device that is always full")
def test_a_full_disk_behind_stdout_is_a_message(folder, process):
    with open("/dev/full", "w") as full:
        done = process("plugins", stdout=full)
        _, error = done.communicate(timeout=120)
    assert (done.returncode, error) == (1, "prosect: error: the output cannot be written: No space left on device\n")
