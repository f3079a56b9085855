"""A tiny step to store, written in this process or by real ones."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

WRITER = Path(__file__).with_name("writer.py")


@pytest.fixture(scope="session")
def writer() -> ModuleType:
    """The module ``writer.py``, which tests also start as a process."""
    spec = importlib.util.spec_from_file_location("prosect_store_writer", WRITER)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def reference(writer, tmp_path_factory) -> Path:
    """What an uninterrupted run writes. Read only."""
    path = tmp_path_factory.mktemp("reference") / "whole.zarr"
    writer.run(path)
    return path


@pytest.fixture
def start() -> Callable[..., subprocess.Popen[str]]:
    """Start ``writer.py`` as a process of its own."""

    def started(*arguments: object) -> subprocess.Popen[str]:
        command = [sys.executable, str(WRITER), *map(str, arguments)]
        return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)

    return started


@pytest.fixture(scope="session")
def contents() -> Callable[[Path], dict[str, Any]]:
    """Every file of a store but the journal: metadata parsed, all else as bytes."""

    def read(path: Path) -> dict[str, Any]:
        files = (file for file in path.rglob("*") if file.is_file() and ".prosect" not in file.parts)
        return {
            file.relative_to(path).as_posix(): json.loads(file.read_text())
            if file.name == "zarr.json"
            else file.read_bytes()
            for file in files
        }

    return read
