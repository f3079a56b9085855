"""What a head should have said: the token that stood under a mask, or the one that follows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from prosect.api import UsageError
from prosect.api.tensors import TokenView

Ids = npt.NDArray[np.int64]

#: Where there is nothing to predict.
NOTHING = -1


def masked_ids(tokens: TokenView) -> Ids:
    """Ids before masking at the positions that were chosen for it, -1 elsewhere; shape (*token,).

    Raises
    ------
    UsageError
        The corpus masks nothing.
    """
    if "masked" not in tokens.stream.coordinates:
        raise UsageError("masked tokens are read off a corpus that masks: give it 'mask: {rate: 0.15, seed: 0}'")
    chosen = tokens.coordinate("masked") & _real(tokens)
    found: Ids = np.where(chosen, tokens.coordinate("token_id_original"), NOTHING).astype(np.int64)
    return found


def next_ids(tokens: TokenView, *, special: bool) -> Ids:
    """Ids that follow each position in its own sentence, -1 where none does; shape (*token,).

    In a decoder of an encoder-decoder it is the target that belongs to the position. With ``special=False`` special
    tokens are nothing to predict. Where the corpus masks, the tokens before masking are meant.
    """
    stream, index = tokens.stream, tokens.index.cpu().numpy()
    following = np.minimum(index + 1, stream.tokens - 1)
    sentence = stream.coordinates["sentence"]
    same = (index + 1 < stream.tokens) & (sentence[following] == sentence[index])
    if "target_id" in stream.coordinates:
        found = tokens.coordinate("target_id")
    else:
        ids = stream.coordinates.get("token_id_original", stream.coordinates["token_id"])
        found = np.where(same, ids[following], NOTHING)
    if not special:
        found = np.where(same & ~stream.coordinates["special"][following], found, NOTHING)
    ids_of_real: Ids = np.where(_real(tokens), found, NOTHING).astype(np.int64)
    return ids_of_real


def _real(tokens: TokenView) -> npt.NDArray[np.bool_]:
    real: npt.NDArray[np.bool_] = tokens.index.cpu().numpy() >= 0
    return real
