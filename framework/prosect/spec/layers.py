"""Layer selections: ``all``, numbers, ranges ``"4-8"``, negatives from the end, and lists of these."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from prosect.spec.places import shown

_NUMBER: Final = re.compile(r"-?\d+")
_RANGE: Final = re.compile(r"(-?\d+)-(-?\d+)")
_FORMS: Final = "expected 'all', a number, a range such as \"4-8\", or a list of these"

LayerRange = tuple[int, int]


def parse_layer(item: object) -> LayerRange | None:
    """Read one item of a selection.

    Returns
    -------
    (first, last), or None
        As of `parse_layers`.

    Raises
    ------
    ValueError
        It is none; the message says what is wrong.
    """
    if isinstance(item, int) and not isinstance(item, bool):
        return item, item
    if not isinstance(item, str):
        raise ValueError(f"{_FORMS}, not {shown(item)}")  # noqa: TRY004 - to a spec's reader wrong types and values are one
    if item == "all":
        return None
    if _NUMBER.fullmatch(item):
        return int(item), int(item)
    if match := _RANGE.fullmatch(item):
        return int(match[1]), int(match[2])
    raise ValueError(f"{_FORMS}, not {shown(item)}")


def parse_layers(selection: object) -> tuple[LayerRange, ...] | None:
    """Read a selection without knowing the model.

    Returns
    -------
    tuple of (first, last), or None
        Inclusive ranges with negatives still counted from the end; None for all layers.

    Raises
    ------
    ValueError
        It is no selection; the message says what is wrong.
    """
    items = selection if isinstance(selection, list | tuple) else [selection]
    if not items:
        raise ValueError("the list names no layer")
    ranges = tuple(parse_layer(item) for item in items)
    return None if None in ranges else tuple(found for found in ranges if found is not None)


def expand_layers(selection: object, depth: int, first: int = 0) -> tuple[int, ...]:
    """Layers that a selection means for a model, ascending and each once.

    Parameters
    ----------
    selection
        As in a spec.
    depth
        Number of blocks L; layers are numbered 0 (embeddings) to L, and -1 means L.
    first
        The first layer a decomposition has: 0, or 1 where it starts with the first block.

    Raises
    ------
    ValueError
        It is no selection, or the model has no such layer; the message names L.
    """
    ranges = parse_layers(selection)
    if ranges is None:
        return tuple(range(first, depth + 1))
    return tuple(sorted({layer for found in ranges for layer in _layers(found, depth, first)}))


def _layers(found: LayerRange, depth: int, first: int) -> Iterator[int]:
    start, stop = (layer + depth + 1 if layer < 0 else layer for layer in found)
    for given, layer in zip(found, (start, stop), strict=True):
        if not first <= layer <= depth:
            raise ValueError(f"there is no layer {given}: L is {depth}, so layers run from {first} to {depth}")
    if start > stop:
        raise ValueError(f"the range {found[0]}-{found[1]} runs backwards (L is {depth})")
    yield from range(start, stop + 1)
