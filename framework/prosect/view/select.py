"""Sentences and words of a flat token axis, by offsets: no MultiIndex, whose building costs gigabytes.

Registered on datasets as ``ds.prosect``.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from functools import cached_property
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import xarray as xr

from prosect.errors import UsageError
from prosect.vocab.dims import POSITION, SENTENCE, TOKEN, WORD

How = Literal["mean", "sum", "min", "max"]
Offsets = npt.NDArray[np.int64]
Reduce = Callable[[npt.NDArray[Any], Offsets, int], npt.NDArray[Any]]


class TokenAxis:
    """The token axis of one dataset of results, as sentences and words.

    The dataset may be any selection of tokens, as long as sentences stay in order.
    """

    def __init__(self, dataset: xr.Dataset) -> None:
        self._dataset = dataset

    @property
    def sentences(self) -> npt.NDArray[Any]:
        """Numbers of the sentences that have tokens here, shape (sentence,)."""
        found: npt.NDArray[Any] = self._numbers[self._starts]
        return found

    @property
    def offsets(self) -> Offsets:
        """Where sentence i of `sentences` starts and, one on, ends: shape (sentence + 1,)."""
        return np.append(self._starts, len(self._numbers))

    def sentence(self, number: int) -> xr.Dataset:
        """Select the tokens of one sentence, by its number in the corpus.

        Raises
        ------
        KeyError
            No token here belongs to it.
        """
        start, stop = np.searchsorted(self._numbers, [number, number + 1])
        if start == stop:
            raise KeyError(f"sentence {number}: there is none; see ds.prosect.sentences")
        return self._dataset.isel({TOKEN: slice(int(start), int(stop))})

    def per_sentence(self, how: How = "mean") -> xr.Dataset:
        """Reduce every numeric variable over the tokens of each sentence; NaN values are left out.

        Returns
        -------
        xarray.Dataset
            ``token`` became ``sentence``, whose coordinate holds the numbers of the sentences. A value is NaN
            where all tokens are.
        """
        return self._reduced(self._starts, how, SENTENCE, {SENTENCE: (SENTENCE, self.sentences)})

    def words(self, how: How = "mean") -> xr.Dataset:
        """Reduce every numeric variable over the tokens of each word; NaN values and tokens of no word are left out.

        Returns
        -------
        xarray.Dataset
            ``token`` became ``word``, with the coordinates ``sentence`` and ``word`` (number in its sentence).
        """
        inside = np.flatnonzero(self._coordinate(WORD) >= 0)
        kept = self._dataset.isel({TOKEN: inside})
        words, sentences = self._coordinate(WORD)[inside], self._numbers[inside]
        starts = np.flatnonzero(_changes(words) | _changes(sentences))
        labels = {SENTENCE: (WORD, sentences[starts]), WORD: (WORD, words[starts])}
        return TokenAxis(kept)._reduced(starts, how, WORD, labels)

    def with_multiindex(self) -> xr.Dataset:
        """Index tokens by (sentence, position), for ``sel``; slow and large where there are millions of tokens."""
        return self._dataset.set_index(token=[SENTENCE, POSITION])

    @cached_property
    def _numbers(self) -> npt.NDArray[Any]:
        numbers = self._coordinate(SENTENCE)
        if np.any(np.diff(numbers) < 0):
            raise UsageError("the tokens of this dataset are not in the order of their sentences; sort them first")
        return numbers

    @cached_property
    def _starts(self) -> Offsets:
        return np.flatnonzero(_changes(self._numbers))

    def _coordinate(self, name: str) -> npt.NDArray[Any]:
        found = self._dataset.coords.get(name)
        if found is None or found.dims != (TOKEN,):
            raise UsageError(f"this dataset has no coordinate {name!r} on {TOKEN!r}; is it one of a store's nodes?")
        return np.asarray(found.values)

    def _reduced(self, starts: Offsets, how: How, dim: str, labels: dict[str, Any]) -> xr.Dataset:
        reduce = REDUCTIONS.get(how)
        if reduce is None:
            raise UsageError(f"{how!r} is no reduction; choose one of {', '.join(REDUCTIONS)}")
        rest = {n: c for n, c in self._dataset.coords.items() if TOKEN not in c.dims}
        found: dict[Hashable, xr.Variable] = {}
        for name, array in self._dataset.data_vars.items():
            if TOKEN in array.dims and array.dtype.kind in "fiu":
                axis = array.dims.index(TOKEN)
                dims = [dim if d == TOKEN else d for d in array.dims]
                found[name] = xr.Variable(dims, reduce(array.values, starts, axis), array.attrs)
        return xr.Dataset(found, {**rest, **labels}, self._dataset.attrs)


def _changes(numbers: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Where a value differs from the one before it; the first one always does."""
    changed = np.ones(len(numbers), dtype=np.bool_)
    changed[1:] = numbers[1:] != numbers[:-1]
    return changed


def _sum(values: npt.NDArray[Any], starts: Offsets, axis: int) -> npt.NDArray[Any]:
    return _total(values, starts, axis).astype(_result(values))


def _mean(values: npt.NDArray[Any], starts: Offsets, axis: int) -> npt.NDArray[Any]:
    found: npt.NDArray[Any] = _total(values, starts, axis) / np.maximum(_count(values, starts, axis), 1)
    return found.astype(_result(values))


def _total(values: npt.NDArray[Any], starts: Offsets, axis: int) -> npt.NDArray[np.float64]:
    """Add up in float64; NaN where there is nothing to add."""
    known = np.where(np.isnan(values), 0.0, values)
    found: npt.NDArray[np.float64] = np.add.reduceat(known, starts, axis, dtype=np.float64)
    found[_count(values, starts, axis) == 0] = np.nan
    return found


def _count(values: npt.NDArray[Any], starts: Offsets, axis: int) -> npt.NDArray[np.int64]:
    found: npt.NDArray[np.int64] = np.add.reduceat(~np.isnan(values), starts, axis, dtype=np.int64)
    return found


def _result(values: npt.NDArray[Any]) -> np.dtype[Any]:
    return values.dtype if values.dtype.kind == "f" else np.dtype(np.float64)


REDUCTIONS: Final[dict[str, Reduce]] = {
    "mean": _mean,
    "sum": _sum,
    "min": np.fmin.reduceat,
    "max": np.fmax.reduceat,
}

# xarray's function has no annotations
xr.register_dataset_accessor("prosect")(TokenAxis)  # type: ignore[no-untyped-call]
