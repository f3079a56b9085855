"""`amplified_pairs`: which pairs of token types a part of the block brings forward, as labelled data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from prosect.api import UsageError
from prosect_plugins.mapstats.change import normalised
from prosect_plugins.mapstats.labelled import lead_coordinates, text, variable
from prosect_plugins.mapstats.options import AmplifiedPairsOptions
from prosect_plugins.mapstats.pair_categories import CATEGORIES, OTHER
from prosect_plugins.mapstats.pair_corpus import PairCorpus
from prosect_plugins.mapstats.pair_types import PairSums, PairTypes
from prosect_plugins.mapstats.stored import SentenceMaps, StoredMaps

SCOPE = "scope"
RANK = "rank"
CATEGORY = "pair_category"
NAMES = (*CATEGORIES, OTHER)

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.floating[Any]]


def amplified_pairs(datasets: Sequence[xr.Dataset], options: AmplifiedPairsOptions) -> xr.Dataset:
    """Average the difference of two scopes over every pair of token types, and rank the pairs of each layer.

    Raises
    ------
    UsageError
        The node has no such scopes, or no pair of types occurs often enough.
    """
    maps = StoredMaps(datasets[0])
    lead = maps.lead(options.variable)
    if SCOPE not in lead or not maps.is_map(options.variable):
        raise UsageError(f"{options.variable!r} holds no maps at several scopes: give a node of 'attention_maps'")
    before, after = _scopes([str(scope) for scope in maps.dataset[SCOPE].to_numpy()], options)
    corpus = PairCorpus(maps, options)
    table = PairTypes.count(corpus, corpus.types, options.minimum)
    if not len(table.codes):
        raise UsageError(f"no pair of types occurs {options.minimum} times or more; lower 'minimum'")
    sums = _Sums(table)
    for sentence in maps.read([options.variable]):
        values = np.moveaxis(sentence.values[options.variable], lead.index(SCOPE), 0).astype(np.float64)
        difference = normalised(values[after], options.normalise) - normalised(values[before], options.normalise)
        sums.take(sentence, difference, corpus)
    rest = tuple(dim for dim in lead if dim != SCOPE)
    names = [str(scope) for scope in maps.dataset[SCOPE].to_numpy()[[before, after]]]
    dataset = xr.Dataset(_labelled(sums, rest, corpus, options), lead_coordinates(maps.dataset, rest))
    labels = {CATEGORY: text((CATEGORY,), NAMES, "category of pairs")}
    return dataset.assign_coords(labels).assign_attrs(before=names[0], after=names[1])


def _scopes(scopes: list[str], options: AmplifiedPairsOptions) -> tuple[int, int]:
    if options.before is not None and options.after is not None:
        unknown = [name for name in (options.before, options.after) if name not in scopes]
        if unknown:
            raise UsageError(f"the node has no scope {unknown[0]!r}; it has {', '.join(scopes)}")
        return scopes.index(options.before), scopes.index(options.after)
    first = next((place for place, name in enumerate(scopes) if name == "ff"), 0)
    if not first:
        raise UsageError(
            f"name the scopes before and after: there is no 'ff' behind another one in {', '.join(scopes)}"
        )
    return first - 1, first


class _Sums:
    """What is summed over the corpus.

    Over the occurrences of each pair of types: differences of every map, and how many are in which category; and the
    same over all pairs of each category, whatever their types: ``totals`` (*map, category), ``counts`` (category,).
    """

    def __init__(self, table: PairTypes) -> None:
        self.table = table
        self.differences, self.kinds = PairSums(table), PairSums(table)
        self.totals: FloatArray | float = 0.0
        self.counts = np.zeros(len(NAMES), dtype=np.int64)

    def take(self, sentence: SentenceMaps, difference: FloatArray, corpus: PairCorpus) -> None:
        """Take in a sentence: differences have the shape (*map, token, source)."""
        pairs = corpus.pairs(sentence.place)
        codes = pairs.codes(self.table.types)
        chosen = difference[..., pairs.chosen]
        kinds = corpus.categories(sentence.place)[:, pairs.chosen].T.astype(np.float64)
        self.differences.take(codes, np.moveaxis(chosen, -1, 0))
        self.kinds.take(codes, kinds)
        self.totals = self.totals + chosen @ kinds
        self.counts += kinds.sum(axis=0).astype(np.int64)


def _labelled(
    sums: _Sums, rest: tuple[str, ...], corpus: PairCorpus, options: AmplifiedPairsOptions
) -> dict[str, xr.Variable]:
    means, shares = sums.differences.means(), sums.kinds.means()
    places = np.argsort(-means, axis=0, kind="stable")[: options.top]
    ranked = np.moveaxis(np.take_along_axis(means, places, axis=0), 0, -1)
    places = np.moveaxis(places, 0, -1)
    takers, givers = sums.table.sides(places)
    kinds = _categories(shares, options.share)[places]
    dims = (*rest, RANK)
    averages = np.where(sums.counts > 0, sums.totals / np.maximum(sums.counts, 1), np.nan)
    found = {
        "amplification": variable(dims, ranked, f"mean difference of {options.variable}, {_said(options.normalise)}"),
        "count": variable(dims, sums.table.counts[places], "occurrences of the pair of types"),
        "query": text(dims, corpus.names[takers], "type that takes"),
        "source": text(dims, corpus.names[givers], "type that gives"),
        "category": text(dims, np.array(NAMES)[kinds], "category of most occurrences"),
        "category_share": variable((*dims, CATEGORY), shares[places], "share of occurrences in a category"),
        "top_share": variable(
            (*rest, CATEGORY), _shares(kinds), "share of the ranked pairs of types that are in a category"
        ),
        "category_amplification": variable(
            (*rest, CATEGORY), averages, "mean difference over all pairs of tokens of a category"
        ),
        "category_count": variable((CATEGORY,), sums.counts, "pairs of tokens in a category"),
    }
    return found | (
        {"examples": _examples(dims, sums.table.codes[places], corpus, options)} if options.examples else {}
    )


def _said(normalise: str) -> str:
    return {"row": "each row a share", "global": "each map a share"}.get(normalise, "not normalised")


def _categories(shares: FloatArray, least: float) -> IntArray:
    """Find the first category with enough of the occurrences of each pair of types; else that of the others."""
    enough = shares[:, :-1] >= least
    return np.where(enough.any(axis=-1), enough.argmax(axis=-1), len(NAMES) - 1)


def _shares(kinds: IntArray) -> FloatArray:
    return np.asarray((kinds[..., None] == np.arange(len(NAMES))).mean(axis=-2))


def _examples(
    dims: tuple[str, ...], codes: IntArray, corpus: PairCorpus, options: AmplifiedPairsOptions
) -> xr.Variable:
    known = corpus.examples(np.unique(codes))
    shown = [[*known[code], *[""] * (options.examples - len(known[code]))] for code in codes.ravel().tolist()]
    values = np.array(shown, dtype=np.dtypes.StringDType()).reshape(*codes.shape, options.examples)
    return text((*dims, "example"), values, "occurrence: « » takes, { } gives")
