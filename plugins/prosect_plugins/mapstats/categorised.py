"""`category_attention`: what tokens of a category give and take, as labelled data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from prosect_plugins.mapstats.attention import mean_by_category, reduce_map
from prosect_plugins.mapstats.categories import memberships
from prosect_plugins.mapstats.labelled import lead_coordinates, text, variable
from prosect_plugins.mapstats.options import CategoryOptions
from prosect_plugins.mapstats.sentences import OverSentences
from prosect_plugins.mapstats.stored import SentenceMaps, StoredMaps

CATEGORY = "category"
SOURCE_CATEGORY = "source_category"
MEANINGS = {
    "received": "what all tokens take from the tokens of a category",
    "given": "what the tokens of a category take",
    "both": "what the tokens of a category take from those of a source category",
}

BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.floating[Any]]
Reduction = Callable[[SentenceMaps], FloatArray]


def category_attention(datasets: Sequence[xr.Dataset], options: CategoryOptions) -> xr.Dataset:
    """Reduce a map to categories of tokens, sentence by sentence, and average over sentences."""
    maps, name = StoredMaps(datasets[0]), options.variable
    lead, is_map = maps.lead(name), maps.is_map(name)
    reduce = _of_map(maps, options) if is_map else _of_tokens(maps, options)
    collected = OverSentences(options.sentences)
    for sentence in maps.read([name]):
        collected.take(reduce(sentence))
    dims = (*lead, CATEGORY, *((SOURCE_CATEGORY,) if is_map and options.direction == "both" else ()))
    meaning = MEANINGS[options.direction] if is_map else "mean over the tokens of a category"
    units = str(maps.dataset[name].attrs.get("units", "1"))
    found = {
        "category_attention": variable(
            (*dims, *collected.dims), collected.values(), f"{name}: {meaning}", units, variable=name
        ),
        "sentences": variable(dims, collected.counts(), "sentences that have a value"),
    }
    names = [*options.categories, options.other]
    labels = {dim: text((dim,), names, "category of tokens") for dim in dims if dim not in lead}
    return xr.Dataset(found, {**lead_coordinates(maps.dataset, lead), **labels, **maps.sentence_labels(collected.dims)})


def _members(options: CategoryOptions, maps: StoredMaps, *, sources: bool) -> BoolArray:
    lookup, starts = (maps.source_coordinate, maps.source_starts) if sources else (maps.coordinate, maps.starts)
    return np.stack(list(memberships(options.categories, options.other, lookup, starts).values()))


def _of_tokens(maps: StoredMaps, options: CategoryOptions) -> Reduction:
    on_sources = maps.on_sources(options.variable)
    members = _members(options, maps, sources=on_sources)

    def reduce(sentence: SentenceMaps) -> FloatArray:
        own = sentence.sources if on_sources else sentence.tokens
        return mean_by_category(sentence.values[options.variable], members[:, own])

    return reduce


def _of_map(maps: StoredMaps, options: CategoryOptions) -> Reduction:
    takers, givers = (_members(options, maps, sources=sources) for sources in (False, True))
    # What is not told apart is one category that holds every token.
    if options.direction == "received":
        takers = np.ones_like(takers[:1])
    if options.direction == "given":
        givers = np.ones_like(givers[:1])
    axis = {"received": -2, "given": -1}.get(options.direction)

    def reduce(sentence: SentenceMaps) -> FloatArray:
        own, given = takers[:, sentence.tokens], givers[:, sentence.sources]
        values = sentence.values[options.variable]
        found = reduce_map(values, own, given, within=options.within, over=options.over)
        return found if axis is None else found.squeeze(axis)

    return reduce
