"""A spec from a file, a mapping or an object: every entry that is right, and every problem there is."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel, TypeAdapter, ValidationError

from prosect.errors import Problem, SpecError
from prosect.spec.includes import Merged, read_files
from prosect.spec.matrix import check_matrices
from prosect.spec.messages import problems_of
from prosect.spec.models import (
    AnalysisSpec,
    ComputeSpec,
    CorpusSpec,
    DerivedSpec,
    ModelSpec,
    Name,
    Spec,
    StoreSpec,
    Strict,
)
from prosect.spec.overrides import override
from prosect.spec.places import Document, KeyPath, in_order, nearest, shown

Source = str | os.PathLike[str] | Mapping[str, Any] | Spec
M = TypeVar("M", bound=Strict)

FORMAT: Final = 1
_NAME: Final[TypeAdapter[str]] = TypeAdapter(Name)
#: Problems after which a value is not what the file says.
UNREADABLE: Final = frozenset({"syntax", "tag", "wrong-type"})
_KEYS: Final = ("include", *Spec.model_fields)
#: Sections whose relative paths start at the folder ``data``, where a spec names one.
_FROM_DATA: Final = frozenset({"models", "corpora", "derived"})


@dataclass(frozen=True, kw_only=True)
class Draft:
    """What could be understood of a spec.

    Attributes
    ----------
    document
        Its data and where each part stands.
    models, corpora, analyses, derived
        The entries as far as they are right in themselves: a field that is wrong stands at its default, so that
        it hides nothing that is wrong elsewhere. `names` also has those of which nothing can be used.
    store, compute
        The two settings sections, defaults where they are wrong.
    problems
        Everything that is wrong so far.
    folder
        Folder of the spec file; the working directory for a spec built in Python.
    folders
        (section, name) -> folder of the file that declares it, where it differs from ``folder``.
    data
        The folder at which paths of models, corpora and derived products start, where the spec names one.
    whole
        Every file could be read and parsed; else much of what seems missing is not.
    file, text
        Name and source of the spec file; None for a spec built in Python.
    """

    document: Document
    models: Mapping[str, ModelSpec]
    corpora: Mapping[str, CorpusSpec]
    analyses: Mapping[str, AnalysisSpec]
    derived: Mapping[str, DerivedSpec]
    store: StoreSpec
    compute: ComputeSpec
    folder: Path
    problems: tuple[Problem, ...] = ()
    folders: Mapping[tuple[str, str], Path] = field(default_factory=dict)
    data: str | None = None
    whole: bool = True
    file: str | None = None
    text: str | None = None

    def names(self, section: str) -> tuple[str, ...]:
        """Names of all entries of a section, the wrong ones included."""
        entries = self.document.data.get(section)
        return tuple(entries) if isinstance(entries, Mapping) else ()

    def folder_of(self, section: str, name: str) -> Path:
        """Folder in which the relative paths of an entry start."""
        if self.data is not None and section in _FROM_DATA:
            return self.folder / Path(self.data).expanduser()
        return self.folders.get((section, name), self.folder)

    def spec(self) -> Spec:
        """Return the whole spec; SpecError with every problem where there is any."""
        if self.problems:
            raise SpecError(self.problems)
        return Spec(
            prosect=FORMAT,
            data=self.data,
            models=dict(self.models),
            corpora=dict(self.corpora),
            analyses=dict(self.analyses),
            derived=dict(self.derived),
            store=self.store,
            compute=self.compute,
        )


def read_spec(source: Source, overrides: Iterable[str] = ()) -> Draft:
    """Read a spec and validate its entries one by one, so that a wrong one hides no problem of another.

    Parameters
    ----------
    source
        Name of a YAML file, a mapping as such a file would give, or a `Spec`.
    overrides
        ``path=value`` settings laid over it.
    """
    merged = _merged(source)
    document, problems = override(merged.document(), overrides)
    reader = _Validator(document, frozenset(found.path for found in merged.problems if found.code in UNREADABLE))
    models = reader.entries("models", ModelSpec)
    draft = Draft(
        document=document,
        models=models,
        corpora=reader.entries("corpora", CorpusSpec),
        analyses=reader.entries("analyses", AnalysisSpec),
        derived=reader.entries("derived", DerivedSpec),
        store=reader.settings("store", StoreSpec),
        compute=reader.settings("compute", ComputeSpec),
        folder=Path(source).resolve().parent if isinstance(source, str | os.PathLike) else Path.cwd(),
        folders=merged.folders,
        data=reader.folder("data"),
        file=os.fspath(source) if isinstance(source, str | os.PathLike) else None,
        text=merged.text,
        whole=merged.whole,
    )
    if merged.whole:
        reader.root()
    return replace(draft, problems=in_order((*merged.problems, *problems, *reader.problems, *check_matrices(document))))


def _merged(source: Source) -> Merged:
    if isinstance(source, str | os.PathLike):
        return read_files(os.fspath(source))
    data = source.model_dump(exclude_unset=True) if isinstance(source, Spec) else source
    return Merged(data={key: _plain(value) for key, value in data.items()})


def _plain(value: object) -> object:
    """Put lists for tuples and text for paths, as YAML would give them."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, BaseModel):
        return _plain(value.model_dump(exclude_unset=True))
    return os.fspath(value) if isinstance(value, os.PathLike) else value


class _Validator:
    """Validates sections; ``unreadable`` are the dotted paths where a value could not be read from its file."""

    def __init__(self, document: Document, unreadable: frozenset[str]) -> None:
        self.document = document
        self.unreadable = unreadable
        self.problems: list[Problem] = []

    def root(self) -> None:
        """Check keys of the root, the format number, and that no required section is missing or empty."""
        data = self.document.data
        for key in data:
            if key not in _KEYS:
                self._unknown_section(key)
        for key, info in Spec.model_fields.items():
            if info.is_required() and data.get(key) in (None, {}) and key not in self.unreadable:
                self._note_key((key,), f"the key {key!r} is required" if key not in data else "the section is empty")
        version = data.get("prosect", FORMAT)
        if version != FORMAT or isinstance(version, bool):
            message = f"expected format version {FORMAT}, not {shown(version)}"
            self.problems.append(self.document.at_value(("prosect",), message, code="wrong-value"))

    def entries(self, section: str, model: type[M]) -> dict[str, M]:
        """Validate the entries of a section and return the right ones."""
        given = self.document.data.get(section)
        if given is not None and not isinstance(given, Mapping):
            self._note_mapping((section,), given)
        entries = given if isinstance(given, Mapping) else {}
        readable = {name: entry for name, entry in entries.items() if self._readable(f"{section}.{name}")}
        checked = {name: self._entry((section, name), entry, model) for name, entry in readable.items()}
        return {name: entry for name, entry in checked.items() if entry is not None}

    def settings(self, section: str, model: type[M]) -> M:
        """Validate a section of settings; its defaults where it is wrong or absent."""
        given = self.document.data.get(section)
        if given is None or not self._readable(section):
            return model()
        return self._valid((section,), given, model) or model()

    def folder(self, key: str) -> str | None:
        """Validate a key of the root that names a folder."""
        given = self.document.data.get(key)
        if given is None or isinstance(given, str):
            return given
        message = f"expected the name of a folder, not {shown(given)}"
        self.problems.append(self.document.at_value((key,), message, code="wrong-type"))
        return None

    def _readable(self, entry: str) -> bool:
        return not any(f"{path}.".startswith(f"{entry}.") for path in self.unreadable)

    def _entry(self, path: KeyPath, entry: object, model: type[M]) -> M | None:
        try:
            _NAME.validate_python(path[1])
        except ValidationError:
            message = "a name starts with a letter and goes on with letters, digits, '_' and '-'"
            self._note_key(path, message)
        return self._valid(path, entry, model)

    def _valid(self, path: KeyPath, value: object, model: type[M]) -> M | None:
        try:
            return model.model_validate(value)
        except ValidationError as error:
            self.problems += problems_of(error, model, self.document, path)
            return _without(error, value, model)

    def _unknown_section(self, key: str) -> None:
        close = nearest(key, _KEYS)
        message = "unknown key" if close else f"unknown key; the keys here are: {', '.join(_KEYS)}"
        self.problems.append(self.document.at_key((key,), message, suggestion=close, code="unknown-key"))

    def _note_key(self, path: KeyPath, message: str) -> None:
        code = "missing-key" if len(path) == 1 else "wrong-name"
        self.problems.append(self.document.at_key(path, message, code=code))

    def _note_mapping(self, path: KeyPath, given: object) -> None:
        message = f"expected keys and values, not {shown(given)}"
        self.problems.append(self.document.at_value(path, message, code="wrong-type"))


def _without(error: ValidationError, value: object, model: type[M]) -> M | None:
    """Make a model of the fields that are right; None where a decisive one is not, or one that cannot be left empty."""
    wrong = {details["loc"][0] for details in error.errors() if details["loc"]}
    if not isinstance(value, Mapping) or not wrong or any(nearest(key, model.decisive) for key in wrong):
        return None
    right = {key: item for key, item in value.items() if key not in wrong}
    empty = model.nameable - right.keys()
    try:
        found = model.model_validate({**dict.fromkeys(empty, "any"), **right})
    except ValidationError:
        return None
    return found.model_copy(update=dict.fromkeys(empty, ""))
