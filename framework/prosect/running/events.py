"""Progress as events: what the loop says, apart from how it is shown."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Began:
    """The work is known: so many tokens are to be computed, counted once per forward pass."""

    tokens: int
    steps: int


@dataclass(frozen=True)
class Note:
    """Something a user should read, in a full sentence."""

    text: str
    warning: bool = False


@dataclass(frozen=True)
class UnitDone:
    """One unit is computed and handed to the store."""

    node: str
    index: int
    units: int
    tokens: int


@dataclass(frozen=True)
class StepDone:
    """A step is finished and marked so; a derived one has no closure."""

    node: str
    closure_max: float | None


@dataclass(frozen=True)
class Ended:
    """Everything is done."""

    seconds: float


Event = Began | Note | UnitDone | StepDone | Ended
