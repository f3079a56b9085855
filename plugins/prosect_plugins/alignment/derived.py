"""Word alignment from stored maps of cross-attention, and its error rate, as labelled data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from prosect.api import UsageError
from prosect_plugins.alignment.extraction import WordMap, as_shares, extract
from prosect_plugins.alignment.links import pharaoh
from prosect_plugins.alignment.options import WordAlignmentOptions
from prosect_plugins.alignment.words import Merging, merge_map, words_by_marker
from prosect_plugins.mapstats.labelled import lead_coordinates, text, variable
from prosect_plugins.mapstats.stored import SentenceMaps, StoredMaps

HEAD = "head"
SENTENCE = "sentence"
WEIGHTED_NORM = "weighted_norm"

IntArray = npt.NDArray[np.integer[Any]]


def word_alignment(datasets: Sequence[xr.Dataset], options: WordAlignmentOptions) -> xr.Dataset:
    """Extract word alignments from a node ``cross``: ``links`` (layer[, head], sentence) and companions.

    Raises
    ------
    UsageError
        The node holds no such map, or its sources are not another stream.
    """
    maps = StoredMaps(datasets[0])
    if not maps.crossing:
        raise UsageError(
            "words are aligned by maps between two streams: give the node 'cross' of an analysis, with its coordinates "
            "on 'source_token' (xarray drops them where variables are picked by a list of names)"
        )
    if not maps.is_map(options.variable):
        raise UsageError(f"{options.variable!r} is no map: it needs the dimensions 'token' and 'source'")
    work = _Work(maps, options)
    for sentence in maps.read(work.names):
        work.take(sentence)
    return work.result()


class _Work:
    """Goes through the sentences of a node."""

    def __init__(self, maps: StoredMaps, options: WordAlignmentOptions) -> None:
        self._maps, self._options = maps, options
        self._mean_of = options.mean_of or (WEIGHTED_NORM if WEIGHTED_NORM in maps.dataset else options.variable)
        self.names = list(dict.fromkeys((options.variable, self._mean_of)))
        lead = maps.lead(options.variable)
        self._heads = lead.index(HEAD) if HEAD in lead and options.heads == "mean" else None
        self._lead = tuple(dim for dim in lead if dim != HEAD or self._heads is None)
        self._merging = Merging(options.align, options.source_pieces, options.target_pieces)
        self._targets, self._sources = _words(maps, options)
        self._links: list[npt.NDArray[Any]] = []
        self._sizes: list[tuple[int, int]] = []
        self._norm = _Mean()

    def take(self, sentence: SentenceMaps) -> None:
        """Align one sentence pair."""
        values = np.asarray(sentence.values[self._options.variable], dtype=np.float64)
        if self._heads is not None:
            values = values.mean(axis=self._heads)
        sources = self._sources[sentence.sources]
        words = merge_map(values, self._targets[sentence.tokens], sources, self._merging)
        if self._options.end_token == "ignored":
            words = WordMap(words.values, words.nulls[..., :0])
        if self._options.method == "threshold":
            words = as_shares(words)
        links = extract(words, self._options.method, self._options.threshold)
        self._links.append(_as_text(links))
        self._sizes.append((links.shape[-1], links.shape[-2]))
        self._norm.take(sentence.values[self._mean_of])

    def result(self) -> xr.Dataset:
        """Label everything."""
        dims = (*self._lead, SENTENCE)
        sizes = np.array(self._sizes, dtype=np.int32)
        found = {
            "links": text(dims, np.stack(self._links, axis=-1), "links of source and target words, from 0 (Pharaoh)"),
            "source_words": variable((SENTENCE,), sizes[:, 0], "words of the source"),
            "target_words": variable((SENTENCE,), sizes[:, 1], "words of the target"),
            "mean_norm": self._mean_norm(),
        }
        sentences = variable((SENTENCE,), self._maps.numbers, "sentence, from 0 in the order of the corpus")
        return xr.Dataset(found, {**lead_coordinates(self._maps.dataset, self._lead), SENTENCE: sentences})

    def _mean_norm(self) -> xr.Variable:
        dims = self._maps.lead(self._mean_of)
        units = str(self._maps.dataset[self._mean_of].attrs.get("units", "1"))
        found = variable(dims, self._norm.mean(), f"mean of {self._mean_of} over all pairs of tokens", units)
        extra = [dim for dim in dims if dim not in self._lead]
        return found.sum(extra, keep_attrs=True) if extra else found


@dataclass
class _Mean:
    """Mean of maps over all pairs of tokens of all sentences."""

    total: npt.NDArray[np.float64] | float = 0.0
    count: int = 0

    def take(self, values: npt.NDArray[Any]) -> None:
        self.total = self.total + values.sum(axis=(-2, -1), dtype=np.float64)
        self.count += values.shape[-2] * values.shape[-1]

    def mean(self) -> npt.NDArray[np.float64]:
        return np.asarray(self.total) / self.count


def _words(maps: StoredMaps, options: WordAlignmentOptions) -> tuple[IntArray, IntArray]:
    """Words of the decoder's tokens and of the encoder's, on their flat axes."""
    if options.words == "stored":
        return np.asarray(maps.coordinate("word")), np.asarray(maps.source_coordinate("word"))
    sides = ((maps.coordinate, maps.starts), (maps.source_coordinate, maps.source_starts))
    found = []
    for coordinate, starts in sides:
        texts, special = (np.split(coordinate(name), starts[1:]) for name in ("text", "special"))
        pairs = zip(texts, special, strict=True)
        found.append(np.concatenate([words_by_marker(t, s.astype(np.bool_), options.marker) for t, s in pairs]))
    return found[0], found[1]


def _as_text(links: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
    """Write every alignment of a sentence pair as a line: an array of text, shape (*map)."""
    flat = links.reshape(math.prod(links.shape[:-2]), *links.shape[-2:])
    lines = [pharaoh((int(source), int(target)) for target, source in np.argwhere(one)) for one in flat]
    return np.array(lines, dtype=np.dtypes.StringDType()).reshape(links.shape[:-2])
