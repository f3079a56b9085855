"""Where results go, and what is there already."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Final

from prosect.errors import StoreError
from prosect.planning.records import JOURNAL, SCHEMA, SCHEMA_VERSION, StepRecord, read_steps
from prosect.spec.loading import Draft

IDENTITY: Final = "store.json"


def store_path(draft: Draft, out: str | os.PathLike[str] | None) -> Path | None:
    """Folder of the results.

    ``out`` counts from the working directory, ``store.path`` from the folder of the file that says
    so; else it is ``results/NAME.zarr`` beside the spec. None for a spec without a file that names no store.
    """
    if out is not None:
        return _local(os.fspath(out), Path.cwd())
    if draft.store.path is not None:
        return _local(draft.store.path, draft.folder_of("store", "path"))
    return None if draft.file is None else draft.folder / "results" / f"{Path(draft.file).stem}.zarr"


def stored_steps(store: Path | None) -> dict[str, StepRecord]:
    """Read what a store remembers; empty where there is none yet.

    Raises
    ------
    StoreError
        The folder is not ours, has another schema version, or its journal is damaged.
    """
    if store is None or not store.exists():
        return {}
    if not store.is_dir():
        raise StoreError(f"{store} is a file: the store of a run is a folder")
    identity = store / JOURNAL / IDENTITY
    if not identity.is_file():
        if any(entry.name != JOURNAL for entry in store.iterdir()):
            raise StoreError(f"{store} is no store of prosect, and not empty: choose another folder with --out")
        return {}
    _check_identity(store, identity)
    try:
        return read_steps(store)
    except (OSError, ValueError, TypeError) as error:
        raise StoreError(f"the journal of {store} is damaged: {error}") from error


def _check_identity(store: Path, identity: Path) -> None:
    try:
        found = json.loads(identity.read_text(encoding="utf-8"))
        known = found["schema"], found["schema_version"]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StoreError(f"{identity} cannot be read: {error}") from error
    if known != (SCHEMA, SCHEMA_VERSION):
        raise StoreError(
            f"{store} holds {known[0]} version {known[1]}, and this prosect writes {SCHEMA} version {SCHEMA_VERSION}: "
            "choose another folder with --out, or use the prosect that wrote it"
        )


def _local(path: str, folder: Path) -> Path:
    if "://" in path:
        raise StoreError(f"{path} is a URL: results are written to a local folder")
    found = Path(os.path.abspath(folder / os.path.expanduser(path)))
    if os.path.isfile(found):
        raise StoreError(f"{found} is a file: the store of a run is a folder")
    return found
