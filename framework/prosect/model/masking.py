"""Masking tokens before the forward pass, the same whatever the batching."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from prosect.errors import UsageError
from prosect.model.pieces import BoolArray, offsets_of, per_sentence, positions
from prosect.model.tokenizer import Tokenizer
from prosect.model.tokens import IntArray
from prosect.spec.models import Mask

_MASKED: Final = 0.8
_MASKED_OR_RANDOM: Final = 0.9


@dataclass(frozen=True)
class MaskTokens:
    """What masked tokens are replaced by.

    Attributes
    ----------
    mask_id
        Id of the mask token.
    vocabulary
        Ids of which a random replacement is drawn, special ones left out.
    """

    mask_id: int
    vocabulary: IntArray


def mask_tokens_of(tokenizer: Tokenizer | None, special_ids: frozenset[int], vocab_size: int | None) -> MaskTokens:
    """Read mask token and vocabulary; UsageError where there is no mask token."""
    mask_id = getattr(tokenizer, "mask_token_id", None)
    if tokenizer is None or mask_id is None:
        which = "the model has no tokenizer" if tokenizer is None else "its tokenizer has no mask token"
        raise UsageError(f"`mask` needs a mask token, but {which}; drop `mask` or use a masked language model")
    known = np.array(sorted(set(tokenizer.get_vocab().values()) - special_ids - {mask_id}), dtype=np.int64)
    return MaskTokens(int(mask_id), known if vocab_size is None else known[known < vocab_size])


def mask_ids(
    ids: IntArray, offsets: IntArray, special: BoolArray, mask: Mask, tokens: MaskTokens
) -> tuple[IntArray, BoolArray]:
    """Choose and replace tokens; return the ids to feed and which were chosen, each of shape (token,).

    Of the n tokens of a sentence which are not special, max(minimum, round(rate n)) are chosen
    (halves rounded up, n at most), without replacement and with equal chances. Every token has
    its own random numbers, drawn in the order of the corpus: a longer corpus with the same start
    has the same choices there. Under ``bert`` 80 % of the chosen become the mask token, 10 % a
    random token, 10 % stay as they are (Devlin et al. 2019, section 3.1).
    """
    choice, fate, replacement = (np.random.default_rng([mask.seed, stream]) for stream in range(3))
    free = per_sentence(~special, offsets)
    wanted = np.minimum(np.maximum(mask.minimum, np.floor(mask.rate * free + 0.5)), free)
    chosen = _rank(np.where(special, 2.0, choice.random(len(ids))), offsets) < np.repeat(wanted, np.diff(offsets))
    lot = fate.random(len(ids)) if mask.scheme == "bert" else np.zeros(len(ids))
    other = tokens.vocabulary[(replacement.random(len(ids)) * len(tokens.vocabulary)).astype(np.int64)]
    fed = np.where(chosen & (lot < _MASKED), tokens.mask_id, ids)
    fed = np.where(chosen & (lot >= _MASKED) & (lot < _MASKED_OR_RANDOM), other, fed)
    return fed.astype(ids.dtype), chosen


def _rank(score: np.ndarray[tuple[int], np.dtype[np.float64]], offsets: IntArray) -> IntArray:
    """Rank of every token's score within its sentence, from 0, shape (token,)."""
    sentence = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    rank = np.empty(len(score), dtype=np.int64)
    rank[np.lexsort((score, sentence))] = positions(offsets_of(np.diff(offsets)))
    return rank
