"""Subsets of components whose sums are measured, read by a head or learned from by a probe. No torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Final, Literal

from prosect.api import UsageError

if TYPE_CHECKING:  # options need this module when a spec is checked, and numpy takes longer than all the rest
    import numpy as np
    import numpy.typing as npt

SUBSET: Final = "subset"
TOTAL: Final = "total"
UP_TO: Final = "to "
WITHOUT: Final = "all but "
#: 2^10 - 1 subsets: more are not asked for by mistake.
MOST: Final = 10

Row = Literal["all", "total", "singletons", "leave_one_out", "partial"]
Subsets = Row | tuple[str | tuple[str, ...], ...]


@dataclass(frozen=True)
class Subset:
    """Some of the components.

    Attributes
    ----------
    label
        Its name on the axis ``subset``: components joined by ``+``, ``total``, ``all but NAME``, or ``to NAME`` for all
        up to that one.
    members
        Places of its components, ascending.
    """

    label: str
    members: tuple[int, ...]


def subsets_of(wanted: Subsets, components: Sequence[str]) -> tuple[Subset, ...]:
    """List the subsets that an option asks for.

    Parameters
    ----------
    wanted
        ``all``: every non-empty subset, small ones first; ``total``: the sum of all components; ``singletons``: each
        by itself; ``leave_one_out``: the total, then all but one; ``partial``: all up to each; or a list whose entries
        are lists of components or names of subsets.
    components
        Labels in the order of the ``component`` axis.

    Raises
    ------
    UsageError
        There is no such component, an entry is empty or there twice, or ``all`` would be too many.
    """
    if wanted == "all":
        return tuple(_every(components))
    names = _row(wanted, components) if isinstance(wanted, str) else tuple(_name(one, components) for one in wanted)
    held = [_held(name, list(components)) for name in names]
    found = tuple(
        Subset(name, tuple(place for place, taken in enumerate(row) if taken))
        for name, row in zip(names, held, strict=True)
    )
    twice = next((one.label for one in found if sum(one.members == other.members for other in found) > 1), None)
    if twice is not None or not found:
        raise UsageError("'subsets' is empty" if twice is None else f"the subset {twice!r} stands here twice")
    return found


def _every(components: Sequence[str]) -> Iterator[Subset]:
    if len(components) > MOST:
        raise UsageError(
            f"{len(components)} components have {2 ** len(components) - 1:,} subsets; name those that are wanted, use "
            "'singletons' or 'leave_one_out', or a coarser decomposition"
        )
    for size in range(1, len(components) + 1):
        for members in combinations(range(len(components)), size):
            yield Subset("+".join(components[place] for place in members), members)


def _row(wanted: str, components: Sequence[str]) -> tuple[str, ...]:
    rows = {
        "total": (TOTAL,),
        "singletons": tuple(components),
        "leave_one_out": (TOTAL, *(f"{WITHOUT}{name}" for name in components)),
        "partial": tuple(f"{UP_TO}{name}" for name in components),
    }
    return rows[wanted]


def _name(entry: str | tuple[str, ...], components: Sequence[str]) -> str:
    """Name an entry of a list; components stand in the order of their axis."""
    if isinstance(entry, str):
        return entry
    if not entry or len(set(entry)) < len(entry):
        raise UsageError(f"the subset {list(entry)} is empty or names a component twice")
    known = [name for name in components if name in entry]
    return "+".join([*known, *(name for name in entry if name not in known)])


def coefficients(names: Sequence[str], labels: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Which components each sum holds, shape (subset, component).

    Raises
    ------
    UsageError
        A name is none of ``total``, a label, ``label+label``, ``to label`` and ``all but label``.
    """
    import numpy as np

    return np.array([_held(name, list(labels)) for name in names], dtype=np.bool_).reshape(len(names), len(labels))


def _members(name: str, labels: Sequence[str]) -> tuple[int, ...]:
    return tuple(place for place, held in enumerate(_held(name, list(labels))) if held)


def _held(name: str, labels: list[str]) -> list[bool]:
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
