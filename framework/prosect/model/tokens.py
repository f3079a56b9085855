"""Tokenised streams as flat arrays: no padding, one entry per token. Numpy only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

IntArray = npt.NDArray[np.integer]


@dataclass(frozen=True, kw_only=True)
class TokenStream:
    """The tokens that one stream of a model is fed with.

    Attributes
    ----------
    ids
        Token ids, shape (token,), int32, as fed (masked tokens already replaced).
    offsets
        Where sentence i starts and, one on, ends: shape (sentence + 1,), int64.
    type_ids
        Segment ids, shape (token,), int32; None where the model takes none.
    coordinates
        What stands on the ``token`` axis of results: ``sentence``, ``position``, ``text``,
        ``token_id``, ``special``, ``word``, perhaps ``segment``, ``masked`` and ``token_id_original``, of a
        decoder ``target_id``, and each annotation of the corpus; every array has shape (token,).
    """

    ids: IntArray
    offsets: IntArray
    type_ids: IntArray | None = None
    coordinates: Mapping[str, npt.NDArray[np.generic]] = field(default_factory=dict)

    @property
    def tokens(self) -> int:
        """Number of tokens."""
        return len(self.ids)

    @property
    def sentences(self) -> int:
        """Number of sentences."""
        return len(self.offsets) - 1

    @property
    def lengths(self) -> IntArray:
        """Tokens per sentence, shape (sentence,)."""
        return np.diff(self.offsets)


@dataclass(frozen=True, kw_only=True)
class Texts:
    """What the sentences of an encoder-decoder are as text.

    Attributes
    ----------
    source
        What the encoder reads, one text per sentence.
    target
        What the decoder is fed with: the target of the corpus, or what the model wrote.
    references
        Target texts of the corpus, per sentence; empty where it has none.
    generated
        Targets are what the model wrote.
    """

    source: tuple[str, ...]
    target: tuple[str, ...]
    references: tuple[tuple[str, ...], ...]
    generated: bool


@dataclass(frozen=True, kw_only=True)
class Tokenised:
    """A corpus ready for a model.

    Attributes
    ----------
    source
        The stream of a model of one stream, or the encoder's.
    target
        The decoder's stream (decoder input as it is fed); None where there is none.
    references
        Target texts per sentence, the first one fed to the decoder.
    source_texts
        Texts of the source per sentence, None where it was given as ids; empty unless asked for.
    texts
        Texts of both sides, of an encoder-decoder.
    losses
        What did not make it, by name and number: ``sentences_dropped`` (empty ones),
        ``sentences_cut``, ``tokens_cut``; for the decoder ``target_sentences_cut``, ``target_tokens_cut``.
    """

    source: TokenStream
    target: TokenStream | None = None
    references: tuple[tuple[str, ...], ...] = ()
    source_texts: tuple[str | None, ...] = ()
    texts: Texts | None = None
    losses: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Unit:
    """A range of a stream's token axis which one worker computes and writes as a whole.

    Attributes
    ----------
    index
        Number from 0.
    start, stop
        Its tokens on the flat axis.
    first, last
        Its sentences: ``first <= i < last``, those on a border included (they are computed
        by each unit they touch, and each unit writes only its own tokens).
    """

    index: int
    start: int
    stop: int
    first: int
    last: int


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Sentences padded on the right to one length.

    Attributes
    ----------
    sentences
        Sentence numbers, shape (batch,).
    ids, mask
        Token ids and 1 for real tokens, shape (batch, position), int64.
    type_ids
        Segment ids, same shape, or None.
    rows, columns, targets
        For each token the unit owns in this batch: its row and column in the padded arrays, and its
        place in the unit (from 0); each of shape (owned token,).
    """

    sentences: IntArray
    ids: IntArray
    mask: IntArray
    rows: IntArray
    columns: IntArray
    targets: IntArray
    type_ids: IntArray | None = None
