"""Showing events: a bar on a terminal, plain lines in a pipe, nothing but warnings when asked to be quiet."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from prosect.running.events import Began, Ended, Event, Note, StepDone, UnitDone

LINE_SECONDS: Final = 5.0


class Reporter(Protocol):
    """Shows events."""

    def __call__(self, event: Event) -> None:
        """Show one event."""
        ...

    def close(self) -> None:
        """Leave the terminal as it was, whatever happened."""
        ...


def reporter(stream: TextIO, *, quiet: bool) -> Reporter:
    """Choose how events are shown on a stream."""
    if quiet:
        return Quiet(stream)
    # A bar moves the cursor, which dumb terminals (editors, logs of batch systems) cannot.
    movable = stream.isatty() and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")
    return Bar(stream) if movable else Lines(stream)


@dataclass
class Quiet:
    """Writes warnings only."""

    stream: TextIO

    def __call__(self, event: Event) -> None:
        """Show one event."""
        if isinstance(event, Note) and event.warning:
            self.stream.write(f"prosect: {event.text}\n")

    def close(self) -> None:
        """Nothing to leave behind."""


@dataclass
class Speed:
    """Tokens per second and time left, from the tokens done since the beginning."""

    clock: Callable[[], float] = time.monotonic
    total: int = 0
    done: int = 0
    began: float = 0.0

    def begin(self, total: int) -> None:
        """Start the clock."""
        self.total, self.done, self.began = total, 0, self.clock()

    def add(self, tokens: int) -> None:
        """Count finished tokens."""
        self.done += tokens

    @property
    def per_second(self) -> float:
        """Tokens per second so far; 0 before anything is done."""
        passed = self.clock() - self.began
        return self.done / passed if passed > 0 else 0.0

    @property
    def left(self) -> float | None:
        """Seconds left at this speed; None while it is unknown."""
        return (self.total - self.done) / self.per_second if self.per_second > 0 else None


@dataclass
class Lines:
    """Writes plain lines, at most one about units every few seconds."""

    stream: TextIO
    clock: Callable[[], float] = time.monotonic
    speed: Speed = field(default_factory=Speed)
    _last: float = field(default=float("-inf"))

    def __post_init__(self) -> None:
        """Let both clocks be the same."""
        self.speed.clock = self.clock

    def __call__(self, event: Event) -> None:
        """Show one event."""
        if isinstance(event, Began):
            self.speed.begin(event.tokens)
        elif isinstance(event, UnitDone):
            self._unit(event)
        elif isinstance(event, Note | StepDone | Ended):
            self._write(sentence(event))

    def close(self) -> None:
        """Nothing to leave behind."""

    def _unit(self, event: UnitDone) -> None:
        self.speed.add(event.tokens)
        if self.clock() - self._last < LINE_SECONDS:
            return
        self._last = self.clock()
        left = "" if self.speed.left is None else f", {duration(self.speed.left)} left"
        speed = f"{self.speed.per_second:,.0f} tokens/s"
        self._write(f"{event.node}: unit {event.index + 1} of {event.units}, {speed}{left}")

    def _write(self, text: str) -> None:
        self.stream.write(f"prosect: {text}\n")
        self.stream.flush()


class Bar:
    """Shows a bar with tokens per second and time left, and notes above it."""

    def __init__(self, stream: TextIO) -> None:
        self._console = Console(file=stream)
        self._speed = Speed()
        self._task: TaskID | None = None
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("tokens  {task.fields[speed]}"),
            TimeRemainingColumn(),
            console=self._console,
        )

    def __call__(self, event: Event) -> None:
        """Show one event."""
        if isinstance(event, Began):
            self._begin(event)
        elif isinstance(event, UnitDone) and self._task is not None:
            self._speed.add(event.tokens)
            speed = f"{self._speed.per_second:,.0f} tokens/s"
            self._progress.update(self._task, advance=event.tokens, description=event.node, speed=speed)
        elif isinstance(event, Note | StepDone | Ended):
            self._console.print(f"prosect: {sentence(event)}", markup=False, highlight=False)

    def close(self) -> None:
        """Take the bar down."""
        self._progress.stop()

    def _begin(self, event: Began) -> None:
        self._speed.begin(event.tokens)
        if event.tokens:
            self._progress.start()
            self._task = self._progress.add_task("prosect", total=event.tokens, speed="")


def sentence(event: Note | StepDone | Ended) -> str:
    """Say an event in words."""
    if isinstance(event, Note):
        return event.text
    if isinstance(event, StepDone):
        closure = "" if event.closure_max is None else f", closure {event.closure_max:.1e}"
        return f"{event.node}: finished{closure}"
    return f"done in {duration(event.seconds)}"


def duration(seconds: float) -> str:
    """Write a duration as a person would: ``4.2 s``, ``3 min 5 s``, ``2 h 10 min``."""
    if seconds < 60:  # noqa: PLR2004 - seconds in a minute
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s"
