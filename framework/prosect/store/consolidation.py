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


def drop(store: Path) -> None:
    """Remove the copy, if there is one."""
    file = store / "zarr.json"
    metadata = json.loads(file.read_text(encoding="utf-8"))
    if metadata.pop(KEY, None) is not None:
        write_text(file, json.dumps(metadata, indent=2))


def refresh(folder: ResultFolder) -> None:
    """Write a fresh copy."""
    with warnings.catch_warnings():
        # zarr-python reads and writes the copy, but the Zarr 3 specification does not know it yet
        warnings.filterwarnings(
            "ignore", message="Consolidated metadata is currently not part", category=ZarrUserWarning
        )
        zarr.consolidate_metadata(folder, zarr_format=3)
