"""Kit for a corpus kind: what it reads, and how it fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sized
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final

import pytest
from pydantic import ValidationError

from prosect.errors import UsageError
from prosect.plugins.declarations import CorpusDeclaration
from prosect.plugins.registry import implementation, load_registry
from prosect.vocab.corpus import Sentence

Read = Callable[[], Iterator[Sentence]]


@dataclass(frozen=True, kw_only=True)
class CorpusExample:
    """Files, the options that read them, and the sentences they hold.

    Attributes
    ----------
    kind
        Name of the corpus kind, as a spec would write it.
    files
        File name -> content; they are written into an empty folder.
    options
        Options as in a spec; paths are relative to that folder.
    sentences
        What the reader must yield.
    """

    kind: str
    files: Mapping[str, str | bytes]
    options: Mapping[str, Any]
    sentences: tuple[Sentence, ...] = field(default=())


class CorpusTests:
    r"""Checks of a corpus kind.

    Attributes
    ----------
    example
        A small corpus of that kind.

    Examples
    --------
    >>> class TestLines(CorpusTests):
    ...     example = CorpusExample(
    ...         kind="text", files={"a.txt": "One.\n"}, options={"path": "a.txt"}, sentences=(Sentence(text="One."),)
    ...     )
    """

    example: ClassVar[CorpusExample]

    @pytest.fixture
    def declaration(self) -> CorpusDeclaration:
        """Find the kind among the installed plugins."""
        return load_registry().find("corpora", self.example.kind)

    @pytest.fixture
    def folder(self, tmp_path: Path) -> Path:
        """Write the files of the example."""
        folder = tmp_path / "corpus"
        for name, content in self.example.files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return folder

    @pytest.fixture
    def read(self, declaration: CorpusDeclaration, folder: Path) -> Read:
        """Read the example from its start."""
        options = declaration.options.model_validate(self.example.options)
        return lambda: implementation(declaration)(options, folder)

    def test_reads_the_sentences_of_the_example(self, read: Read) -> None:
        """In order, and nothing else."""
        assert tuple(read()) == self.example.sentences

    def test_every_sentence_is_consistent(self, read: Read) -> None:
        """One source each, and one annotation per word or token."""
        assert [fault for sentence in read() for fault in sentence_faults(sentence)] == []

    def test_reads_the_same_every_time(self, read: Read) -> None:
        """A resumed run reads the corpus again."""
        assert list(read()) == list(read())

    def test_sentences_come_one_by_one(self, read: Read) -> None:
        """An iterator, not a list: a corpus may be larger than memory."""
        sentences = read()
        assert iter(sentences) is sentences

    def test_relative_paths_start_at_the_folder_of_the_spec(
        self, read: Read, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whatever the working directory is."""
        elsewhere = tmp_path / "elsewhere"
        elsewhere.mkdir()
        monkeypatch.chdir(elsewhere)
        assert tuple(read()) == self.example.sentences

    def test_absolute_paths_stand_as_they_are(
        self, declaration: CorpusDeclaration, folder: Path, tmp_path: Path
    ) -> None:
        """As the plan hands them over."""
        resolved = {name: _absolute(self.example.options.get(name), folder) for name in declaration.paths}
        given = {**self.example.options, **{name: path for name, path in resolved.items() if path is not None}}
        elsewhere = tmp_path if declaration.paths else folder
        sentences = implementation(declaration)(declaration.options.model_validate(given), elsewhere)
        assert tuple(sentences) == self.example.sentences

    def test_a_file_that_has_gone_is_a_usage_error(self, read: Read, folder: Path) -> None:
        """It was there when the spec was checked; no traceback for that."""
        if not self.example.files:
            pytest.skip("it has no files")
        for name in self.example.files:
            (folder / name).unlink()
        with pytest.raises(UsageError):
            list(read())

    def test_unknown_options_are_refused(self, declaration: CorpusDeclaration) -> None:
        """A misspelt option must not be ignored."""
        with pytest.raises(ValidationError, match="no_such_option"):
            declaration.options.model_validate({**self.example.options, "no_such_option": 1})


def sentence_faults(sentence: Sentence) -> Iterator[str]:
    """Say what is wrong with a sentence: number of sources, and lengths of what goes with them."""
    sources: Final[dict[str, Sized | None]] = {"text": sentence.text, "words": sentence.words, "ids": sentence.ids}
    given = [name for name, source in sources.items() if source is not None]
    if len(given) != 1:
        yield f"exactly one of text, words and ids belongs to a sentence, not {given}"
        return
    yield from _lengths("word", sentence.words, sentence.word_annotations)
    yield from _lengths("token", sentence.ids, sentence.token_annotations)
    if sentence.type_ids is not None:
        yield from _lengths("token", sentence.ids, {"type_ids": sentence.type_ids})
    if sentence.ids is None and sentence.decoder_ids is not None:
        yield "decoder_ids go with ids only"


def _lengths(per: str, items: Sized | None, values: Mapping[str, Sized]) -> Iterator[str]:
    for name, row in values.items():
        if items is None:
            yield f"{name!r} has one value per {per}, and the sentence has no {per}s"
        elif len(row) != len(items):
            yield f"{name!r} has {len(row)} values for {len(items)} {per}s"


def _absolute(value: Any, folder: Path) -> str | list[str] | None:  # noqa: ANN401 - one path, several, or none
    if value is None:
        return None
    return str(folder / value) if isinstance(value, str) else [str(folder / path) for path in value]
