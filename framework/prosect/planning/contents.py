"""SHA-256 of files, remembered by path, size and time of change, so that a plan answers at once."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import tempfile
from pathlib import Path
from typing import Final

from prosect.errors import UsageError

#: Up to this size a plan computes what the cache does not know; above it the digest waits for the run.
SMALL: Final = 32 * 2**20
_REMEMBERED: Final = 4096
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


def cache_file() -> Path:
    """Name the file in the user's cache folder in which digests are remembered."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "prosect" / "digests.json"


class Contents:
    """Digests of files' contents.

    Parameters
    ----------
    verify
        Read every file, whatever the cache says; else big files that the cache does not know stay unknown.
    cache
        Where digests are remembered; by default in the user's cache folder.
    """

    def __init__(self, *, verify: bool = False, cache: Path | None = None) -> None:
        self._verify = verify
        self._cache = cache or cache_file()
        self._known = _load(self._cache)
        self._new: dict[str, str] = {}

    def digest(self, path: Path) -> str | None:
        """SHA-256 of a file in hexadecimal digits; None where it is big and not yet known.

        Raises
        ------
        UsageError
            The file cannot be read.
        """
        try:
            return self._digest(path.resolve())
        except OSError as error:
            raise UsageError(f"{path} cannot be read: {error.strerror}") from error

    def _digest(self, real: Path) -> str | None:
        status = real.stat()
        key = f"{real}|{status.st_size}|{status.st_mtime_ns}"
        if key in self._new:
            return self._new[key]
        if self._verify or (key not in self._known and status.st_size <= SMALL):
            self._new[key] = _sha256(real)
            return self._new[key]
        return self._known.get(key) or _hub_digest(real)

    def save(self) -> None:
        """Remember what was computed. A cache that cannot be written is no reason to stop."""
        if not self._new:
            return
        entries = list((_load(self._cache) | self._new).items())[-_REMEMBERED:]
        with contextlib.suppress(OSError):
            self._cache.parent.mkdir(parents=True, exist_ok=True)
            _replace(self._cache, json.dumps(dict(entries)))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hub_digest(real: Path) -> str | None:
    """Read the digest of a big file in the hub's cache off its name: the hub names such blobs by their SHA-256."""
    return real.name if real.parent.name == "blobs" and _SHA256.fullmatch(real.name) else None


def _load(path: Path) -> dict[str, str]:
    """Read what was remembered; nothing where the file is absent, damaged or not ours."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {k: v for k, v in found.items() if isinstance(v, str)} if isinstance(found, dict) else {}


def _replace(path: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    Path(name).replace(path)
