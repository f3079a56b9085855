"""Reads a corpus as a spec would: options by name, paths relative to a folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from prosect.api import Sentence, UsageError
from prosect.plugins.registry import implementation, load_registry

Reader = Callable[..., Iterator[Sentence]]


@pytest.fixture(scope="session")
def registry():
    """Everything that is installed."""
    return load_registry()


@pytest.fixture
def read(registry, tmp_path) -> Reader:
    """``read(kind, content, **options)``: a corpus of one file with this content, or of files named in options."""

    def reader(kind: str, content: str | bytes | None = None, **options: Any) -> Iterator[Sentence]:
        declaration = registry.find("corpora", kind)
        if content is not None:
            raw = content if isinstance(content, bytes) else content.encode(options.get("encoding", "utf-8"))
            (tmp_path / "corpus.txt").write_bytes(raw)
            options = {"path": "corpus.txt", **options}
        return implementation(declaration)(declaration.options.model_validate(options), tmp_path)

    return reader


@pytest.fixture
def fault(read, tmp_path) -> Callable[..., str]:
    """Message of the usage error that reading ends in; the test's folder is left out of it."""

    def message(kind: str, content: str | bytes | None = None, **options: Any) -> str:
        with pytest.raises(UsageError) as caught:
            list(read(kind, content, **options))
        return str(caught.value).replace(f"{tmp_path}/", "")

    return message
