"""Options of our corpus kinds, checked when a spec is read."""

from __future__ import annotations

from math import ceil
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from prosect.api import Options


def _known_encoding(name: str) -> str:
    try:
        "".encode(name)
    except LookupError as error:
        raise ValueError(f"{name!r} is no text encoding that Python knows, such as 'utf-8' or 'latin-1'") from error
    return name


Encoding = Annotated[str, AfterValidator(_known_encoding)]
Fields = tuple[str, ...]


class FileOptions(Options):
    """Options of every kind that reads text files.

    Attributes
    ----------
    encoding
        Encoding of the files; a byte order mark at the start is not part of the text.
    """

    encoding: Encoding = "utf-8"


class TextOptions(FileOptions):
    """Options of `text`.

    Attributes
    ----------
    path
        The text file.
    unit
        ``line``: every line that is not blank; ``paragraph``: lines up to the next blank one, joined by a space.
    """

    path: str
    unit: Literal["line", "paragraph"] = "line"

    @property
    def annotation_names(self) -> tuple[str, ...]:
        """What the options ask for beside the text."""
        return ()


class SegmentFields(Options):
    """Which fields of a record hold what; shared by `jsonl` and `dataset`.

    Attributes
    ----------
    text_field
        Field with the running text; null: records have none.
    words_field
        Field with the list of words; null: records have none.
    pair_field
        Field with the second segment, where a record has it; null: records have none.
    word_annotations
        Fields with one value per word.
    annotations
        Fields with one value for the whole record.
    """

    text_field: str | None = "text"
    words_field: str | None = "words"
    pair_field: str | None = "pair"
    word_annotations: Fields = ()
    annotations: Fields = ()

    @property
    def annotation_names(self) -> tuple[str, ...]:
        """What the options ask for beside the text."""
        return (*self.word_annotations, *self.annotations)

    @model_validator(mode="after")
    def _has_a_source(self) -> SegmentFields:
        if self.text_field is None and self.words_field is None:
            raise ValueError("text_field and words_field are both null; name the field that holds the sentence")
        return self


class JsonlOptions(SegmentFields, FileOptions):
    """Options of `jsonl`.

    Attributes
    ----------
    path
        File with one JSON object per line.
    """

    path: str


class TokenIdsOptions(FileOptions):
    """Options of `token_ids`.

    Attributes
    ----------
    path
        File with one JSON object per line: ``input_ids`` and, where given, ``token_type_ids`` and
        ``decoder_input_ids``.
    token_annotations
        Fields with one value per token of ``input_ids``.
    annotations
        Fields with one value for the whole record.
    """

    path: str
    token_annotations: Fields = ()
    annotations: Fields = ()

    @property
    def annotation_names(self) -> tuple[str, ...]:
        """What the options ask for beside the text."""
        return (*self.token_annotations, *self.annotations)


class ParallelOptions(FileOptions):
    """Options of `parallel`.

    Attributes
    ----------
    source
        Text file with one source sentence per line.
    target
        Its translations, line by line: the sentences that a decoder is fed with.
    references
        Files with further translations, line by line.
    """

    source: str
    target: str
    references: tuple[str, ...] = ()

    @property
    def annotation_names(self) -> tuple[str, ...]:
        """What the options ask for beside the text."""
        return ()


class ConllOptions(FileOptions):
    """Options of `conll`.

    Attributes
    ----------
    path
        File with one word per line and its values in columns; a blank line ends a sentence.
    columns
        Name -> number of the column from 0 (negative: from the end), or the names of the columns in
        order with null for those not wanted. ``form`` names the words; every other name is an annotation.
    separator
        ``auto``: tabs where a line has one, else white space.
    comment
        Lines that start with this stand before a sentence and are no part of it; null: there are none.
    """

    path: str
    columns: Annotated[dict[str, int], Field(min_length=1)] | tuple[str | None, ...] = ("form",)
    separator: Literal["auto", "tab", "whitespace"] = "auto"
    comment: Annotated[str, Field(min_length=1)] | None = "#"

    @model_validator(mode="after")
    def _has_words(self) -> ConllOptions:
        named = [name for name in self.columns if name is not None]
        if named.count("form") != 1:
            raise ValueError("columns must name the column of the words once, as 'form'")
        if len(set(named)) < len(named):
            raise ValueError("columns names one column twice")
        return self

    @property
    def annotation_names(self) -> tuple[str, ...]:
        """What the options ask for beside the text."""
        return tuple(name for name in self.numbers if name != "form")

    @property
    def numbers(self) -> dict[str, int]:
        """Name -> number of each column that is wanted."""
        if isinstance(self.columns, dict):
            return dict(self.columns)
        return {name: number for number, name in enumerate(self.columns) if name is not None}


class DatasetOptions(SegmentFields):
    """Options of `dataset`.

    Attributes
    ----------
    name
        Dataset of the Hugging Face hub, or a folder of data files as ``./dir`` or an absolute path.
    config
        Configuration of the dataset, where it has several.
    split
        Split, perhaps a slice of it: ``validation[:100]``.
    revision
        Branch, tag or commit; give a commit where results must not change with the dataset.
    """

    name: str
    config: str | None = None
    split: str = "train"
    revision: str | None = None


def _tokens(sentence: str | list[int]) -> int:
    # Two special tokens stand around a text, as a rule.
    return ceil(len(sentence) / 4) + 2 if isinstance(sentence, str) else len(sentence)


class InlineOptions(Options):
    """Options of `inline`.

    Attributes
    ----------
    sentences
        Sentences as text, or as lists of token ids which are fed as they are.
    targets
        Their translations as text or, for sentences of token ids, decoder input ids; one for each sentence.
    """

    sentences: list[str | list[int]] = Field(min_length=1)
    targets: list[str | list[int]] | None = None

    @property
    def annotation_names(self) -> tuple[str, ...]:
        """What the options ask for beside the text."""
        return ()

    @property
    def sentence_tokens(self) -> tuple[list[int], ...]:
        """For each side the tokens of its sentences: ids are counted, those of text are estimated."""
        return tuple([_tokens(item) for item in side] for side in (self.sentences, self.targets or self.sentences))

    @model_validator(mode="after")
    def _one_target_each(self) -> Self:
        if self.targets is not None and len(self.targets) != len(self.sentences):
            raise ValueError(f"{len(self.targets)} targets for {len(self.sentences)} sentences; it needs one each")
        return self
