"""`map_change`: how much maps change from scope to scope (Kobayashi et al. 2024), as labelled data."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from prosect.api import UsageError
from prosect_plugins.mapstats.change import change, chosen_entries, normalised
from prosect_plugins.mapstats.labelled import lead_coordinates, text, variable
from prosect_plugins.mapstats.options import MapChangeOptions
from prosect_plugins.mapstats.sentences import OverSentences
from prosect_plugins.mapstats.stored import StoredMaps

FloatArray = npt.NDArray[np.floating[Any]]

SCOPE = "scope"
CHANGE = "change"


def map_change(datasets: Sequence[xr.Dataset], options: MapChangeOptions) -> xr.Dataset:
    """1 - correlation of the maps before and after a part of the block, for every layer, averaged over sentences.

    Raises
    ------
    UsageError
        The maps have no scopes, or not those that are asked for.
    """
    maps = StoredMaps(datasets[0])
    lead = maps.lead(options.variable)
    if SCOPE not in lead or not maps.is_map(options.variable):
        raise UsageError(f"{options.variable!r} holds no maps at several scopes: give a node of 'attention_maps'")
    scopes = [str(scope) for scope in maps.dataset[SCOPE].to_numpy()]
    pairs = options.changes or default_changes(scopes)
    before, after = (_places(scopes, [pair[side] for pair in pairs]) for side in (0, 1))
    special = None if options.special else maps.coordinate("special").astype(np.bool_)
    axis, collected = lead.index(SCOPE), OverSentences(options.sentences)
    for sentence in maps.read([options.variable]):
        values: FloatArray = np.moveaxis(sentence.values[options.variable], axis, 0).astype(np.float64)
        entries = chosen_entries(values, options.entries, None if special is None else ~special[sentence.tokens])
        values = normalised(np.where(entries, values, 0.0), options.normalise)
        collected.take(change(values[before], values[after], entries, rows=options.rows, method=options.method))
    return _labelled(maps, options, pairs, collected)


def default_changes(scopes: Sequence[str]) -> list[tuple[str, str]]:
    """List each scope and the next one, then the feed-forward block as a whole.

    That block starts from the state that its residual branch carries: the scope of attention that has passed what the
    last scope has passed since the feed-forward block.
    """
    steps, start = list(pairwise(scopes)), carried(scopes)
    return steps if start is None or (start, scopes[-1]) in steps else [*steps, (start, scopes[-1])]


def carried(scopes: Sequence[str]) -> str | None:
    """Name the scope of the state that the residual branch carries past the feed-forward block; None without one."""
    name, _, passed = scopes[-1].partition("_")
    start = f"attn_{passed}"
    return start if name == "ff" and passed and start in scopes else None


def _places(scopes: list[str], wanted: Sequence[str]) -> npt.NDArray[np.int64]:
    unknown = [name for name in wanted if name not in scopes]
    if unknown:
        raise UsageError(f"the node has no scope {unknown[0]!r}; it has {', '.join(scopes)}")
    return np.array([scopes.index(name) for name in wanted], dtype=np.int64)


def _labelled(
    maps: StoredMaps, options: MapChangeOptions, pairs: Sequence[tuple[str, str]], collected: OverSentences
) -> xr.Dataset:
    rest = tuple(dim for dim in maps.lead(options.variable) if dim != SCOPE)
    meaning = f"1 - {options.method} of {options.variable} before and after"
    found: dict[str, Any] = {
        "map_change": variable((CHANGE, *rest, *collected.dims), collected.values(), meaning),
        "sentences": variable((CHANGE, *rest), collected.counts(), "sentences that have a value"),
    }
    labels = {
        CHANGE: text((CHANGE,), [f"{one} to {other}" for one, other in pairs], "what lies between two scopes"),
        "before": text((CHANGE,), [one for one, _ in pairs], "scope before"),
        "after": text((CHANGE,), [other for _, other in pairs], "scope after"),
    }
    return xr.Dataset(found, {**lead_coordinates(maps.dataset, rest), **labels, **maps.sentence_labels(collected.dims)})
