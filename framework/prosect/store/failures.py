"""What the operating system says when a folder cannot be written, said so that a user can act on it."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from prosect.errors import RunError, StoreError

FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
DENIED: Final = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR})


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn every OSError of the block into a message about the store at ``path``.

    Raises
    ------
    RunError
        The disk or the quota is full, or the device fails.
    StoreError
        The folder may not be written.
    """
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        if error.errno in FULL:
            raise RunError(
                f"{path}: {reason} while writing; every finished unit is kept: "
                "free some space (or raise the quota) and run the same command again to continue"
            ) from error
        if error.errno in DENIED:
            raise StoreError(
                f"{path}: cannot write there ({reason}): {error.filename or path}; "
                "choose another folder with --out, or change its permissions"
            ) from error
        raise RunError(f"{path}: writing failed ({reason}); every finished unit is kept") from error
