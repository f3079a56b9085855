"""Options of plugins that hold file paths: made absolute, and the files found."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from prosect.planning.bench import Bench
from prosect.spec.places import KeyPath


def absolute(given: Mapping[str, Any], paths: Iterable[str], folder: Path) -> dict[str, Any]:
    """Resolve the options that hold paths; what is no path is left for the options model to refuse."""
    resolved = {option: _resolve(given[option], folder) for option in paths if option in given}
    return {**given, **resolved}


def check_files(bench: Bench, path: KeyPath, given: Mapping[str, Any], paths: Iterable[str]) -> None:
    """Note every file of the options that hold paths that is not there."""
    for option in paths:
        value = given.get(option)
        for index, item in enumerate(named_files(value)):
            where: KeyPath = (*path, option, index) if isinstance(value, list) else (*path, option)
            if not os.path.isfile(item):  # pathlib raises for a path that is too long
                what = "is a folder, not a file" if os.path.isdir(item) else "does not exist"
                bench.note(where, f"the file {item!r} {what}", code="missing-file")


def named_files(value: object) -> list[str]:
    """List the paths that an option holds: one, several or none."""
    items = value if isinstance(value, list | tuple) else [value]
    return [os.fspath(item) for item in items if isinstance(item, str | os.PathLike)]


def _resolve(value: object, folder: Path) -> object:
    if isinstance(value, list):
        return [_resolve(item, folder) for item in value]
    return str(folder / os.path.expanduser(value)) if isinstance(value, str) else value
