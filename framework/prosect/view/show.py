"""What ``prosect show`` prints."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from prosect.planning.model import DERIVED
from prosect.view.summary import NodeSummary, VariableSummary, summarise

KILO: Final = 1000


def show(store: str | Path) -> str:
    """Describe a store: its tree, sizes, types, bytes on disk, closure and state."""
    found = summarise(Path(store))
    head = f"{found.path}  {found.schema} {found.schema_version}, {size(found.bytes)}"
    nodes = ["\n".join(_node(node)) for node in found.nodes]
    return "\n\n".join([head, *(nodes or ["no steps yet"])])


def as_json(store: str | Path) -> dict[str, Any]:
    """Describe a store as plain JSON, with the same content as `show`."""
    return summarise(Path(store)).as_json()


def size(number: float) -> str:
    """Bytes in decimal units, for example ``2.1 MB``."""
    unit = "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if number < KILO:
            break
        number, unit = number / KILO, larger
    return f"{number:.0f} {unit}" if unit == "B" else f"{number:.1f} {unit}"


def _node(node: NodeSummary) -> Iterator[str]:
    measured = node.units > 0 and not node.path.startswith(f"{DERIVED}/")
    closure = [_closure(node)] if measured else []
    yield f"{node.path}  {', '.join((_state(node), *closure, size(node.bytes)))}"
    yield "  " + ", ".join(f"{dim} {length:,}" for dim, length in node.sizes.items())
    rows = [(v.name, f"({', '.join(v.dims)})", v.dtype, size(v.bytes)) for v in node.variables]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, dims, dtype, bytes_ in rows:
        yield f"  {name:<{widths[0]}}  {dims:<{widths[1]}}  {dtype:<{widths[2]}}  {bytes_:>{widths[3]}}"
    for dims, names in _by_dims(node.coordinates).items():
        yield f"  on {dims}: {', '.join(names)}" if dims else f"  the same for all: {', '.join(names)}"


def _state(node: NodeSummary) -> str:
    return "finished" if node.state == "finished" or node.units == 0 else f"{node.units_done} of {node.units} units"


def _closure(node: NodeSummary) -> str:
    if node.closure_max is None:
        return "closure not recorded"
    allowed = "" if node.closure_tolerance is None else f" (tolerance {node.closure_tolerance:.1g})"
    return f"closure {node.closure_max:.1e}{allowed}"


def _by_dims(coordinates: tuple[VariableSummary, ...]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for coordinate in coordinates:
        if coordinate.dims != (coordinate.name,):
            found.setdefault(", ".join(coordinate.dims), []).append(coordinate.name)
    return found
