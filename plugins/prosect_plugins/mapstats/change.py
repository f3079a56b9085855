"""How much maps of one sentence differ (Kobayashi et al. 2024: 1 - Spearman's rho)."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float

from prosect_plugins.mapstats.options import Entries, Normalisation
from prosect_plugins.mapstats.ranks import correlate

FloatArray = npt.NDArray[np.floating[Any]]
BoolArray = npt.NDArray[np.bool_]
Method = Literal["spearman", "pearson", "cosine"]


def change(
    before: Float[FloatArray, "*map token source"],
    after: Float[FloatArray, "*map token source"],
    entries: Bool[BoolArray, "token source"],
    *,
    rows: Literal["flat", "each"] = "flat",
    method: Method = "spearman",
) -> Float[FloatArray, "*map"]:
    """1 - correlation of two maps over some of their entries.

    Parameters
    ----------
    before, after
        The maps.
    entries
        Pairs of tokens that count.
    rows
        ``flat``: all entries together; ``each``: row by row, averaged over the rows that have a correlation.
    method
        ``spearman``, ``pearson`` or ``cosine``.

    Returns
    -------
    numpy.ndarray
        From 0 (same order) to 2; NaN where a map is constant, or fewer than two entries count.
    """
    if rows == "flat":
        return 1.0 - correlate(before[..., entries], after[..., entries], method)
    found = np.stack([correlate(before[..., i, own], after[..., i, own], method) for i, own in enumerate(entries)])
    known = np.isfinite(found)
    totals = np.where(known, found, 0.0).sum(axis=0)
    return 1.0 - np.where(known.any(axis=0), totals / np.maximum(known.sum(axis=0), 1), np.nan)


def normalised(
    maps: Float[FloatArray, "*map token source"], how: Normalisation
) -> Float[FloatArray, "*map token source"]:
    """Divide maps by the sums of their rows, or by their whole sum; NaN where that is 0."""
    if how == "none":
        return maps
    totals = maps.sum(axis=-1 if how == "row" else (-2, -1), keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(totals == 0, np.nan, maps / totals)


def chosen_entries(
    maps: Float[FloatArray, "*map token source"], entries: Entries, keep: Bool[BoolArray, " token"] | None = None
) -> Bool[BoolArray, "token source"]:
    """Which pairs of tokens count.

    Parameters
    ----------
    maps
        All maps of the sentence, by which ``auto`` sees whether a token gets anything from later ones.
    entries
        See `MapChangeOptions`.
    keep
        Tokens that count, as givers and as takers; None: all.
    """
    shape = maps.shape[-2:]
    lower = np.tri(*shape, dtype=np.bool_)
    if entries == "auto":
        entries = "all" if np.any(maps[..., ~lower]) else "lower_triangle"
    chosen = lower if entries.startswith("lower") else np.ones(shape, dtype=np.bool_)
    if entries.endswith("off_diagonal"):
        chosen = chosen & ~np.eye(*shape, dtype=np.bool_)
    return chosen if keep is None else chosen & keep[:, None] & keep
