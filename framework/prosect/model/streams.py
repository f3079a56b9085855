"""Token streams with their coordinates, from cut pieces."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from prosect.model.alignment import RESERVED, TOKEN_ID_ORIGINAL, UNIT, UNIT_POSITION, Annotations
from prosect.model.limits import Limits, special_ids_of
from prosect.model.masking import mask_ids, mask_tokens_of
from prosect.model.pieces import BoolArray, Pieces, positions
from prosect.model.targets import DecoderInput, fed, predicted
from prosect.model.token_text import token_texts
from prosect.model.tokenizer import Tokenizer
from prosect.model.tokens import IntArray, TokenStream
from prosect.spec.models import CommonCorpusOptions, Mask
from prosect.vocab import dims

Coordinates = dict[str, npt.NDArray[np.generic]]


@dataclass(frozen=True)
class Reader:
    """What ids mean to a model: their strings, and which of them are special.

    Attributes
    ----------
    tokenizer
        The tokenizer, or None.
    limits
        What the model takes.
    """

    tokenizer: Tokenizer | None
    limits: Limits

    @property
    def special_ids(self) -> frozenset[int]:
        """Ids which stand for no part of a text, as config and tokenizer say."""
        return self.limits.special_ids | special_ids_of(self.tokenizer)

    def special(self, pieces: Pieces) -> BoolArray:
        """Tell tokens which were added, or have a special id, shape (token,)."""
        return pieces.added | np.isin(pieces.ids, sorted(self.special_ids))


def source_stream(pieces: Pieces, reader: Reader, annotations: Annotations, common: CommonCorpusOptions) -> TokenStream:
    """Stream of the source side, masked if the corpus asks for it."""
    special = reader.special(pieces)
    # A special token that a text spells out stands in no word either.
    pieces = replace(pieces, word=np.where(special, np.int32(-1), pieces.word))
    more: Coordinates = {}
    ids = pieces.ids
    if common.mask is not None:
        ids, more[dims.MASKED] = _masked(pieces, special, reader, common.mask)
        more[TOKEN_ID_ORIGINAL] = pieces.ids
    if pieces.type_ids is not None or pieces.segment.any():
        more[dims.SEGMENT] = pieces.segment.astype(np.int32) if pieces.type_ids is None else pieces.type_ids
    if common.window is not None:
        units = np.unique(pieces.row, return_inverse=True)[1].astype(np.int32)
        more |= {UNIT: np.repeat(units, pieces.lengths), UNIT_POSITION: pieces.place}
    own = _own(ids, pieces, special, token_texts(ids, reader.tokenizer))
    coordinates = own | more | annotations.arrays(pieces)
    return TokenStream(ids=ids, offsets=pieces.offsets, type_ids=pieces.type_ids, coordinates=coordinates)


def target_stream(
    targets: Pieces, decoder_input: DecoderInput, reader: Reader, annotations: Annotations
) -> TokenStream:
    """Stream of what a decoder is fed with for some targets; of the annotations it gets those of whole sentences."""
    pieces = fed(targets, decoder_input, reader.limits)
    special = reader.special(pieces)
    pieces = replace(pieces, word=np.where(special, np.int32(-1), pieces.word))
    own = _own(pieces.ids, pieces, special, token_texts(pieces.ids, reader.tokenizer, target=True))
    own[dims.TARGET_ID] = predicted(targets, decoder_input)
    coordinates = own | annotations.arrays(pieces, ("sentence",))
    return TokenStream(ids=pieces.ids, offsets=pieces.offsets, coordinates=coordinates)


def constant_within_sentences(stream: TokenStream) -> Coordinates:
    """Annotations which have one value throughout every sentence: that value, shape (sentence,)."""
    heads, found = stream.offsets[:-1], {}
    for name, values in stream.coordinates.items():
        if name in RESERVED:
            continue
        spread = np.repeat(values[heads], stream.lengths)
        if np.array_equal(spread, values, equal_nan=values.dtype.kind == "f"):
            found[name] = values[heads]
    return found


def _own(ids: IntArray, pieces: Pieces, special: BoolArray, texts: npt.NDArray[np.object_]) -> Coordinates:
    """Coordinates which every stream has."""
    sentences = np.arange(len(pieces.row), dtype=np.int32)
    return {
        dims.SENTENCE: np.repeat(sentences, pieces.lengths),
        dims.POSITION: positions(pieces.offsets),
        dims.TEXT: texts,
        dims.TOKEN_ID: ids,
        dims.SPECIAL: special,
        dims.WORD: pieces.word,
    }


def _masked(pieces: Pieces, special: BoolArray, reader: Reader, mask: Mask) -> tuple[IntArray, BoolArray]:
    tokens = mask_tokens_of(reader.tokenizer, reader.special_ids, reader.limits.vocab_size)
    return mask_ids(pieces.ids, pieces.offsets, special, mask, tokens)
