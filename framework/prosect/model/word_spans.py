"""Which word a character stands in, for many texts at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from prosect.model.pieces import offsets_of
from prosect.model.tokens import IntArray

# U+3000 is the last one of Unicode.
_SPACES = np.array([code for code in range(0x3001) if chr(code).isspace()], dtype=np.uint32)


@dataclass(frozen=True)
class WordSpans:
    """Words of texts laid side by side, each text behind one blank.

    White space belongs to the word that follows it, because most tokenizers keep a blank with the
    word behind it ("Ġword", "▁word"); behind the last word it belongs to none.

    Attributes
    ----------
    number
        Running number of the word at (or next after) every character, shape (character,).
    start
        The blank before every text, shape (text,).
    first, count
        Running number of a text's first word, and how many it has, shape (text,).
    """

    number: IntArray
    start: IntArray
    first: IntArray
    count: IntArray

    def at(self, texts: IntArray, characters: IntArray) -> IntArray:
        """Word (from 0) at a character of a text, -1 behind the last word; shapes as the arguments."""
        # Only a text without any character has its end beyond the table.
        slots = np.minimum(self.start[texts] + 1 + characters, len(self.number) - 1)
        words = self.number[slots] - self.first[texts]
        return np.where(words < self.count[texts], words, -1)


def spans_by_space(texts: Sequence[str]) -> WordSpans:
    """Words are what stands between white space, as in ``str.split``."""
    joined = " " + " ".join(texts) + " "
    codes = np.frombuffer(joined.encode("utf-32-le"), dtype=np.uint32)
    inside = ~np.isin(codes, _SPACES)
    begun = np.cumsum(inside & ~np.roll(inside, 1), dtype=np.int64)
    start = offsets_of(np.fromiter(map(len, texts), np.int64, len(texts)) + 1)
    first = begun[start]
    return WordSpans(number=begun - inside, start=start[:-1], first=first[:-1], count=np.diff(first))


def spans_of_words(texts: Sequence[Sequence[str]]) -> WordSpans:
    """Words are given; a text is what they give when joined by single blanks."""
    count = np.fromiter(map(len, texts), np.int64, len(texts))
    # A text without words still has its blank, which counts as one empty word here.
    first = offsets_of(np.maximum(count, 1))
    lengths = np.fromiter(chain.from_iterable(map(len, words) if words else (0,) for words in texts), np.int64) + 1
    number = np.repeat(np.arange(len(lengths) + 1), np.append(lengths, 1))
    return WordSpans(number=number, start=offsets_of(lengths)[first[:-1]], first=first[:-1], count=count)
