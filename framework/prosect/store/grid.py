"""How an array is cut: one shard per unit of tokens, with every layer and component in it.

Sizes follow measurements on vectors of a BERT-base: chunks of one layer, all components and some
hundred tokens read one layer and one sentence fast, and shards of thousands of tokens keep the
number of files small.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from prosect.results.layout import ArrayLayout, NodeLayout
from prosect.vocab.dims import LAYER, SOURCE

CHUNK_BYTES: Final = 4 * 2**20
MIN_TOKENS: Final = 16
MAX_TOKENS: Final = 1024
SOURCES: Final = 32
COORDINATE_TOKENS: Final = 65_536


@dataclass(frozen=True)
class Grid:
    """Chunk shape, and shard shape where there are shards."""

    chunks: tuple[int, ...]
    shards: tuple[int, ...] | None


def grid(layout: NodeLayout, array: ArrayLayout) -> Grid:
    """Cut an array: by units of tokens where it has a token axis, else by layers."""
    shape = layout.shape(array)
    fixed = {LAYER: 1, SOURCE: SOURCES}
    chunks = [max(1, min(fixed.get(dim, size), size)) for dim, size in zip(array.dims, shape, strict=True)]
    if array.token_dim is None:
        return Grid(tuple(chunks), None)
    axis, unit = array.dims.index(array.token_dim), layout.unit_length(array.token_dim)
    row = np.dtype(array.dtype).itemsize * int(np.prod(chunks[:axis] + chunks[axis + 1 :], dtype=np.int64))
    chunks[axis] = token_chunk(unit, row)
    shards = [-(-size // chunk) * chunk for size, chunk in zip(shape, chunks, strict=True)]
    shards[axis] = unit
    return Grid(tuple(chunks), tuple(max(1, length) for length in shards))


def token_chunk(unit_tokens: int, row_bytes: int) -> int:
    """Tokens of a chunk: a divisor of the unit, 16 to 1024, near 4 MiB.

    A unit without a fitting divisor (a prime number of tokens) is one chunk.
    """
    limit = MAX_TOKENS
    while limit > MIN_TOKENS and limit * row_bytes > CHUNK_BYTES:
        limit //= 2
    if unit_tokens <= limit:
        return unit_tokens
    divisor = next(n for n in range(limit, 0, -1) if unit_tokens % n == 0)
    return divisor if divisor >= MIN_TOKENS else unit_tokens


def coordinate_chunk(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Chunk of a coordinate: whole, or 65,536 values of a long axis."""
    return tuple(max(1, min(size, COORDINATE_TOKENS)) for size in shape)
