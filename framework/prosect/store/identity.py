"""Whether a folder is a store of ours, of this schema version."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final

from prosect.errors import StoreError
from prosect.planning.records import JOURNAL
from prosect.results.layout import SCHEMA, SCHEMA_VERSION
from prosect.store.atomic import PARTIAL, write_text

IDENTITY: Final = Path(JOURNAL) / "store.json"


def identify(path: Path) -> None:
    """Check that a folder is a store which this version can read.

    Raises
    ------
    StoreError
        Nothing is there, a file is in the way, the folder is not ours, or it has another schema version.
    """
    if not path.exists():
        raise StoreError(f"{path}: there is no such store")
    if not path.is_dir():
        raise StoreError(f"{path}: is a file, not a store (a store is a folder)")
    if not (path / IDENTITY).is_file():
        raise StoreError(f"{path}: is not a store of prosect (it has no {IDENTITY}); name the folder that a run wrote")
    found = _read(path)
    if found != _wanted():
        said = f"{found.get('schema')} version {found.get('schema_version')}"
        raise StoreError(
            f"{path}: holds {said}, but this version of prosect reads {SCHEMA} version {SCHEMA_VERSION}; "
            "use the version of prosect that wrote it, or write to another folder with --out"
        )


def claimable(path: Path) -> bool:
    """Whether a new store may be made here: nothing there, or nothing but the start of one that was killed."""
    if not path.exists():
        return True
    return path.is_dir() and all(_is_start(entry) for entry in path.iterdir())


def claim(path: Path) -> None:
    """Write the file that marks a folder as ours."""
    write_text(path / IDENTITY, json.dumps(_wanted(), indent=1))


def _is_start(entry: Path) -> bool:
    ours = entry.name == JOURNAL and entry.is_dir()
    return ours and all(e.name == "lock" or e.name.endswith(PARTIAL) for e in entry.iterdir())


def _read(path: Path) -> dict[str, object]:
    try:
        found = json.loads((path / IDENTITY).read_text(encoding="utf-8"))
    except ValueError:
        found = None
    if not isinstance(found, dict):
        raise StoreError(f"{path}: {IDENTITY} is damaged (not a JSON object)")
    return found


def _wanted() -> dict[str, object]:
    return {"schema": SCHEMA, "schema_version": SCHEMA_VERSION}
