"""From pieces to words: rows and columns of a map that belong to one word become one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from jaxtyping import Float, Int

from prosect_plugins.alignment.extraction import WordMap
from prosect_plugins.alignment.names import Align, Rule

FloatArray = npt.NDArray[np.floating[Any]]
IntArray = npt.NDArray[np.integer[Any]]

_REDUCE: Final = {"sum": np.add, "mean": np.add, "max": np.maximum}


def merge_pieces(
    values: Float[FloatArray, "*map piece"], words: Int[IntArray, " piece"], rule: Rule, count: int
) -> Float[FloatArray, "*map word"]:
    """Merge the last axis from pieces to words.

    Parameters
    ----------
    values
        One number per piece, shape (*map, piece).
    words
        Word of every piece, from 0; -1 where it belongs to none.
    rule
        ``sum``, ``mean`` or ``max`` over the pieces of a word, or the ``first`` piece alone.
    count
        Number of words.

    Returns
    -------
    numpy.ndarray
        Shape (*map, word); NaN for a word that has no piece.
    """
    merged = np.full((*values.shape[:-1], count), np.nan, dtype=values.dtype)
    places = np.argsort(words, kind="stable")
    places = places[words[places] >= 0]
    if places.size == 0:
        return merged
    found, starts, sizes = np.unique(words[places], return_index=True, return_counts=True)
    if rule == "first":
        merged[..., found] = values[..., places[starts]]
        return merged
    totals = _REDUCE[rule].reduceat(values[..., places], starts, axis=-1)
    merged[..., found] = totals / sizes if rule == "mean" else totals
    return merged


def words_by_marker(pieces: npt.NDArray[Any], special: npt.NDArray[np.bool_], marker: str) -> Int[IntArray, " piece"]:
    """Count words by the mark that pieces carry at the start of a word, for one sentence.

    The first piece that is not special always starts a word, so that tokenizers which mark the first word and those
    which do not give the same.

    Parameters
    ----------
    pieces
        Text of the pieces of a sentence.
    special
        Pieces that belong to no word.
    marker
        What stands at the start of a word's first piece, for example ``▁``.
    """
    starts = np.array([str(piece).startswith(marker) for piece in pieces], dtype=np.bool_) & ~special
    inside = np.flatnonzero(~special)
    starts[inside[:1]] = True
    return np.where(special, -1, np.cumsum(starts) - 1)


@dataclass(frozen=True)
class Merging:
    """How pieces become words.

    Attributes
    ----------
    align
        Word of a row: that of the decoder's ``input`` there, or of the ``output`` that is predicted there, which is the
        next input.
    source, target
        Rule for the pieces of source words (columns), and of target words (rows).
    """

    align: Align = "input"
    source: Rule = "sum"
    target: Rule = "mean"


def merge_map(
    values: Float[FloatArray, "*map token source"],
    targets: Int[IntArray, " token"],
    sources: Int[IntArray, " source"],
    merging: Merging,
) -> WordMap:
    """Turn the map of one sentence pair from pieces into words.

    Parameters
    ----------
    values
        What every piece of the source gives to every step of the decoder, shape (*map, token, source).
    targets
        Word of the decoder's input at every step, -1 for none (the start token).
    sources
        Word of every piece of the source, -1 for none (the end token); such columns become the nulls.
    merging
        The rules.
    """
    rows = targets if merging.align == "input" else np.append(targets[1:], -1)
    words = merge_pieces(values, sources, merging.source, _count(sources))
    return WordMap(
        values=_merge_rows(words, rows, merging.target, _count(targets)),
        nulls=_merge_rows(values[..., sources < 0], rows, merging.target, _count(targets)),
    )


def _merge_rows(values: FloatArray, rows: IntArray, rule: Rule, count: int) -> FloatArray:
    return np.swapaxes(merge_pieces(np.swapaxes(values, -1, -2), rows, rule, count), -1, -2)


def _count(words: IntArray) -> int:
    return int(words.max(initial=-1)) + 1
