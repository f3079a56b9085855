"""What a user sees while a run goes on."""

import io

import pytest

from prosect.running.events import Began, Ended, Note, StepDone, UnitDone
from prosect.running.progress import Bar, Lines, Quiet, Speed, duration, reporter


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def unit(index):
    return UnitDone("m/a", index, 4, 1000)


def test_in_a_pipe_there_are_plain_lines_with_speed_and_time_left():
    clock, stream = Clock(), io.StringIO()
    report = Lines(stream, clock)
    report(Began(4000, 1))
    for index in range(4):
        clock.now += 2.0
        report(unit(index))
    report(StepDone("m/a", 1.5e-7))
    report(Ended(8.0))
    lines = stream.getvalue().splitlines()
    assert lines[0] == "prosect: m/a: unit 1 of 4, 500 tokens/s, 6.0 s left"
    assert lines[1] == "prosect: m/a: unit 4 of 4, 500 tokens/s, 0.0 s left"
    assert lines[2:] == ["prosect: m/a: finished, closure 1.5e-07", "prosect: done in 8.0 s"]
    assert "\x1b" not in stream.getvalue()


def test_quiet_shows_warnings_and_nothing_else():
    stream = io.StringIO()
    report = reporter(stream, quiet=True)
    for event in (Began(10, 1), unit(0), Note("a remark"), StepDone("m/a", 0.0), Ended(1.0)):
        report(event)
    assert stream.getvalue() == ""
    report(Note("3 sentences cut", warning=True))
    assert stream.getvalue() == "prosect: 3 sentences cut\n"
    assert isinstance(report, Quiet)


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_on_a_terminal_there_is_a_bar_with_tokens_per_second(monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    stream = Terminal()
    report = reporter(stream, quiet=False)
    assert isinstance(report, Bar)
    report(Began(2000, 1))
    report(unit(0))
    report(unit(1))
    report(StepDone("m/a", 1e-7))
    report.close()
    assert "tokens/s" in stream.getvalue()
    assert "m/a: finished" in stream.getvalue()
    assert isinstance(reporter(io.StringIO(), quiet=False), Lines)


@pytest.mark.parametrize("term", ["dumb", "unknown"])
def test_a_terminal_that_cannot_move_its_cursor_gets_lines(monkeypatch, term):
    monkeypatch.setenv("TERM", term)
    assert isinstance(reporter(Terminal(), quiet=False), Lines)


def test_nothing_is_promised_before_the_first_token():
    clock = Clock()
    speed = Speed(clock)
    speed.begin(100)
    assert speed.left is None
    clock.now = 2.0
    speed.add(50)
    assert (speed.per_second, speed.left) == (25.0, 2.0)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (59.94, "59.9 s"), (185, "3 min 5 s"), (7800, "2 h 10 min")]
)
def test_durations_read_as_a_person_would_say_them(seconds, text):
    assert duration(seconds) == text
