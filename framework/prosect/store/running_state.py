"""Running states of accumulators: a file per step, stream and worker, whole or not there, with the units it covers."""

from __future__ import annotations

import os
import uuid
import zipfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from prosect.errors import StoreError
from prosect.planning.records import step_folder
from prosect.store.atomic import PARTIAL, flush

FOLDER: Final = "running"
#: Name of the file of the process that holds the lock; the order of the others does not matter.
MAIN_WORKER: Final = "0"
UNITS: Final = "units"
STATE: Final = "state/"


@dataclass(frozen=True)
class SavedState:
    """What one worker had accumulated.

    Attributes
    ----------
    units
        Numbers of the units it covers.
    arrays
        The state, by name.
    """

    units: frozenset[int]
    arrays: Mapping[str, npt.NDArray[Any]]


def save(store: Path, node: str, stream: str, saved: SavedState, worker: str = MAIN_WORKER) -> None:
    """Write a state under a temporary name, flush it to the disk, and rename it into place."""
    path = _folder(store, node, stream) / f"{worker}.npz"
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}{PARTIAL}")
    contents: dict[str, Any] = {UNITS: np.array(sorted(saved.units), dtype=np.int64)}
    contents |= {f"{STATE}{name}": array for name, array in saved.arrays.items()}
    try:
        with temporary.open("wb") as file:
            np.savez(file, **contents)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    flush([path.parent])


def load(store: Path, node: str, stream: str) -> tuple[SavedState, ...]:
    """Read the states of a step's stream, in the order in which they are merged; StoreError where one is damaged.

    One that adds nothing to those before it is left out: a worker's state that another process has taken over.
    """
    found = {file.stem: _read(file) for file in sorted(_folder(store, node, stream).glob("*.npz"))}
    first = found.pop(MAIN_WORKER, None)
    covered: set[int] = set()
    kept = []
    for saved in (
        *(() if first is None else (first,)),
        *sorted(found.values(), key=lambda saved: min(saved.units, default=0)),
    ):
        if saved.units - covered:
            kept.append(saved)
            covered |= saved.units
    return tuple(kept)


def clear(store: Path, nodes: Collection[str]) -> None:
    """Remove the running states of steps that are finished."""
    for node in nodes:
        for file in (step_folder(store, node) / FOLDER).glob("*/*.npz"):
            file.unlink(missing_ok=True)


def _folder(store: Path, node: str, stream: str) -> Path:
    return step_folder(store, node) / FOLDER / stream


def _read(file: Path) -> SavedState:
    try:
        # numpy leaves a file that it cannot read open, unless it is given an open one
        with file.open("rb") as opened, np.load(opened, allow_pickle=False) as found:
            arrays = {name.removeprefix(STATE): found[name] for name in found.files if name != UNITS}
            return SavedState(frozenset(found[UNITS].tolist()), arrays)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise StoreError(f"{file}: is damaged ({error}); recompute the step with --replace") from error
