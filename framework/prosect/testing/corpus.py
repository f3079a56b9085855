"""A small corpus for the kits: its tokens and their coordinates."""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from prosect.model.tokens import TokenStream

LENGTHS: Final = (7, 1, 5, 9, 3, 4, 8, 2, 6, 5)
TOKENS: Final = sum(LENGTHS)


def corpus() -> TokenStream:
    """Ten sentences with the coordinates of every corpus and of one that masks, and an annotation ``class``."""
    generator = np.random.default_rng(3)
    lengths = np.array(LENGTHS)
    offsets = np.concatenate([[0], lengths.cumsum()])
    ids = generator.integers(10, 16, size=TOKENS).astype(np.int32)
    position = np.concatenate([np.arange(length) for length in LENGTHS]).astype(np.int32)
    coordinates: dict[str, Any] = {
        "sentence": np.repeat(np.arange(len(LENGTHS)), lengths).astype(np.int32),
        "position": position,
        "text": np.array([f"t{number}" for number in ids]),
        "token_id": ids,
        "special": position == 0,
        "word": np.where(position == 0, -1, position - 1).astype(np.int32),
        "masked": (ids % 3 == 0) & (position > 0),
        "token_id_original": np.roll(ids, 3),
        "class": np.array(["odd" if number % 2 else "even" for number in ids]),
    }
    return TokenStream(ids=ids, offsets=offsets.astype(np.int64), coordinates=coordinates)
