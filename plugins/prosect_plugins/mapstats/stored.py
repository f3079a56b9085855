"""Stored maps, sentence by sentence: of a node only a few sentences stand in memory at a time.

A map is a variable with the dimensions ``token`` (who receives) and ``source`` (who gives, by its position in its own
sentence). In self-attention both are tokens of one stream; in a node ``cross`` the sources are the encoder's tokens,
which have the dimension ``source_token`` and coordinates named ``source_...`` for themselves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import xarray as xr

from prosect.api import UsageError

TOKEN: Final = "token"
SOURCE: Final = "source"
SOURCE_TOKEN: Final = "source_token"
SENTENCE: Final = "sentence"
POSITION: Final = "position"

#: Bytes of maps that are read at a time.
BUDGET: Final = 64 * 2**20

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SentenceMaps:
    """What a node holds of one sentence.

    Attributes
    ----------
    place
        Number of the sentence among those of the node, from 0.
    number
        Number of the sentence in the corpus.
    tokens, sources
        Its tokens, and those that give to them, on their flat axes.
    values
        Variable -> numbers, shape (*map, token, source); (*map, source) for a variable of the sources alone, as norms
        of values, and (*map, token) for one of the tokens.
    """

    place: int
    number: int
    tokens: slice
    sources: slice
    values: dict[str, npt.NDArray[Any]]


class StoredMaps:
    """A node of maps.

    Parameters
    ----------
    dataset
        The node, or a selection of whole sentences of it.

    Raises
    ------
    UsageError
        Tokens without ``sentence`` and ``position``, or not in order, or sentences that are not whole.
    """

    def __init__(self, dataset: xr.Dataset) -> None:
        self.dataset = dataset
        self._numbers = self._axis_numbers(TOKEN, "")
        self.starts = _starts(self._numbers)
        self._check_whole(TOKEN, "", self._numbers)

    @property
    def crossing(self) -> bool:
        """Whether the sources are the encoder's tokens."""
        return SOURCE_TOKEN in self.dataset.dims

    @property
    def numbers(self) -> IntArray:
        """Numbers of the sentences in the corpus."""
        return self._numbers[self.starts]

    @cached_property
    def offsets(self) -> IntArray:
        """Where sentence i starts on the token axis and, one on, ends."""
        return np.append(self.starts, len(self._numbers))

    @cached_property
    def source_bounds(self) -> tuple[IntArray, IntArray]:
        """Where the sources of each sentence start on their flat axis, and where they end."""
        if not self.crossing:
            return self.offsets[:-1], self.offsets[1:]
        numbers = self._axis_numbers(SOURCE_TOKEN, "source_")
        first, last = (np.searchsorted(numbers, self.numbers, side) for side in ("left", "right"))
        missing = self.numbers[first == last]
        if missing.size:
            raise UsageError(f"the node has no source tokens for sentence {missing[0]}")
        self._check_whole(SOURCE_TOKEN, "source_", numbers)
        return first, last

    @property
    def source_starts(self) -> IntArray:
        """Where each sentence starts on the flat axis of sources."""
        return _starts(self._axis_numbers(SOURCE_TOKEN, "source_")) if self.crossing else self.starts

    def lead(self, name: str) -> tuple[str, ...]:
        """Dimensions of a variable other than those of tokens and sources.

        Raises
        ------
        UsageError
            There is no such variable, or it belongs to no token.
        """
        dims = tuple(str(dim) for dim in self._variable(name).dims)
        if not {TOKEN, SOURCE_TOKEN} & set(dims):
            raise UsageError(f"{name!r} has the dimensions {', '.join(dims)}: nothing in it belongs to a token")
        return tuple(dim for dim in dims if dim not in (TOKEN, SOURCE, SOURCE_TOKEN))

    def is_map(self, name: str) -> bool:
        """Whether a variable is a map, of pairs of tokens and sources."""
        return {TOKEN, SOURCE} <= set(self._variable(name).dims)

    def on_sources(self, name: str) -> bool:
        """Whether a variable stands on the flat axis of the encoder's tokens."""
        return SOURCE_TOKEN in self._variable(name).dims

    def sentence_labels(self, dims: Sequence[str]) -> dict[str, xr.Variable]:
        """Return the coordinate ``sentence``, where that is one of some dimensions."""
        if SENTENCE not in dims:
            return {}
        meaning = {"long_name": "sentence, from 0 in the order of the corpus"}
        return {SENTENCE: xr.Variable((SENTENCE,), self.numbers, meaning)}

    def coordinate(self, name: str) -> npt.NDArray[Any]:
        """Values of a coordinate of the tokens, shape (token,)."""
        return self._coordinate(TOKEN, name)

    def source_coordinate(self, name: str) -> npt.NDArray[Any]:
        """Values of a coordinate of the tokens that give, on their flat axis."""
        return self._coordinate(SOURCE_TOKEN, f"source_{name}") if self.crossing else self.coordinate(name)

    def __len__(self) -> int:
        """Count the sentences."""
        return len(self.starts)

    def bounds(self, place: int) -> tuple[slice, slice]:
        """Return where the tokens and the sources of a sentence stand on their flat axes, by its place in the node."""
        firsts, lasts = self.source_bounds
        tokens = slice(int(self.offsets[place]), int(self.offsets[place + 1]))
        return tokens, slice(int(firsts[place]), int(lasts[place]))

    def read(self, names: Sequence[str], budget: int | None = None) -> Iterator[SentenceMaps]:
        """Go through the sentences in order, reading as many at a time as the budget of bytes allows (`BUDGET`)."""
        budget = BUDGET if budget is None else budget
        per_token = max(1, sum(self._bytes_per_token(name) for name in names))
        start = 0
        while start < len(self):
            stop = int(np.searchsorted(self.offsets, self.offsets[start] + budget // per_token, side="right")) - 1
            stop = min(max(stop, start + 1), len(self))
            yield from self._read(names, start, stop)
            start = stop

    def _read(self, names: Sequence[str], start: int, stop: int) -> Iterator[SentenceMaps]:
        firsts, lasts = self.source_bounds
        width = int((lasts - firsts)[start:stop].max())
        tokens = slice(int(self.offsets[start]), int(self.offsets[stop]))
        sources = slice(int(firsts[start]), int(lasts[stop - 1]))
        blocks = {name: self._block(name, tokens, sources, width) for name in names}
        for place in range(start, stop):
            own, given = self.bounds(place)
            values = {
                name: self._cut(name, block, _moved(own, tokens.start), _moved(given, sources.start))
                for name, block in blocks.items()
            }
            yield SentenceMaps(place, int(self.numbers[place]), own, given, values)

    def _block(self, name: str, tokens: slice, sources: slice, width: int) -> npt.NDArray[Any]:
        bounds = {TOKEN: tokens, SOURCE: slice(0, width), SOURCE_TOKEN: sources}
        array = self.dataset[name]
        cut = array.isel({dim: bound for dim, bound in bounds.items() if dim in array.dims})
        last = tuple(dim for dim in (TOKEN, SOURCE_TOKEN, SOURCE) if dim in array.dims)
        values: npt.NDArray[Any] = cut.transpose(*self.lead(name), *last).to_numpy()
        return values

    def _cut(self, name: str, block: npt.NDArray[Any], tokens: slice, sources: slice) -> npt.NDArray[Any]:
        if self.is_map(name):
            return block[..., tokens, : sources.stop - sources.start]
        return block[..., sources if self.on_sources(name) else tokens]

    def _variable(self, name: str) -> xr.DataArray:
        found = self.dataset.data_vars.get(name)
        if found is None:
            known = ", ".join(str(known) for known in self.dataset.data_vars)
            raise UsageError(f"the node has no variable {name!r}; it has {known}")
        return found

    def _bytes_per_token(self, name: str) -> int:
        array = self.dataset[name]
        others = [size for dim, size in array.sizes.items() if dim not in (TOKEN, SOURCE_TOKEN)]
        return int(np.prod(others, dtype=np.int64)) * array.dtype.itemsize

    def _axis_numbers(self, dim: str, prefix: str) -> IntArray:
        numbers = np.asarray(self._coordinate(dim, f"{prefix}{SENTENCE}"), dtype=np.int64)
        if not numbers.size:
            raise UsageError("the node holds no tokens")
        if np.any(np.diff(numbers) < 0):
            raise UsageError(f"the tokens on {dim!r} are not in the order of their sentences; sort them first")
        return numbers

    def _check_whole(self, dim: str, prefix: str, numbers: IntArray) -> None:
        """Check that a sentence has its tokens from the first one on, since sources are counted by their position."""
        starts = _starts(numbers)
        places = np.arange(len(numbers)) - np.repeat(starts, np.diff(np.append(starts, len(numbers))))
        wrong = np.flatnonzero(np.asarray(self._coordinate(dim, f"{prefix}{POSITION}")) != places)
        if wrong.size:
            raise UsageError(
                f"sentence {numbers[wrong[0]]} on {dim!r} is not whole: maps need all tokens of a sentence, in order"
            )

    def _coordinate(self, dim: str, name: str) -> npt.NDArray[Any]:
        found = self.dataset.coords.get(name)
        if found is None or found.dims != (dim,):
            known = ", ".join(sorted(str(n) for n, c in self.dataset.coords.items() if c.dims == (dim,)))
            raise UsageError(f"the node has no coordinate {name!r} on {dim!r}; it has {known or 'none'}")
        return np.asarray(found.values)


def _moved(place: slice, by: int) -> slice:
    return slice(place.start - by, place.stop - by)


def _starts(numbers: IntArray) -> IntArray:
    return np.flatnonzero(np.append(True, numbers[1:] != numbers[:-1]))
