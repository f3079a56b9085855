"""The pairs of tokens of a node, sentence by sentence, without their maps: types, categories, examples."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from prosect_plugins.mapstats.labelled import plain
from prosect_plugins.mapstats.options import AmplifiedPairsOptions
from prosect_plugins.mapstats.pair_categories import CATEGORIES, pair_categories, spans
from prosect_plugins.mapstats.pair_types import Occurrences
from prosect_plugins.mapstats.stored import StoredMaps

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]


class PairCorpus:
    """The pairs of tokens that count, by sentence.

    Parameters
    ----------
    maps
        The node.
    options
        Which pairs count, and what a type is.
    """

    def __init__(self, maps: StoredMaps, options: AmplifiedPairsOptions) -> None:
        self._maps, self._options = maps, options
        sides = [plain(side(options.key)) for side in (maps.coordinate, maps.source_coordinate)]
        both = np.concatenate(sides)
        kinds, firsts, codes = np.unique(both, return_index=True, return_inverse=True)
        self.types = len(kinds)
        self._takers, self._givers = codes[: len(sides[0])], codes[len(sides[0]) :]
        self._texts, self._source_texts = (plain(side("text")) for side in (maps.coordinate, maps.source_coordinate))
        self.names = kinds if both.dtype.kind == "U" else np.concatenate([self._texts, self._source_texts])[firsts]
        self._special = maps.coordinate("special").astype(np.bool_)
        self._source_special = maps.source_coordinate("special").astype(np.bool_)
        self._causal = _is_causal(maps, options.variable)

    def __iter__(self) -> Iterator[Occurrences]:
        """Go through all sentences."""
        return (self.pairs(place) for place in range(len(self._maps)))

    def pairs(self, place: int) -> Occurrences:
        """Return the pairs of a sentence, by its place in the node."""
        tokens, sources = self._maps.bounds(place)
        shape = (tokens.stop - tokens.start, sources.stop - sources.start)
        chosen = np.tri(*shape, dtype=np.bool_) if self._causal else np.ones(shape, dtype=np.bool_)
        if not self._options.special:
            chosen &= ~self._special[tokens, None] & ~self._source_special[sources]
        if not self._options.diagonal and not self._maps.crossing:
            chosen &= ~np.eye(*shape, dtype=np.bool_)
        return Occurrences(self._takers[tokens], self._givers[sources], chosen)

    def categories(self, place: int) -> BoolArray:
        """Category of every pair of a sentence, shape (category, token, source); all ``other`` between two streams."""
        tokens, sources = self._maps.bounds(place)
        if self._maps.crossing:
            found = np.zeros((len(CATEGORIES) + 1, tokens.stop - tokens.start, sources.stop - sources.start), np.bool_)
            found[-1] = True
            return found
        words = np.asarray(self._maps.coordinate("word"))[tokens]
        entity = self._options.entity
        labels = None if entity is None else np.asarray(self._maps.coordinate(entity))[tokens]
        entities = None if labels is None else spans(labels, words, self._options.entity_scheme)
        return pair_categories(words, self._takers[tokens], entities)

    def examples(self, codes: IntArray) -> dict[int, list[str]]:
        """Show the first occurrences of some pairs of types, by their codes."""
        found: defaultdict[int, list[str]] = defaultdict(list)
        wanted = set(codes.tolist())
        for place, pairs in enumerate(self):
            if not wanted:
                break
            own = pairs.codes(self.types)
            where = np.argwhere(pairs.chosen)
            for at in np.flatnonzero(np.isin(own, list(wanted))):
                code = int(own[at])
                if len(found[code]) < self._options.examples:
                    found[code].append(self._shown(place, int(where[at, 0]), int(where[at, 1])))
            wanted = {code for code in wanted if len(found[code]) < self._options.examples}
        return found

    def _shown(self, place: int, token: int, source: int) -> str:
        tokens, sources = self._maps.bounds(place)
        own, given = self._texts[tokens].tolist(), self._source_texts[sources].tolist()
        if self._maps.crossing:
            return f"{self._window(own, {token: '«»'})} | {self._window(given, {source: '{}'})}"
        return self._window(own, {token: "«»", source: "{}"} if token != source else {token: "«»"})

    def _window(self, texts: list[str], marks: dict[int, str]) -> str:
        """Text around some tokens, which are marked: « » takes, { } gives."""
        near = sorted({n for at in marks for n in range(at - self._options.context, at + self._options.context + 1)})
        shown, last = [], -1
        for number in (n for n in near if 0 <= n < len(texts)):
            shown += ["…"] if number > last + 1 else []
            mark = marks.get(number, "")
            shown.append(f"{mark[:1]}{texts[number]}{mark[1:]}")
            last = number
        return " ".join(shown if last + 1 >= len(texts) else [*shown, "…"])


def _is_causal(maps: StoredMaps, name: str) -> bool:
    """Whether tokens get nothing from later ones, by the first sentence where that can be seen."""
    if maps.crossing:
        return False
    for sentence in maps.read([name]):
        values: npt.NDArray[Any] = sentence.values[name]
        if values.shape[-1] > 1:
            return not np.any(values[..., ~np.tri(*values.shape[-2:], dtype=np.bool_)])
    return False
