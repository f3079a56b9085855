"""Encoding with tokenizers written in Python, which do not say where in the text a token comes from."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np

from prosect.errors import UsageError
from prosect.model.entries import Part
from prosect.model.pieces import Pieces, concatenate, new_pieces
from prosect.model.tokenizer import Tokenizer

_WORD_BEHIND_SPACE: Final = re.compile(r"\s*\S+|\s+$")


@dataclass(frozen=True)
class _Split:
    """Token ids of one text without special tokens, the word of each, and the number of words."""

    ids: list[int]
    word: list[int]
    words: int


@dataclass
class SlowEncoder:
    """Encodes text by text; pieces of words are looked up only once.

    A token's word is found by encoding the words alone: if their pieces side by side are the
    tokens of the whole text, these are its words. Two ways are tried: words without the blank
    before them (SentencePiece), and with it (character and byte models). If neither fits, running
    text gets -1, and text given in words is encoded word by word.

    Attributes
    ----------
    tokenizer
        A tokenizer of transformers.
    special_tokens
        Let it add its special tokens.
    target
        Encode as target text.
    """

    tokenizer: Tokenizer
    special_tokens: bool
    target: bool
    _known: dict[str, list[int]] = field(default_factory=dict)

    def encode(self, parts: Sequence[tuple[Part, ...]]) -> Pieces:
        """Encode a batch of texts or pairs."""
        return concatenate([self._sentence(segments) for segments in parts])

    def _sentence(self, parts: tuple[Part, ...]) -> Pieces:
        texts = [part if isinstance(part, str) else " ".join(part) for part in parts]
        splits = [self._split(part, text) for part, text in zip(parts, texts, strict=True)]
        if None not in splits or isinstance(parts[0], str):
            ids, types = self._whole(texts)
            return _placed(
                ids, types, [split or self._unknown(text) for split, text in zip(splits, texts, strict=True)]
            )
        ids, types = self._whole([list(part) or "" for part in parts], words=True)
        return _placed(ids, types, [self._by_word(part, len(part)) for part in parts])

    def _split(self, part: Part, text: str) -> _Split | None:
        whole = self._ids(text)
        words = part.split() if isinstance(part, str) else part
        with_blanks = _WORD_BEHIND_SPACE.findall(text) if isinstance(part, str) else _behind_blanks(part)
        splits = (self._by_word(chunks, len(words)) for chunks in (words, with_blanks))
        return next((split for split in splits if split.ids == whole), None)

    def _by_word(self, chunks: Sequence[str], words: int) -> _Split:
        """Put the pieces of words side by side; a chunk behind the last word is white space."""
        pieces = [self._pieces(chunk) for chunk in chunks]
        numbers = [number if number < words else -1 for number, chunk in enumerate(pieces) for _ in chunk]
        return _Split([token for chunk in pieces for token in chunk], numbers, words)

    def _unknown(self, text: str) -> _Split:
        ids = self._ids(text)
        return _Split(ids, [-1] * len(ids), len(text.split()))

    def _whole(self, texts: Sequence[Any], *, words: bool = False) -> tuple[list[int], list[int]]:
        key = "text_target" if self.target else "text"
        named = {key: texts[0], **({"text_pair": texts[1]} if len(texts) > 1 else {})}
        found = self.tokenizer(**named, is_split_into_words=words, **self._options(self.special_tokens))
        ids = list(found["input_ids"])
        return ids, list(found["token_type_ids"])

    def _ids(self, text: str) -> list[int]:
        key = "text_target" if self.target else "text"
        return list(self.tokenizer(**{key: text}, **self._options(special_tokens=False))["input_ids"])

    def _pieces(self, word: str) -> list[int]:
        if word not in self._known:
            self._known[word] = self._ids(word)
        return self._known[word]

    @staticmethod
    def _options(special_tokens: bool) -> dict[str, Any]:
        return {
            "add_special_tokens": special_tokens,
            "padding": False,
            "truncation": False,
            "return_attention_mask": False,
            "return_token_type_ids": True,
            "verbose": False,
        }


def _behind_blanks(words: Sequence[str]) -> list[str]:
    return [*words[:1], *(f" {word}" for word in words[1:])]


def _placed(ids: list[int], types: list[int], splits: Sequence[_Split]) -> Pieces:
    """Find each segment's tokens among those with special tokens around them."""
    tokens = len(ids)
    word = np.full(tokens, -1, dtype=np.int32)
    added = np.ones(tokens, dtype=np.bool_)
    segment = np.zeros(tokens, dtype=np.int8)
    stop = words = 0
    for number, split in enumerate(splits):
        start = _find(ids, split.ids, stop)
        stop = start + len(split.ids)
        added[start:stop] = False
        segment[start:] = number
        word[start:stop] = [-1 if one < 0 else one + words for one in split.word]
        words += split.words
    bare = new_pieces(np.array(ids, dtype=np.int64), np.array([tokens], dtype=np.int64), 0)
    return replace(bare, added=added, segment=segment, word=word, type_ids=np.array(types, dtype=np.int32))


def _find(ids: list[int], block: list[int], start: int) -> int:
    for place in range(start, len(ids) - len(block) + 1):
        if ids[place : place + len(block)] == block:
            return place
    raise UsageError(
        "the tokenizer encodes a text differently with and without special tokens, so its tokens cannot be told "
        "from the special ones; use `special_tokens: false`, or a fast tokenizer"
    )
