"""The decoder's side: what it is fed with, and targets which the model itself generates."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from prosect.errors import ModelError, UsageError
from prosect.model.limits import Limits
from prosect.model.pieces import Pieces
from prosect.model.tokens import IntArray, TokenStream

DecoderInput = Literal["shifted", "as_given"]


def fed(pieces: Pieces, decoder_input: DecoderInput, limits: Limits) -> Pieces:
    """Turn target ids into decoder input.

    ``as_given`` feeds them as they are; ``shifted`` puts the decoder's start token first and drops
    the last one, so that position j reads target j - 1 and predicts target j (as in training).

    Raises
    ------
    UsageError
        If the model has no start token and the input is to be shifted.
    """
    if decoder_input == "as_given":
        return pieces
    if limits.decoder_start_id is None:
        raise UsageError("the model's config names no `decoder_start_token_id`; use `decoder_input: as_given`")
    starts = pieces.offsets[:-1]
    return replace(
        pieces,
        ids=_shift(pieces.ids, starts, limits.decoder_start_id),
        added=_shift(pieces.added, starts, True),
        word=_shift(pieces.word, starts, -1),
    )


def predicted(pieces: Pieces, decoder_input: DecoderInput) -> IntArray:
    """Ids that a decoder is to predict at each position, shape (token,): those that follow its input up to there.

    They are the target ids themselves where the input is shifted; otherwise those of the next positions, and -1 at the
    end of a sentence.
    """
    if decoder_input == "shifted":
        return pieces.ids
    following = np.roll(pieces.ids, -1)
    following[pieces.offsets[1:] - 1] = -1
    return following


def _shift(values: np.ndarray[Any, Any], starts: IntArray, first: int) -> np.ndarray[Any, Any]:
    shifted = np.roll(values, 1)
    shifted[starts] = first
    return shifted


@dataclass(frozen=True, kw_only=True)
class Generation:
    """How targets are generated; nothing is sampled.

    Attributes
    ----------
    beams
        Beams of the search; 1 is greedy; None for the checkpoint's own setting.
    max_new_tokens
        Longest target in tokens; None for the decoder's limit, else the checkpoint's own setting.
    batch_tokens
        Source tokens in one batch.
    """

    beams: int | None = None
    max_new_tokens: int | None = None
    batch_tokens: int = 4096


def generate_targets(
    model: Any,  # noqa: ANN401 - any model of transformers with a head
    source: TokenStream,
    limits: Limits,
    generation: Generation | None = None,
) -> tuple[IntArray, ...]:
    """Let an encoder-decoder with its head write the target of every sentence.

    Sentences of one length form a batch, so nothing is padded and no sentence depends on its
    neighbours. The result is a function of the model, the source and the options, and may be kept.

    Returns
    -------
    tuple of ndarray
        For each sentence of ``source`` its target ids, int32, without the decoder's start token,
        with the end token if the model wrote one.

    Raises
    ------
    ModelError
        If the model cannot generate.
    """
    import torch

    generation = generation or Generation()
    if not (hasattr(model, "generate") and model.can_generate()):
        raise ModelError(f"{type(model).__name__} cannot generate targets: load the model with its head (`head: own`)")
    settings = _settings(model, limits, generation)
    found: dict[int, IntArray] = {}
    with torch.inference_mode():
        for sentences in _equal_lengths(source, generation.batch_tokens):
            ids = torch.from_numpy(_rows(source.ids, source, sentences)).to(model.device)
            types = {} if source.type_ids is None else {"token_type_ids": _rows(source.type_ids, source, sentences)}
            extra = {name: torch.from_numpy(array).to(model.device) for name, array in types.items()}
            written = model.generate(ids, attention_mask=torch.ones_like(ids), generation_config=settings, **extra)
            targets = _trimmed(written.cpu().numpy(), settings.eos_token_id)
            found.update(zip(sentences.tolist(), targets, strict=True))
    return tuple(found[sentence] for sentence in range(source.sentences))


def _settings(model: Any, limits: Limits, generation: Generation) -> Any:  # noqa: ANN401 - transformers is untyped here
    """Take the checkpoint's settings, with nothing random in them."""
    settings = copy.deepcopy(model.generation_config)
    settings.do_sample, settings.num_return_sequences = False, 1
    settings.num_beams = generation.beams or settings.num_beams
    # Settings of sampling and of other searches would only cause warnings.
    settings.temperature = settings.top_k = settings.top_p = None
    if settings.num_beams in {None, 1}:
        settings.early_stopping, settings.length_penalty = None, None
    longest = generation.max_new_tokens or limits.decoder_max_length
    if longest is not None:
        settings.max_new_tokens, settings.max_length = longest, None
    return settings


def _equal_lengths(source: TokenStream, batch_tokens: int) -> Iterator[IntArray]:
    """Sentence numbers in batches of one length each."""
    lengths = source.lengths
    order = np.argsort(lengths, kind="stable")
    for same in np.split(order, np.flatnonzero(np.diff(lengths[order])) + 1):
        rows = max(1, batch_tokens // int(lengths[same[0]]))
        yield from (same[start : start + rows] for start in range(0, len(same), rows))


def _rows(values: IntArray, source: TokenStream, sentences: IntArray) -> IntArray:
    places = source.offsets[sentences][:, None] + np.arange(source.lengths[sentences[0]])
    rows: IntArray = values[places].astype(np.int64)
    return rows


def _trimmed(written: IntArray, ends: int | Sequence[int] | None) -> Sequence[IntArray]:
    """Drop the start token, and what stands behind the first end token (padding)."""
    body = written[:, 1:].astype(np.int32)
    ended = np.isin(body, [] if ends is None else np.atleast_1d(ends))
    lengths = np.where(ended.any(axis=1), ended.argmax(axis=1) + 1, body.shape[1])
    return [row[:length] for row, length in zip(body, lengths, strict=True)]
