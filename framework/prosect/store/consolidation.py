"""One copy of all metadata in the root, for fast and quiet opening of a finished store by plain xarray.

A copy that is older than the nodes hides them, so it goes away before anything changes.
"""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Final

import zarr
from zarr.errors import ZarrUserWarning

from prosect.store.atomic import write_text
from prosect.store.folder import ResultFolder

KEY: Final = "consolidated_metadata"
ROOT: Final = "zarr.json"


def present(store: Path) -> bool:
    """Whether there is a copy."""
    return _metadata(store).get(KEY) is not None


def drop(store: Path) -> None:
    """Remove the copy, if there is one."""
    metadata = _metadata(store)
    if metadata.pop(KEY, None) is not None:
        write_text(store / ROOT, json.dumps(metadata, indent=2))


def refresh(folder: ResultFolder) -> None:
    """Write a fresh copy."""
    with warnings.catch_warnings():
        # zarr-python reads and writes the copy, but the Zarr 3 specification does not know it yet
        warnings.filterwarnings(
            "ignore", message="Consolidated metadata is currently not part", category=ZarrUserWarning
        )
        zarr.consolidate_metadata(folder, zarr_format=3)


def _metadata(store: Path) -> dict[str, object]:
    metadata: dict[str, object] = json.loads((store / ROOT).read_text(encoding="utf-8"))
    return metadata
