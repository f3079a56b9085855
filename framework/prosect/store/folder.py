"""The folder of a store as zarr may see it: without the journal and without unfinished files."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

from zarr.storage import LocalStore

from prosect.planning.records import JOURNAL
from prosect.store.atomic import PARTIAL


class ResultFolder(LocalStore):
    """A local zarr store that lists only what belongs to the results.

    Zarr warns about everything in a folder that is neither array nor group; a journal beside the
    arrays, temporary files of a killed writer and nodes whose allocation was cut short are no
    results, so they are not listed in the first place.

    Parameters
    ----------
    root
        The folder.
    read_only
        Refuse writes.
    hidden
        Paths of nodes which are not listed.
    """

    def __init__(self, root: Path | str, *, read_only: bool = False, hidden: frozenset[str] = frozenset()) -> None:
        super().__init__(root, read_only=read_only)
        self.hidden = hidden

    def with_read_only(self, read_only: bool = False) -> ResultFolder:
        """Return the same folder with writes refused or allowed."""
        return type(self)(self.root, read_only=read_only, hidden=self.hidden)

    async def list_dir(self, prefix: str) -> AsyncIterator[str]:
        """List the names directly under a prefix."""
        async for name in super().list_dir(prefix):
            path = f"{prefix.strip('/')}/{name}".lstrip("/")
            if name != JOURNAL and not name.endswith(PARTIAL) and path not in self.hidden:
                yield name
