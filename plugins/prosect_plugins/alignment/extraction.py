"""From a map over words to links, for any number of maps of one sentence pair at once.

All functions take values of shape (*map, target, source): what the source word gives to the target word. A word
without pieces holds NaN and gets no link.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Float

from prosect_plugins.alignment.names import Method
from prosect_plugins.alignment.symmetry import symmetrise

FloatArray = npt.NDArray[np.floating[Any]]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class WordMap:
    """A map over words, with what competes with the source words.

    Attributes
    ----------
    values
        What source words give to target words, shape (*map, target, source).
    nulls
        What tokens outside all words (the end token) give to target words, shape (*map, target, null); no columns
        where nothing competes.
    """

    values: Float[FloatArray, "*map target source"]
    nulls: Float[FloatArray, "*map target null"]


def extract(word_map: WordMap, method: Method, threshold: float | None = None) -> Bool[BoolArray, "*map target source"]:
    """Make links of a map.

    Parameters
    ----------
    word_map
        The map.
    method
        ``argmax``: each target word is linked to the source word that gives most, or to none where a null gives more
        (Kobayashi et al. 2020); ``argmax_source``: each source word to the target word to which it gives most;
        ``threshold``: all pairs whose value reaches the threshold; else the two argmax alignments combined (see
        `symmetrise`).
    threshold
        For ``threshold``.
    """
    if method == "threshold":
        if threshold is None:
            raise ValueError("the method 'threshold' has no threshold")
        return word_map.values >= threshold
    if method == "argmax":
        return link_targets(word_map)
    backward = link_sources(word_map.values)
    return backward if method == "argmax_source" else symmetrise(link_targets(word_map), backward, method)


def link_targets(word_map: WordMap) -> Bool[BoolArray, "*map target source"]:
    """Link each target word to the source word with the largest value, or to none where a null has a larger one."""
    links = _largest(word_map.values)
    if word_map.nulls.shape[-1]:
        links &= _top(word_map.values) >= _top(word_map.nulls)
    return links


def link_sources(values: Float[FloatArray, "*map target source"]) -> Bool[BoolArray, "*map target source"]:
    """Link each source word to the target word with the largest value."""
    return np.swapaxes(_largest(np.swapaxes(values, -1, -2)), -1, -2)


def as_shares(word_map: WordMap) -> WordMap:
    """Divide every row by its sum, nulls included; NaN for a row that is 0."""
    totals = sum(np.nansum(part, axis=-1, keepdims=True) for part in (word_map.values, word_map.nulls))
    with np.errstate(invalid="ignore"):
        return WordMap(word_map.values / totals, word_map.nulls / totals)


def _largest(values: FloatArray) -> BoolArray:
    """Mark the first of the largest values of each row; none in a row of NaN."""
    known = _known(values)
    if not known.shape[-1]:
        return np.zeros(known.shape, dtype=np.bool_)
    places = known.argmax(axis=-1)[..., None]
    found: BoolArray = (np.arange(known.shape[-1]) == places) & np.isfinite(known)
    return found


def _top(values: FloatArray) -> FloatArray:
    return np.asarray(_known(values).max(axis=-1, keepdims=True, initial=-np.inf))


def _known(values: FloatArray) -> FloatArray:
    return np.where(np.isnan(values), -np.inf, values)
