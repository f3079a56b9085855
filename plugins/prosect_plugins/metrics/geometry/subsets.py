"""Sums of components that a measure looks at, by name. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from prosect.api import UsageError

COMPONENT: Final = "component"
SUBSET: Final = "subset"
TOTAL: Final = "total"
UP_TO: Final = "to "
WITHOUT: Final = "all but "

#: What ``component`` may say for a whole row of sums, which then stand on the dimension ``subset``.
ROWS: Final = ("partial", "leave_one_out", "all")


def subset_axes(component: str | list[str]) -> tuple[str, ...]:
    """Dimension that the option ``component`` gives: none for a single sum."""
    if component == "each":
        return (COMPONENT,)
    return (SUBSET,) if isinstance(component, list) or component in ROWS else ()


def number_of_subsets(component: str | list[str], components: int | None) -> int | None:
    """How many sums there are; None where the labels are not known."""
    if isinstance(component, list):
        return len(component)
    if component not in ("each", *ROWS):
        return 1
    return None if components is None else len(subset_names(component, [str(n) for n in range(components)]))


def subset_names(component: str | list[str], labels: Sequence[str]) -> tuple[str, ...]:
    """Names of the sums, in the order of their axis."""
    if isinstance(component, list):
        return tuple(component)
    if component == "each":
        return tuple(labels)
    partial = tuple(f"{UP_TO}{label}" for label in labels)
    without = tuple(f"{WITHOUT}{label}" for label in labels)
    rows = {
        "partial": partial,
        "leave_one_out": without,
        # The first partial sum is a component, the last one the total.
        "all": (*labels, *partial[1:-1], *(without if len(labels) > 2 else ()), TOTAL),  # noqa: PLR2004 - as above
    }
    return rows.get(component, (component,))


def coefficients(names: Sequence[str], labels: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Which components each sum holds, shape (subset, component).

    Raises
    ------
    UsageError
        A name is none of ``total``, a label, ``label+label``, ``to label`` and ``all but label``.
    """
    return np.array([_row(name, list(labels)) for name in names], dtype=np.bool_).reshape(len(names), len(labels))


def _row(name: str, labels: list[str]) -> list[bool]:
    if name == TOTAL:
        return [True] * len(labels)
    if name.startswith(UP_TO):
        last = _place(name.removeprefix(UP_TO), labels)
        return [place <= last for place in range(len(labels))]
    if name.startswith(WITHOUT):
        left = _place(name.removeprefix(WITHOUT), labels)
        return [place != left for place in range(len(labels))]
    held = {_place(part, labels) for part in _parts(name)}
    return [place in held for place in range(len(labels))]


def _parts(name: str) -> Iterator[str]:
    yield from (part.strip() for part in name.split("+"))


def _place(label: str, labels: list[str]) -> int:
    if label not in labels:
        known = ", ".join(labels) if labels else "none, because labels are the tokens of each sentence"
        raise UsageError(
            f"there is no component {label!r}; there are {known}. A sum of components is 'total', 'a+b', 'to b' (all "
            "up to b) or 'all but b'"
        )
    return labels.index(label)
