"""Rollout: maps of single layers multiplied through the depth of a model, on plain arrays."""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float

Array = np.ndarray
Rows = Literal["raw", "row", "identity"]


def prepared(maps: Float[Array, "layer token source"], rows: Rows) -> Float[Array, "layer token source"]:
    """Prepare maps for a rollout.

    Parameters
    ----------
    maps
        Row i: what token i gets from every token.
    rows
        ``raw``: as they are; ``row``: rows divided by their sums; ``identity``: then A -> (A + I) / 2.
    """
    if rows == "raw":
        return maps
    sums = maps.sum(axis=-1, keepdims=True)
    shares: Array = np.divide(maps, sums, out=np.full_like(maps, np.nan), where=sums != 0)
    if rows == "identity":
        shares = 0.5 * (shares + np.eye(maps.shape[-1], dtype=maps.dtype))
    return shares


def rollout(maps: Float[Array, "layer token token"]) -> Float[Array, "layer token token"]:
    """R_l = A_l R_{l-1}, R_1 = A_1, for every layer."""
    found = [maps[0]]
    for layer in maps[1:]:
        found.append(layer @ found[-1])
    return np.stack(found)


def rollout_across(
    own: Float[Array, "layer target target"],
    cross: Float[Array, "layer target source"],
    kept: Float[Array, "layer target"],
    encoder: Float[Array, "source source"],
) -> tuple[Float[Array, "layer target source"], Float[Array, "layer target target"]]:
    """Rollout of a decoder down to the inputs of both sides (ALTI+).

    In layer l a target token i takes C_ij from source token j, and k_i from its own stream, which is a mixture D of
    target tokens. With the encoder's rollout E and R_0 = (0, I),

        R_l^source = C E + diag(k) D R_{l-1}^source,    R_l^target = diag(k) D R_{l-1}^target

    Parameters
    ----------
    own, cross, kept
        D, C and k of every layer; where rows of D and of (C, k) sum to 1, those of R do, too.
    encoder
        E, the rollout of the encoder's last layer.
    """
    sources, targets = np.zeros_like(cross[0]), np.eye(own.shape[-1], dtype=own.dtype)
    found = []
    for mixing, taking, keeping in zip(own, cross, kept, strict=True):
        stream = keeping[:, None] * mixing
        sources, targets = taking @ encoder + stream @ sources, stream @ targets
        found.append((sources, targets))
    return np.stack([source for source, _ in found]), np.stack([target for _, target in found])
