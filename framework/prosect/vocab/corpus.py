"""One unit of a corpus as a reader yields it, before any tokenizer has seen it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Sentence:
    """A sentence, paragraph or document: exactly one of ``text``, ``words`` and ``ids`` is given.

    Attributes
    ----------
    text
        Running text.
    words
        Words, where the corpus is tokenised into words; each keeps its own pieces.
    ids
        Token ids, fed to the model as they are (``special_tokens`` adds nothing to them).
    pair
        The second segment as text, for models that take two.
    type_ids
        Segment ids that go with ``ids``.
    decoder_ids
        Decoder input ids that go with ``ids``, always fed as given.
    targets
        Target texts; the first is the one fed to a decoder, the others are further references.
    word_annotations
        Name -> one value per word.
    token_annotations
        Name -> one value per token of ``ids``; only with ``ids``.
    annotations
        Name -> one value for the whole sentence.
    """

    text: str | None = None
    words: tuple[str, ...] | None = None
    ids: tuple[int, ...] | None = None
    pair: str | None = None
    type_ids: tuple[int, ...] | None = None
    decoder_ids: tuple[int, ...] | None = None
    targets: tuple[str, ...] = ()
    word_annotations: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    token_annotations: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    annotations: Mapping[str, Any] = field(default_factory=dict)
