"""Encoding with the tokenizers of the Rust library, which know where in the text a token comes from."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain

import numpy as np

from prosect.model.entries import Part
from prosect.model.pieces import Pieces, new_pieces
from prosect.model.tokenizer import Encodings, FastEncoding, Tokenizer
from prosect.model.tokens import IntArray
from prosect.model.word_spans import WordSpans, spans_by_space, spans_of_words


def encode_fast(
    tokenizer: Tokenizer, parts: Sequence[tuple[Part, ...]], *, special_tokens: bool, target: bool
) -> Pieces:
    """Encode a batch of texts, or of pairs (then all are pairs).

    Words are joined by single blanks and encoded as the running text they are, and every token
    belongs to the word in which it starts. Encoding word by word would give byte-level tokenizers
    which put no blank before the first word (GPT-2, RoBERTa, Llama 3) other tokens than the model
    has been trained with.
    """
    texts = [_text(part) for part in chain.from_iterable(parts)]
    width = len(parts[0])
    found = _call(tokenizer, texts, width, special_tokens=special_tokens, target=target)
    lengths = np.fromiter(map(len, found["input_ids"]), np.int64, len(parts))
    tokens = int(lengths.sum())
    bare = new_pieces(_flat(found["input_ids"], tokens), lengths, 0)
    added = _flat(found["special_tokens_mask"], tokens).astype(np.bool_)
    segment = _segments(found.encodings, bare.offsets) if width == 2 else bare.segment  # noqa: PLR2004 -- a pair
    starts = _flat(chain.from_iterable(found["offset_mapping"]), 2 * tokens)[::2]
    word = _words(_spans(parts), np.repeat(np.arange(len(parts)), lengths) * width, segment, starts)
    return replace(
        bare,
        added=added,
        segment=segment.astype(np.int8),
        word=np.where(added, -1, word).astype(np.int32),
        type_ids=_flat(found["token_type_ids"], tokens).astype(np.int32),
    )


def _call(tokenizer: Tokenizer, texts: list[str], width: int, *, special_tokens: bool, target: bool) -> Encodings:
    first, second = texts[::width], texts[1::width] if width > 1 else None
    named = {"text_target": first} if target else {"text": first, "text_pair": second}
    return tokenizer(
        **named,
        add_special_tokens=special_tokens,
        # A tokenizer.json may carry truncation and padding; these two switch them off.
        padding=False,
        truncation=False,
        return_attention_mask=False,
        return_offsets_mapping=True,
        return_special_tokens_mask=True,
        return_token_type_ids=True,
        verbose=False,
    )


def _text(part: Part) -> str:
    return part if isinstance(part, str) else " ".join(part)


def _flat(lists: Iterable[Iterable[int]], tokens: int) -> IntArray:
    return np.fromiter(chain.from_iterable(lists), np.int64, tokens)


def _spans(parts: Sequence[tuple[Part, ...]]) -> WordSpans:
    flat = list(chain.from_iterable(parts))
    words = [part for part in flat if not isinstance(part, str)]
    return spans_of_words(words) if words else spans_by_space([part for part in flat if isinstance(part, str)])


def _words(spans: WordSpans, text: IntArray, segment: IntArray, starts: IntArray) -> IntArray:
    words = spans.at(text + segment, starts)
    return np.where((segment == 1) & (words >= 0), words + spans.count[text], words)


def _segments(encodings: Sequence[FastEncoding] | None, offsets: IntArray) -> IntArray:
    """0 or 1 per token; an added token continues the segment before it."""
    known = [np.array(encoding.sequence_ids, dtype=np.float32) for encoding in encodings or ()]
    flags = np.nan_to_num(np.concatenate(known)).astype(np.int64)
    sentence = 2 * np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    return np.maximum.accumulate(sentence + flags) - sentence
