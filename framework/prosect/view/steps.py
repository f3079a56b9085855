"""Training steps read off the names of checkpoints, such as ``step1000``, ``checkpoint-500`` and ``step_20k``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

_WORDS: Final = r"(?:global[_-]?step|steps?|checkpoint|ckpt|iterations?|iter|updates?)"
_NAMED: Final = re.compile(rf"(?<![a-z]){_WORDS}[ ._=-]?(\d+)([km]?)(?![a-z\d])", re.IGNORECASE)
_BARE: Final = re.compile(r"\d+")
_FACTOR: Final = {"": 1, "k": 1_000, "m": 1_000_000}


def step_of(name: object) -> int | None:
    """Read the training step that a name of a checkpoint states.

    The last of ``step``, ``global_step``, ``checkpoint``, ``ckpt``, ``iter`` and ``update`` with a number counts (``k``
    and ``M`` multiply it); else a last part of a path that is a number alone. None where nothing says a step.
    """
    if not isinstance(name, str):
        return None
    if found := _NAMED.findall(name):
        number, factor = found[-1]
        return int(number) * _FACTOR[factor.lower()]
    last = re.split(r"[/\\]", name.rstrip("/\\"))[-1]
    return int(last) if _BARE.fullmatch(last) else None


def first_step(names: Iterable[object]) -> int | None:
    """Return the step that the first name with one states."""
    return next((step for name in names if (step := step_of(name)) is not None), None)
