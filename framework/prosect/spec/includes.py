"""A spec file with the files that it includes, merged into one document."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from prosect.errors import Problem
from prosect.spec.places import Document, KeyPath, Place, Span, problem
from prosect.spec.reading import read_yaml

NAMED: Final = ("models", "corpora", "analyses", "derived")
SETTINGS: Final = ("store", "compute")


@dataclass
class Merged:
    """What the files say together.

    Attributes
    ----------
    data, spans
        As of `Document`.
    folders
        (section, name) -> folder of the file that declares the entry; likewise ("store", "path").
    problems
        What is wrong in single files, and between them.
    text
        Source of the first file.
    whole
        Every file could be read and parsed.
    """

    data: dict[str, Any] = field(default_factory=dict)
    spans: dict[KeyPath, Span] = field(default_factory=dict)
    folders: dict[tuple[str, str], Path] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    text: str | None = None
    whole: bool = True

    def document(self) -> Document:
        """Return data and places."""
        return Document(self.data, self.spans)


def read_files(root: str) -> Merged:
    """Read a spec file and everything that it includes.

    Of ``store`` and ``compute`` the including file's keys come first; an entry of any other section
    may be defined only once over all files.
    """
    merged = Merged()
    _Reader(merged).file(root, Place(root), ())
    return merged


class _Reader:
    def __init__(self, merged: Merged) -> None:
        self.merged = merged
        self.done: set[Path] = set()

    def file(self, name: str, asked_at: Place, chain: tuple[str, ...]) -> None:
        """Merge one file; ``asked_at`` is where its name stands, ``chain`` the files that led to it."""
        path = Path(os.path.realpath(name))
        if path in (Path(os.path.realpath(link)) for link in chain):
            circle = " -> ".join((*chain, name))
            self._note(asked_at, ("include",), f"files include each other in a circle: {circle}")
            return
        if path in self.done:
            return
        self.done.add(path)
        text = self._text(name, asked_at, ("include",) if chain else ())
        if text is None:
            self.merged.whole = False
            return
        self.merged.text = text if not chain else self.merged.text
        document, problems = read_yaml(text, name)
        self.merged.problems += problems
        if document is None:
            self.merged.whole = False
        else:
            self._merge(document, path.parent)
            self._includes(document, name, (*chain, name))

    def _text(self, name: str, asked_at: Place, path: KeyPath) -> str | None:
        content = b""
        try:
            content = Path(name).read_bytes()
            return content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            before = content[: error.start]
            place = Place(name, before.count(b"\n") + 1, error.start - before.rfind(b"\n"))
            self._note(place, (), "the file is not UTF-8 text", code="file")
        except FileNotFoundError:
            self._note(asked_at, path, f"there is no file {name!r}" if path else "there is no such file", code="file")
        except OSError as error:
            what = repr(name) if path else "the file"
            self._note(asked_at, path, f"{what} cannot be read: {error.strerror}", code="file")
        return None

    def _includes(self, document: Document, name: str, chain: tuple[str, ...]) -> None:
        wanted = document.data.get("include")
        if not isinstance(wanted, list | None):
            self._note(document.span(("include",)).value, ("include",), "expected a list of files", code="wrong-type")
            return
        for index, item in enumerate(wanted or []):
            path: KeyPath = ("include", index)
            place = document.span(path).value
            if isinstance(item, str):
                self.file(os.path.normpath(Path(name).parent / item), place, chain)
            else:
                self._note(place, path, "expected the name of a file", code="wrong-type")

    def _merge(self, document: Document, folder: Path) -> None:
        self.merged.spans.setdefault((), document.span(()))
        for section, value in document.data.items():
            if section in (*NAMED, *SETTINGS):
                self.merged.data.setdefault(section, {})
                self.merged.spans.setdefault((section,), document.span((section,)))
            if section in NAMED and value is not None:
                self._entries(document, section, folder)
            elif section in SETTINGS and value is not None:
                self._settings(document, section, folder)
            elif section not in ("include", *NAMED, *SETTINGS):
                self._take(document, (section,))

    def _entries(self, document: Document, section: str, folder: Path) -> None:
        for name in self._children(document, section):
            path: KeyPath = (section, name)
            if name in self.merged.data.get(section, {}):
                first = self.merged.spans[path].key
                self._note(
                    document.span(path).key, path, f"{name!r} is already defined at {first}", code="duplicate-key"
                )
                continue
            self._take(document, path)
            self.merged.folders[section, name] = folder

    def _settings(self, document: Document, section: str, folder: Path) -> None:
        for name in self._children(document, section):
            if name not in self.merged.data.get(section, {}):
                self._take(document, (section, name))
                self.merged.folders[section, name] = folder

    def _children(self, document: Document, section: str) -> Mapping[str, Any]:
        value = document.data[section]
        if isinstance(value, Mapping):
            return value
        message = "expected keys and values below it" if section in SETTINGS else "expected names, each with its entry"
        self._note(document.span((section,)).value, (section,), message, code="wrong-type")
        return {}

    def _take(self, document: Document, path: KeyPath) -> None:
        source: Any = document.data
        target: Any = self.merged.data
        for part in path[:-1]:
            source, target = source[part], target[part]
        if path[-1] in target:
            return
        target[path[-1]] = source[path[-1]]
        taken = {key: span for key, span in document.spans.items() if key[: len(path)] == path}
        self.merged.spans.update(taken)

    def _note(self, place: Place, path: KeyPath, message: str, *, code: str = "include") -> None:
        self.merged.problems.append(problem(place, path, message, code=code))
