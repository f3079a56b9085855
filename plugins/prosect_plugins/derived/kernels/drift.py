"""How far the same vector has moved between two models."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

Array = np.ndarray


def cosine(first: Float[Array, "*#batch hidden"], second: Float[Array, "*#batch hidden"]) -> Float[Array, ...]:
    """Cosine a.b / (|a| |b|); NaN where either is 0."""
    size = np.linalg.norm(first, axis=-1) * np.linalg.norm(second, axis=-1)
    dot = np.einsum("...d,...d->...", first, second)
    return np.asarray(np.divide(dot, size, out=np.full(np.shape(size), np.nan, size.dtype), where=size > 0))


def distance(first: Float[Array, "*#batch hidden"], second: Float[Array, "*#batch hidden"]) -> Float[Array, ...]:
    """Euclidean distance |a - b|."""
    return np.asarray(np.linalg.norm(first - second, axis=-1))


def relative_distance(
    first: Float[Array, "*#batch hidden"], second: Float[Array, "*#batch hidden"]
) -> Float[Array, ...]:
    """Distance over the first norm, |a - b| / |a|; NaN where a is 0."""
    size = np.linalg.norm(first, axis=-1)
    gap = np.linalg.norm(first - second, axis=-1)
    return np.asarray(np.divide(gap, size, out=np.full(np.shape(size), np.nan, size.dtype), where=size > 0))
