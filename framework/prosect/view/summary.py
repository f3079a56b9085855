"""What a store holds, in numbers: read from its metadata files alone, without zarr and xarray."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Literal

from prosect.planning.known import SENTENCES
from prosect.planning.records import StepRecord
from prosect.results.layout import SCHEMA, SCHEMA_VERSION
from prosect.results.values import jsonable
from prosect.store import journal
from prosect.store.identity import identify
from prosect.vocab.dims import COMPONENT, HEAD, HIDDEN, LAYER, OTHER_COMPONENT, SCOPE, SOURCE, SOURCE_TOKEN, TOKEN

ORDER: Final = (LAYER, COMPONENT, OTHER_COMPONENT, HEAD, SCOPE, TOKEN, SOURCE, SOURCE_TOKEN, HIDDEN)


@dataclass(frozen=True, kw_only=True)
class VariableSummary:
    """One variable; ``bytes`` on disk."""

    name: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    bytes: int


@dataclass(frozen=True, kw_only=True)
class NodeSummary:
    """One node.

    Attributes
    ----------
    state
        ``finished``, or ``allocated`` while units are missing.
    units_done, units
        Units that are complete, of all; 0 of a node that is written at once.
    sizes
        Length of every dimension.
    variables, coordinates
        Data variables, and coordinates.
    bytes
        On disk.
    closure_max, closure_tolerance
        Largest gap between the sum of the terms and the hidden state so far, and what the dtype allows where
        terms do not cancel; None where nothing is recorded.
    """

    path: str
    state: Literal["allocated", "finished"]
    units_done: int
    units: int
    sizes: Mapping[str, int]
    variables: tuple[VariableSummary, ...]
    coordinates: tuple[VariableSummary, ...]
    bytes: int
    closure_max: float | None
    closure_tolerance: float | None


@dataclass(frozen=True, kw_only=True)
class StoreSummary:
    """A store and its nodes, in the order of their paths."""

    path: str
    schema: str
    schema_version: int
    bytes: int
    nodes: tuple[NodeSummary, ...]

    def as_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {name: jsonable(value) for name, value in asdict(self).items()}


def summarise(store: Path) -> StoreSummary:
    """Read what a store holds; StoreError where it is none of ours."""
    identify(store)
    records = journal.steps(store).values()
    return StoreSummary(
        path=str(store),
        schema=SCHEMA,
        schema_version=SCHEMA_VERSION,
        bytes=_bytes(store),
        nodes=tuple(_node(store, record, stream) for record in records for stream in _streams(store, record)),
    )


def _streams(store: Path, record: StepRecord) -> Iterator[str]:
    """Streams of a step, then its other nodes."""
    yield from record.units
    own = store / record.node / SENTENCES
    # A variable may have that name, too.
    if (own / "zarr.json").is_file() and _metadata(own)["node_type"] == "group":
        yield SENTENCES


def _node(store: Path, record: StepRecord, stream: str) -> NodeSummary:
    path = journal.node_path(record.node, stream)
    attrs = _metadata(store / path)["attributes"]
    found = tuple(_variables(store / path))
    names = {*str(attrs.get("coordinates", "")).split(), *(dim for variable in found for dim in variable.dims)}
    entries = journal.entries(store, record.node, stream)
    return NodeSummary(
        path=path,
        state=record.state,
        units_done=len(entries),
        units=record.units.get(stream, 0),
        sizes=_sizes(found),
        variables=tuple(variable for variable in found if variable.name not in names),
        coordinates=tuple(variable for variable in found if variable.name in names),
        bytes=_bytes(store / path),
        closure_max=_largest("closure_max", attrs, entries),
        closure_tolerance=_largest("closure_tolerance", attrs, entries),
    )


def _variables(folder: Path) -> Iterator[VariableSummary]:
    for file in sorted(folder.glob("*/zarr.json")):
        metadata = _metadata(file.parent)
        if metadata["node_type"] == "array":
            yield VariableSummary(
                name=file.parent.name,
                dims=tuple(metadata.get("dimension_names") or ()),
                shape=tuple(metadata["shape"]),
                dtype=str(metadata["data_type"]),
                bytes=_bytes(file.parent),
            )


def _sizes(variables: tuple[VariableSummary, ...]) -> dict[str, int]:
    sizes = {dim: size for v in variables for dim, size in zip(v.dims, v.shape, strict=True)}
    return {dim: sizes[dim] for dim in sorted(sizes, key=lambda dim: ORDER.index(dim) if dim in ORDER else len(ORDER))}


def _largest(name: str, attrs: Mapping[str, Any], entries: Mapping[int, Mapping[str, Any]]) -> float | None:
    noted = (attrs.get(name), *(entry.get(name) for entry in entries.values()))
    numbers = [float(value) for value in noted if isinstance(value, int | float)]
    return max(numbers, default=None)


def _metadata(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "zarr.json").read_text(encoding="utf-8"))
    return found


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
