"""One process at a time may change a store."""

from __future__ import annotations

import fcntl
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from prosect.errors import StoreError
from prosect.planning.records import JOURNAL


@dataclass(frozen=True)
class Lock:
    """An exclusive lock on a store, which the kernel gives back when the process ends, however it ends.

    The file itself stays: to remove it would let two processes lock two files of one name.
    """

    file: TextIO

    @classmethod
    def take(cls, store: Path) -> Lock:
        """Lock a store; StoreError names the process that holds it."""
        path = store / JOURNAL / "lock"
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a", encoding="utf-8")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            file.close()
            if not isinstance(error, BlockingIOError):
                raise
            holder = path.read_text(encoding="utf-8") or "another process"
            raise StoreError(
                f"{store}: in use by {holder}; wait until it ends, or write to another folder with --out"
            ) from error
        file.truncate(0)
        file.write(f"process {os.getpid()} on {socket.gethostname()}")
        file.flush()
        return cls(file)

    def release(self) -> None:
        """Give the lock back; once more does nothing."""
        self.file.close()
