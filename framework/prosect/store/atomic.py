"""Files that are either whole or not there, also after a kill or a power cut."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable
from pathlib import Path
from typing import Final

PARTIAL: Final = ".partial"


def write_text(path: Path, text: str) -> None:
    """Write a file under a temporary name, flush it to the disk, and rename it into place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}{PARTIAL}")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
    flush([path.parent])


def flush(paths: Iterable[Path]) -> None:
    """Make sure that files or folders are on the disk and not only in memory; absent ones are skipped."""
    for path in paths:
        if path.exists():
            descriptor = os.open(path, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def sweep(folder: Path) -> None:
    """Remove the temporary files which killed writers left behind (ours and zarr's end alike)."""
    for path in folder.rglob(f"*{PARTIAL}"):
        path.unlink(missing_ok=True)
