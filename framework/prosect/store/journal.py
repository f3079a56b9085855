"""Reading and writing the journal: which steps a store has, and which of their units are complete."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from prosect.errors import StoreError
from prosect.planning.records import JOURNAL, StepRecord, finished_units, read_steps, step_folder
from prosect.store.atomic import write_text

MAIN: Final = "main"


def place(path: str) -> tuple[str, str]:
    """Step and stream of a node: ``m/a`` has the stream ``main``, ``m/a/decoder`` the stream ``decoder``."""
    model, analysis, *stream = path.split("/")
    return f"{model}/{analysis}", stream[0] if stream else MAIN


def node_path(node: str, stream: str) -> str:
    """Path of a stream's node; the inverse of `place`."""
    return node if stream == MAIN else f"{node}/{stream}"


def steps(store: Path) -> dict[str, StepRecord]:
    """Read all step records; StoreError where one is damaged."""
    try:
        return read_steps(store)
    except (ValueError, TypeError) as error:
        raise StoreError(
            f"{store}: a step record under {JOURNAL}/steps is damaged ({error}); write to another folder with --out"
        ) from error


def half_made(store: Path) -> frozenset[str]:
    """Nodes whose allocation or removal was cut short: they have a journal folder, but no record in it."""
    folders = (folder for folder in (store / JOURNAL / "steps").glob("*/*") if folder.is_dir())
    return frozenset(f"{f.parent.name}/{f.name}" for f in folders if not (f / "step.json").exists())


def write_record(store: Path, record: StepRecord) -> None:
    """Write a step's record."""
    write_text(step_folder(store, record.node) / "step.json", record.to_json())


def write_entry(store: Path, node: str, stream: str, unit: int, entry: Mapping[str, Any]) -> None:
    """Mark a unit as complete."""
    text = json.dumps(dict(entry), indent=1, sort_keys=True)
    write_text(step_folder(store, node) / "units" / stream / f"{unit}.json", text)


def entries(store: Path, node: str, stream: str) -> dict[int, dict[str, Any]]:
    """Read what was noted about each complete unit, in the order of the units."""
    folder = step_folder(store, node) / "units" / stream
    numbers = sorted(finished_units(store, node, stream))
    return {number: json.loads((folder / f"{number}.json").read_text(encoding="utf-8")) for number in numbers}


def missing_units(store: Path, record: StepRecord) -> dict[str, list[int]]:
    """Stream -> units that are not complete; streams without any are left out."""
    left = {s: sorted(set(range(n)) - finished_units(store, record.node, s)) for s, n in record.units.items()}
    return {stream: numbers for stream, numbers in left.items() if numbers}
