"""Cutting what is too long: at a limit, or into overlapping windows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from prosect.errors import UsageError
from prosect.model.pieces import Pieces, offsets_of, per_sentence, positions
from prosect.model.tokens import IntArray
from prosect.spec.models import Window


@dataclass(frozen=True)
class Cut:
    """Sentences after cutting, and what was lost.

    Attributes
    ----------
    pieces
        The sentences; each keeps the special tokens which the tokenizer added at both its ends.
    sentences_cut, tokens_cut
        How many sentences lost tokens, and how many tokens.
    """

    pieces: Pieces
    sentences_cut: int = 0
    tokens_cut: int = 0


@dataclass(frozen=True)
class _Ends:
    """Numbers of added tokens before and behind the content of each sentence, shape (sentence,)."""

    before: IntArray
    behind: IntArray

    @property
    def both(self) -> IntArray:
        return self.before + self.behind


def cut_at(pieces: Pieces, limit: int | None) -> Cut:
    """Shorten every sentence to ``limit`` tokens; the tokens before the closing special ones go."""
    lengths = pieces.lengths
    if limit is None or lengths.max(initial=0) <= limit:
        return Cut(pieces)
    ends = _ends(pieces)
    _check_room(limit, ends, f"the model's limit of {limit} tokens")
    whole = np.arange(len(lengths))
    shortened = np.minimum(lengths, limit)
    cut = _take(pieces, ends, whole, np.zeros_like(whole), shortened)
    return Cut(cut, int((lengths > limit).sum()), int((lengths - shortened).sum()))


def cut_windows(pieces: Pieces, window: Window, limit: int | None) -> Cut:
    """Cut sentences longer than a window into windows, each with the special tokens of the whole.

    A window has ``window.tokens`` tokens, special ones included, and starts ``window.stride``
    tokens of content behind the one before (default: where that one ends); the last one, which
    reaches the sentence's end, may be shorter.
    """
    if limit is not None and window.tokens > limit:
        raise UsageError(f"`window.tokens` is {window.tokens}, but the model takes {limit} tokens at most")
    lengths = pieces.lengths
    if lengths.max(initial=0) <= window.tokens:
        return Cut(pieces)
    ends = _ends(pieces)
    room = _check_room(window.tokens, ends, f"a window of {window.tokens} tokens")
    stride = room if window.stride is None else np.full_like(room, window.stride)
    if (stride > room)[lengths > window.tokens].any():
        raise UsageError(
            f"`window.stride` is {window.stride}, but a window of {window.tokens} tokens holds {room.min()} beside the "
            "special ones: tokens between two windows would be lost; use a smaller stride"
        )
    content = lengths - ends.both
    count = 1 + -(-np.maximum(content - room, 0) // stride)
    source = np.repeat(np.arange(len(lengths)), count)
    start = positions(offsets_of(count)) * stride[source]
    sizes = np.minimum(room[source], content[source] - start) + ends.both[source]
    return Cut(_take(pieces, ends, source, start, sizes))


def _take(pieces: Pieces, ends: _Ends, source: IntArray, start: IntArray, sizes: IntArray) -> Pieces:
    """Build sentences of ``sizes`` tokens whose content starts ``start`` tokens into that of ``source``."""
    offsets = offsets_of(sizes)
    place = positions(offsets)
    lost = pieces.lengths[source] - sizes
    sentence = np.repeat(np.arange(len(sizes)), sizes)
    opening = place < ends.before[source][sentence]
    closing = place >= (sizes - ends.behind[source])[sentence]
    jump = np.where(opening, 0, np.where(closing, lost[sentence], start[sentence]))
    take = pieces.offsets[source][sentence] + place + jump
    return pieces.gather(take, sizes, source)


def _ends(pieces: Pieces) -> _Ends:
    """Count added tokens at both ends; every sentence has some content."""
    content = np.flatnonzero(~pieces.added)
    upto = offsets_of(per_sentence(~pieces.added, pieces.offsets))
    first, last = content[upto[:-1]], content[upto[1:] - 1]
    return _Ends(first - pieces.offsets[:-1], pieces.offsets[1:] - 1 - last)


def _check_room(tokens: int, ends: _Ends, what: str) -> IntArray:
    room = tokens - ends.both
    if (room < 1).any():
        raise UsageError(f"{what} has no room for text beside {ends.both.max()} special tokens")
    return room
