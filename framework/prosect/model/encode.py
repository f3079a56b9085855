"""Encoding a whole corpus: sentences in, flat pieces of the source and the target side out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import groupby, islice
from typing import Final

import numpy as np

from prosect.errors import UsageError
from prosect.model.alignment import Annotations
from prosect.model.encoders import Encoders, encoders_of
from prosect.model.entries import Entry, TargetForm, read_entries
from prosect.model.limits import Limits
from prosect.model.pieces import Pieces, concatenate
from prosect.model.tokenizer import Tokenizer
from prosect.spec.models import CommonCorpusOptions
from prosect.vocab.corpus import Sentence

# Enough to keep the tokenizer's threads busy, few enough to keep its per-token objects out of memory.
_BATCH: Final = 2048


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """A corpus as pieces, whole: nothing is cut yet.

    Attributes
    ----------
    source, target
        Pieces of either side, sentence by sentence; no target where the corpus gives none.
    target_form
        What the target is made of: ``text``, ``ids`` (fed as they are) or ``nothing``.
    references
        Target texts of each sentence.
    texts
        Text of each sentence's source, None where it was given as ids; empty unless asked for.
    annotations
        What the corpus says of words, tokens and sentences.
    dropped
        Sentences without a token of their own on either side, and an odd last one of a pair.
    """

    source: Pieces
    target: Pieces | None
    target_form: TargetForm
    references: tuple[tuple[str, ...], ...]
    texts: tuple[str | None, ...]
    annotations: Annotations
    dropped: int


@dataclass
class _Sides:
    source: list[Pieces] = field(default_factory=list)
    target: list[Pieces] = field(default_factory=list)
    references: list[tuple[str, ...]] = field(default_factory=list)
    texts: list[str | None] | None = None
    form: TargetForm | None = None
    rows: int = 0

    def add(self, batch: list[Entry], encoders: Encoders) -> None:
        rows = np.arange(self.rows, self.rows + len(batch))
        self.source.append(replace(encoders.source(batch), row=rows))
        self.references.extend(entry.first.targets for entry in batch)
        if self.texts is not None:
            self.texts.extend(map(_text, batch))
        self.rows += len(batch)
        if encoders.limits.has_decoder:
            self._add_target(batch, encoders.target(batch))

    def _add_target(self, batch: list[Entry], target: Pieces | None) -> None:
        form = batch[0].target
        if form != (self.form or form):
            raise UsageError(
                f"sentence {batch[0].number} has {form} as its target, the sentence before it {self.form}: "
                "either all sentences of a corpus have target texts, or all have decoder ids, or none has any"
            )
        self.form = form
        if target is not None:
            self.target.append(replace(target, row=self.source[-1].row))


def encode(
    sentences: Iterable[Sentence],
    tokenizer: Tokenizer | None,
    common: CommonCorpusOptions,
    limits: Limits,
    *,
    texts: bool = False,
) -> Encoded:
    """Encode a corpus, with the texts of its source where asked for.

    Sentences without a token of their own on either side are dropped.

    Raises
    ------
    UsageError
        If a sentence, its annotations or its ids do not fit together or do not fit the model, and
        if nothing is left.
    """
    losses: Counter[str] = Counter()
    annotations, sides = Annotations(), _Sides(texts=[] if texts else None)
    encoders = encoders_of(tokenizer, limits, special_tokens=common.special_tokens)
    for batch in _batches(read_entries(sentences, common, losses)):
        for row, entry in enumerate(batch, sides.rows):
            annotations.add(row, entry)
        sides.add(batch, encoders)
    return _joined(sides, annotations, losses["sentences_dropped"])


def _text(entry: Entry) -> str | None:
    if entry.form == "ids":
        return None
    return "\n".join(part if isinstance(part, str) else " ".join(part) for part in entry.parts)


def _batches(entries: Iterable[Entry]) -> Iterator[list[Entry]]:
    """Group consecutive entries which one call can encode."""
    for _, alike in groupby(entries, key=lambda entry: (entry.form, len(entry.parts), entry.target)):
        while batch := list(islice(alike, _BATCH)):
            yield batch


def _joined(sides: _Sides, annotations: Annotations, dropped: int) -> Encoded:
    source = concatenate(sides.source)
    target = concatenate(sides.target) if sides.target else None
    keep = source.content > 0
    if target is not None:
        keep &= target.content > 0
    dropped += int((~keep).sum())
    if not len(keep):
        raise UsageError("the corpus has no sentence")
    if not keep.any():
        raise UsageError(f"no sentence of the corpus has a token of its own: {dropped} are empty")
    return Encoded(
        source=source.select(keep),
        target=None if target is None else target.select(keep),
        target_form=sides.form or "nothing",
        references=tuple(texts for texts, kept in zip(sides.references, keep, strict=True) if kept),
        texts=() if sides.texts is None else tuple(t for t, kept in zip(sides.texts, keep, strict=True) if kept),
        annotations=annotations,
        dropped=dropped,
    )
