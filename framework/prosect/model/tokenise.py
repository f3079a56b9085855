"""From the sentences of a corpus to what a model is fed with.

Coordinates of the streams:

``sentence``, ``position``
    Counted from 0 among what is fed, in the order of the corpus; dropped sentences have no number.
``text``, ``token_id``
    The token that is fed, as the tokenizer writes it, and its id.
``special``
    Added by the tokenizer, or with the id of a special token (unknown and mask tokens are none).
``word``
    Word of the sentence from 0, those of a second segment going on. Words are those of the corpus,
    or else what stands between white space; white space belongs to the word behind it. -1 for
    special tokens, behind the last word, and for corpora of ids.
``segment``
    Segment ids as fed, or 0 and 1 for a pair where the model takes none; absent without either.
``unit``, ``unit_position``
    With windows: what ``sentence`` and ``position`` would be without (a special token which every
    window repeats has the place of the one it repeats). ``word`` is that of the whole unit, too.
``target_id``
    Of a decoder: the id that it is to predict at this position; -1 at the end of a target fed as given.
``masked``, ``token_id_original``
    With a mask: which tokens were chosen, and the ids that stood there.

Behind them come the annotations of the corpus, see :class:`~prosect.model.alignment.Annotations`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from prosect.errors import UsageError
from prosect.model.alignment import Annotations
from prosect.model.encode import Encoded, encode
from prosect.model.limits import Limits
from prosect.model.pieces import new_pieces
from prosect.model.streams import Reader, constant_within_sentences, source_stream, target_stream
from prosect.model.targets import DecoderInput
from prosect.model.tokenizer import Tokenizer
from prosect.model.tokens import IntArray, Tokenised
from prosect.model.windows import Cut, cut_at, cut_windows
from prosect.spec.models import CommonCorpusOptions
from prosect.vocab.corpus import Sentence

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Counts:
    """How many tokens a corpus has for a model.

    Attributes
    ----------
    source, target
        Tokens of either stream; None where there is no target (or it is generated later).
    sentences
        Sentences, every window counted as one.
    losses
        As in :class:`~prosect.model.tokens.Tokenised`.
    """

    source: int
    target: int | None
    sentences: int
    losses: Mapping[str, int]


@dataclass(frozen=True)
class _Cuts:
    source: Cut
    target: Cut | None
    losses: Mapping[str, int]


def tokenise(
    sentences: Iterable[Sentence],
    tokenizer: Tokenizer | None,
    common: CommonCorpusOptions,
    limits: Limits,
    decoder_input: DecoderInput = "shifted",
    *,
    texts: bool = False,
) -> Tokenised:
    """Tokenise a corpus for a model.

    Parameters
    ----------
    sentences
        The corpus, read once from start to end.
    tokenizer
        A tokenizer of transformers, fast or slow; None for a corpus of token ids.
    common
        Options that all corpora have; ``limit`` is applied here.
    limits
        What the model takes.
    decoder_input
        How target texts are fed to a decoder: ``shifted`` right behind the start token, or ``as_given``.
    texts
        Keep the texts of the source.

    Returns
    -------
    Tokenised
        ``target`` is None where the model has a decoder but the corpus no targets: generate them,
        then call :func:`with_targets`.

    Raises
    ------
    UsageError
        If the corpus does not fit the model, the tokenizer or the options.
    """
    encoded = encode(sentences, tokenizer, common, limits, texts=texts)
    cuts = _cut(encoded, common, limits)
    reader, source, target = Reader(tokenizer, limits), cuts.source.pieces, None
    if cuts.target is not None:
        how: DecoderInput = "as_given" if encoded.target_form == "ids" else decoder_input
        target = target_stream(cuts.target.pieces, how, reader, encoded.annotations)
    return Tokenised(
        source=source_stream(source, reader, encoded.annotations, common),
        target=target,
        references=_per_row(encoded, encoded.references, source.row) if any(encoded.references) else (),
        source_texts=_per_row(encoded, encoded.texts, source.row) if texts else (),
        losses=cuts.losses,
    )


def count(
    sentences: Iterable[Sentence], tokenizer: Tokenizer | None, common: CommonCorpusOptions, limits: Limits
) -> Counts:
    """Count the tokens that :func:`tokenise` would give, without their coordinates."""
    cuts = _cut(encode(sentences, tokenizer, common, limits), common, limits)
    return Counts(
        source=len(cuts.source.pieces.ids),
        target=None if cuts.target is None else len(cuts.target.pieces.ids),
        sentences=len(cuts.source.pieces.row),
        losses=cuts.losses,
    )


def with_targets(
    tokenised: Tokenised,
    targets: Sequence[IntArray],
    tokenizer: Tokenizer | None,
    limits: Limits,
    decoder_input: DecoderInput = "shifted",
) -> Tokenised:
    """Add a decoder's stream made of target ids, one row of ids per sentence of the source.

    Annotations which are constant within each sentence of the source are given to the target too.
    """
    if len(targets) != tokenised.source.sentences:
        raise UsageError(f"there are {len(targets)} targets for {tokenised.source.sentences} sentences")
    lengths = np.fromiter(map(len, targets), np.int64, len(targets))
    if not lengths.all():
        raise UsageError(f"the target of sentence {int(np.argmin(lengths))} has no token")
    cut = cut_at(new_pieces(np.concatenate(targets), lengths, 0), limits.decoder_max_length)
    stream = target_stream(cut.pieces, decoder_input, Reader(tokenizer, limits), Annotations())
    constant = {
        name: np.repeat(values, stream.lengths) for name, values in constant_within_sentences(tokenised.source).items()
    }
    losses = {**tokenised.losses, "target_sentences_cut": cut.sentences_cut, "target_tokens_cut": cut.tokens_cut}
    return replace(tokenised, target=replace(stream, coordinates={**stream.coordinates, **constant}), losses=losses)


def _cut(encoded: Encoded, common: CommonCorpusOptions, limits: Limits) -> _Cuts:
    if common.window is None:
        source = cut_at(encoded.source, limits.max_length)
    elif encoded.target is None:
        source = cut_windows(encoded.source, common.window, limits.max_length)
    else:
        raise UsageError(
            "`window` cuts sentences apart, so their targets fit no more: drop it, or generate the targets"
        )
    losses = {
        "sentences_dropped": encoded.dropped,
        "sentences_cut": source.sentences_cut,
        "tokens_cut": source.tokens_cut,
    }
    if encoded.target is None:
        return _Cuts(source, None, losses)
    target = cut_at(encoded.target, limits.decoder_max_length)
    losses |= {"target_sentences_cut": target.sentences_cut, "target_tokens_cut": target.tokens_cut}
    return _Cuts(source, target, losses)


def _per_row(encoded: Encoded, values: Sequence[T], rows: IntArray) -> tuple[T, ...]:
    """Values of entries per sentence, those of an entry for each of its windows."""
    return tuple(values[one] for one in np.searchsorted(encoded.source.row, rows))
