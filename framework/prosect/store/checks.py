"""What a writer must obey, checked before anything is written."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from prosect.errors import StoreError
from prosect.model.tokens import Unit
from prosect.planning.records import StepRecord
from prosect.results.layout import ArrayLayout, NodeLayout
from prosect.store.journal import node_path
from prosect.vocab.dims import TOKEN

NODE: Final = re.compile(r"[^./][^/]*/[^./][^/]*")
NAME: Final = re.compile(r"[^\s./_][^\s/]*")


def check_step(layouts: Sequence[NodeLayout], record: StepRecord) -> None:
    """Check that layouts and record speak of the same step, streams and number of units."""
    if not NODE.fullmatch(record.node):
        raise StoreError(f"{record.node!r} is no path of a node; it must be MODEL/ANALYSIS, without further slashes")
    paths = {layout.path: layout for layout in layouts}
    wanted = {node_path(record.node, stream): number for stream, number in record.units.items()}
    if set(paths) != set(wanted):
        raise StoreError(f"{record.node}: layouts {sorted(paths)} do not match the streams {sorted(record.units)}")
    for path, number in wanted.items():
        _check_layout(paths[path], number)


def check_node(layout: NodeLayout, record: StepRecord) -> None:
    """Check a node that is written at once."""
    if not NODE.fullmatch(record.node) or layout.path != record.node:
        raise StoreError(f"{record.node!r} is no path of a node that is written at once as {layout.path!r}")
    _check_names(layout)


def _check_layout(layout: NodeLayout, units: int) -> None:
    _check_names(layout)
    expected = -(-layout.sizes[TOKEN] // layout.unit_tokens)
    if units != expected:
        raise StoreError(f"{layout.path}: the record says {units} units, but its tokens make {expected}")


def _check_names(layout: NodeLayout) -> None:
    names = [array.name for array in layout.arrays] + [coordinate.name for coordinate in layout.coordinates]
    odd = sorted({name for name in names if not NAME.fullmatch(name) or names.count(name) > 1})
    if odd:
        raise StoreError(f"{layout.path}: these names cannot be stored, or stand there twice: {odd}")


def check_region(layout: NodeLayout, unit: Unit, dim: str = TOKEN) -> None:
    """Refuse any range of tokens that is not exactly one unit, hence not whole shards.

    Two processes that write parts of one shard lose each other's data without a word.
    """
    length = layout.unit_length(dim)
    start = unit.index * length
    stop = min(start + length, layout.sizes[dim])
    if unit.index < 0 or (unit.start, unit.stop) != (start, stop) or start >= stop:
        raise StoreError(
            f"{layout.path}: tokens {unit.start} to {unit.stop} are not unit {unit.index} "
            f"({start} to {stop}); only whole units may be written, or writers lose each other's data"
        )


def check_data(layout: NodeLayout, arrays: Iterable[ArrayLayout], data: Mapping[str, object]) -> None:
    """Refuse data that lacks a variable or has one too many."""
    wanted = {array.name for array in arrays}
    if wanted != set(data):
        missing, unknown = sorted(wanted - set(data)), sorted(set(data) - wanted)
        raise StoreError(f"{layout.path}: variables missing from the data: {missing}; unknown ones: {unknown}")
