"""Categories of pairs of tokens of one sentence (after Kobayashi et al. 2024), found without reading them."""

from __future__ import annotations

from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Int

IntArray = npt.NDArray[np.integer[Any]]
BoolArray = npt.NDArray[np.bool_]

#: In this order of precedence; a pair in none of them is in OTHER.
CATEGORIES: Final = ("same_word", "same_entity", "same_token", "adjacent")
OTHER: Final = "other"


def pair_categories(
    words: Int[IntArray, " token"], types: Int[IntArray, " token"], entities: Int[IntArray, " token"] | None = None
) -> Bool[BoolArray, "category token token"]:
    """Find the category of every pair of tokens.

    ``same_word``: pieces of one word; ``same_entity``: in one entity; ``same_token``: other tokens of the same type;
    ``adjacent``: in neighbouring words; ``other``. A pair is in the first that fits. A token with itself is in none.

    Parameters
    ----------
    words
        Word of every token, -1 for none.
    types
        Type of every token.
    entities
        Entity of every token, -1 for none; None where entities are not known.

    Returns
    -------
    numpy.ndarray
        Rows in the order of `CATEGORIES` and `OTHER`; every pair but those of the diagonal is in exactly one.
    """
    apart = ~np.eye(len(words), dtype=np.bool_)
    none = np.full(len(words), -1)
    steps = np.abs(words[:, None] - words)
    in_words = (words[:, None] >= 0) & (words >= 0)
    fits = [
        _same(words),
        _same(none if entities is None else entities),
        types[:, None] == types,
        in_words & (steps == 1),
    ]
    left, found = apart.copy(), []
    for fit in fits:
        found.append(fit & left)
        left &= ~fit
    return np.stack([*found, left])


def spans(
    labels: npt.NDArray[Any], words: Int[IntArray, " token"], scheme: Literal["bio", "runs"]
) -> Int[IntArray, " token"]:
    """Count the entities of a sentence, from 0; -1 for tokens of none.

    Parameters
    ----------
    labels
        Label of every token; pieces of one word have that of the word.
    words
        Word of every token, so that the pieces of a word which begins an entity do not begin another one.
    scheme
        ``bio`` or ``runs`` (see `AmplifiedPairsOptions`).
    """
    found = np.full(len(labels), -1)
    number, before = -1, ""
    for place, label in enumerate(str(label) for label in labels):
        kind = label if scheme == "runs" else "" if label in ("O", "") else label.partition("-")[2]
        same_word = place > 0 and words[place] >= 0 and words[place] == words[place - 1]
        begins = scheme == "bio" and label.startswith("B") and not same_word
        inside = label not in ("", "O") if scheme == "bio" else label != ""
        if inside:
            number += begins or kind != before or found[place - 1] < 0 or place == 0
            found[place] = number
        before = kind
    return found


def _same(numbers: IntArray) -> BoolArray:
    return np.asarray((numbers[:, None] == numbers) & (numbers >= 0))
