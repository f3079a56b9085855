"""Sums of components that a measure looks at, by name. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from prosect_plugins.subsets import SUBSET, TOTAL, UP_TO, WITHOUT, coefficients

COMPONENT: Final = "component"

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


__all__ = [
    "COMPONENT",
    "ROWS",
    "SUBSET",
    "TOTAL",
    "UP_TO",
    "WITHOUT",
    "coefficients",
    "number_of_subsets",
    "subset_axes",
    "subset_names",
]
