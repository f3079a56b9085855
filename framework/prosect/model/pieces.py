"""Encoded sentences on their way to a token stream: flat arrays which are selected and gathered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from prosect.model.tokens import IntArray

BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Pieces:
    """Sentences as tokens, one entry per token in every array but ``offsets`` and ``row``.

    Attributes
    ----------
    ids
        Token ids, shape (token,), int32.
    offsets
        Where sentence i starts and, one on, ends: shape (sentence + 1,), int64.
    row
        Which entry of the corpus a sentence comes from, shape (sentence,); several windows of one
        entry have the same row.
    added
        The tokenizer added the token; it stands for no part of the text.
    word
        Word of the entry, from 0; -1 where there is none.
    segment
        0, or 1 in the second segment of a pair; an added token belongs to the segment it closes.
    place
        Position in the entry before anything was cut.
    type_ids
        Segment ids as the model wants them, or None.
    """

    ids: IntArray
    offsets: IntArray
    row: IntArray
    added: BoolArray
    word: IntArray
    segment: IntArray
    place: IntArray
    type_ids: IntArray | None = None

    @property
    def lengths(self) -> IntArray:
        """Tokens per sentence, shape (sentence,)."""
        return self.offsets[1:] - self.offsets[:-1]

    @property
    def content(self) -> IntArray:
        """Tokens per sentence which the tokenizer did not add, shape (sentence,)."""
        return per_sentence(~self.added, self.offsets)

    def gather(self, take: IntArray, lengths: IntArray, sentences: IntArray) -> Pieces:
        """Rebuild from tokens ``take`` (flat indices), sentence by sentence of ``lengths`` tokens.

        ``sentences`` says which of the present sentences each new one comes from.
        """
        return replace(
            self,
            ids=self.ids[take],
            offsets=offsets_of(lengths),
            row=self.row[sentences],
            added=self.added[take],
            word=self.word[take],
            segment=self.segment[take],
            place=self.place[take],
            type_ids=None if self.type_ids is None else self.type_ids[take],
        )

    def select(self, keep: BoolArray) -> Pieces:
        """Return the sentences for which ``keep`` (sentence,) is true."""
        if keep.all():
            return self
        take = np.flatnonzero(np.repeat(keep, self.lengths))
        return self.gather(take, self.lengths[keep], np.flatnonzero(keep))


def offsets_of(lengths: IntArray | BoolArray) -> IntArray:
    """Offsets of sentences of these lengths: shape (sentence + 1,), starting with 0."""
    return np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lengths, dtype=np.int64)])


def positions(offsets: IntArray) -> IntArray:
    """Position of every token in its sentence, shape (token,), int32."""
    return (np.arange(offsets[-1]) - np.repeat(offsets[:-1], np.diff(offsets))).astype(np.int32)


def per_sentence(flags: BoolArray, offsets: IntArray) -> IntArray:
    """Count the true flags of every sentence, empty ones included, shape (sentence,)."""
    upto = offsets_of(flags)[offsets]
    return upto[1:] - upto[:-1]


def new_pieces(ids: IntArray, lengths: IntArray, first_row: int) -> Pieces:
    """Bare tokens of entries numbered from ``first_row``: no words, nothing added, one segment."""
    offsets, tokens = offsets_of(lengths), len(ids)
    return Pieces(
        ids=ids.astype(np.int32, copy=False),
        offsets=offsets,
        row=np.arange(first_row, first_row + len(lengths), dtype=np.int64),
        added=np.zeros(tokens, dtype=np.bool_),
        word=np.full(tokens, -1, dtype=np.int32),
        segment=np.zeros(tokens, dtype=np.int8),
        place=positions(offsets),
    )


def concatenate(parts: Sequence[Pieces]) -> Pieces:
    """Join batches in order; either all or none have segment ids."""
    if not parts:
        return new_pieces(np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int64), 0)
    types = [part.type_ids for part in parts if part.type_ids is not None]
    return Pieces(
        ids=np.concatenate([part.ids for part in parts]),
        offsets=offsets_of(np.concatenate([part.lengths for part in parts])),
        row=np.concatenate([part.row for part in parts]),
        added=np.concatenate([part.added for part in parts]),
        word=np.concatenate([part.word for part in parts]),
        segment=np.concatenate([part.segment for part in parts]),
        place=np.concatenate([part.place for part in parts]),
        type_ids=np.concatenate(types) if types else None,
    )
