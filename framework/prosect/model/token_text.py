"""Token strings for token ids."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from prosect.model.tokenizer import Tokenizer
from prosect.model.tokens import IntArray


def token_texts(ids: IntArray, tokenizer: Tokenizer | None, *, target: bool = False) -> npt.NDArray[np.object_]:
    """Token strings as the tokenizer writes them ("##ing", "Ġthe"), shape (token,).

    Without a tokenizer, and for ids which it does not know, the id as a string.
    """
    used = np.flatnonzero(np.bincount(ids))
    table = np.empty(int(ids.max(initial=-1)) + 1, dtype=np.object_)
    names = [str(one) for one in used.tolist()] if tokenizer is None else _named(used, tokenizer, target=target)
    table[used] = names
    return table[ids]


def _named(used: IntArray, tokenizer: Tokenizer, *, target: bool) -> list[str]:
    # Marian with two vocabularies looks every id up in that of the target language.
    if getattr(tokenizer, "separate_vocabs", False) and not target:
        known = {number: token for token, number in getattr(tokenizer, "get_src_vocab", dict)().items()}
        return [known.get(one, str(one)) for one in used.tolist()]
    return [_name(one, tokenizer) for one in used.tolist()]


def _name(number: int, tokenizer: Tokenizer) -> str:
    try:
        found = tokenizer.convert_ids_to_tokens(number)
    except (IndexError, KeyError):  # tokenizers written in Python raise for ids behind their last one
        found = None
    return str(number) if found is None else str(found)
