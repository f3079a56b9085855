"""Correlations of weights, norms of values and frequency (Kobayashi et al. 2020, 2021), as labelled data."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from prosect.api import UsageError
from prosect_plugins.mapstats.attention import mean_given
from prosect_plugins.mapstats.categories import memberships
from prosect_plugins.mapstats.frequency import count_ranks, join_table
from prosect_plugins.mapstats.labelled import lead_coordinates, text, variable
from prosect_plugins.mapstats.options import FrequencyOptions, WeightNormOptions
from prosect_plugins.mapstats.ranks import BinnedSpearman, ExactSpearman, Pearson, correlate
from prosect_plugins.mapstats.stored import StoredMaps

HEAD = "head"
LAYER = "layer"

FloatArray = npt.NDArray[np.floating[Any]]
BoolArray = npt.NDArray[np.bool_]


def weight_norm_correlation(datasets: Sequence[xr.Dataset], options: WeightNormOptions) -> xr.Dataset:
    """Correlate weights alpha_ij with norms |f_j| over all pairs, by the category of the source."""
    maps = StoredMaps(datasets[0])
    lead = maps.lead(options.weight)
    if maps.lead(options.norm) != lead or not maps.is_map(options.weight) or maps.is_map(options.norm):
        raise UsageError(
            f"{options.weight!r} must be a map, and {options.norm!r} a variable of its sources, over the same layers "
            f"and heads; they have {', '.join(lead)} and {', '.join(maps.lead(options.norm))}"
        )
    pooled = {"all": (LAYER, HEAD), "layer": (HEAD,), "head": ()}[options.each]
    kept = tuple(dim for dim in lead if dim not in pooled)
    members = memberships(options.categories, options.other, maps.source_coordinate, maps.source_starts)
    members = {"all": np.ones_like(next(iter(members.values()))), **members}
    masks = np.stack(list(members.values()))
    shape = tuple(maps.dataset.sizes[dim] for dim in kept)
    cells = [maps.dataset.isel(dict(zip(kept, place, strict=True))) for place in np.ndindex(shape)]
    results = [_correlated(StoredMaps(cell), masks, options) for cell in cells]
    found, pairs = (np.reshape(side, (*shape, len(masks))) for side in zip(*results, strict=True))
    dims = (*kept, "category")
    meaning = f"{options.method.capitalize()}'s correlation of {options.weight} and {options.norm} over pairs of tokens"
    variables = {
        "weight_norm_correlation": variable(dims, found, meaning),
        "pairs": variable(dims, pairs, "pairs of tokens, of all heads together"),
    }
    labels = {"category": text(("category",), list(members), "category of the source")}
    return xr.Dataset(variables, {**lead_coordinates(maps.dataset, kept), **labels})


def _correlated(
    maps: StoredMaps, masks: BoolArray, options: WeightNormOptions
) -> tuple[list[float], npt.NDArray[np.int64]]:
    """Correlate the pairs of every category; a row of ``masks`` holds the sources of one."""
    totals = _pairs(maps, masks, options.weight)
    if options.method == "pearson":
        collected: list[Pearson | ExactSpearman | BinnedSpearman] = [Pearson() for _ in masks]
    else:
        collected = [ExactSpearman() if total <= options.exact_pairs else BinnedSpearman() for total in totals]
    binned = [(one, mask) for one, mask in zip(collected, masks, strict=True) if isinstance(one, BinnedSpearman)]
    if binned:
        for weights, norms, sources in _read(maps, options):
            for counts, mask in binned:
                counts.count(*_chosen(weights, norms, mask[sources]))
    for weights, norms, sources in _read(maps, options):
        for correlation, mask in zip(collected, masks, strict=True):
            correlation.add(*_chosen(weights, norms, mask[sources]))
    return [correlation.value() for correlation in collected], totals


def _read(maps: StoredMaps, options: WeightNormOptions) -> Iterator[tuple[FloatArray, FloatArray, slice]]:
    for sentence in maps.read([options.weight, options.norm]):
        yield sentence.values[options.weight], sentence.values[options.norm], sentence.sources


def _chosen(weights: FloatArray, norms: FloatArray, own: BoolArray) -> tuple[FloatArray, FloatArray]:
    """Pairs of some sources: a norm belongs to all tokens that take from its source."""
    found = weights[..., own]
    return found.ravel(), np.broadcast_to(norms[..., None, own], found.shape).ravel()


def _pairs(maps: StoredMaps, masks: BoolArray, name: str) -> npt.NDArray[np.int64]:
    """Count the pairs of every category, all heads and layers of the node together."""
    firsts, lasts = maps.source_bounds
    before = np.concatenate([np.zeros((len(masks), 1), np.int64), np.cumsum(masks, axis=1)], axis=1)
    per_map = (before[:, lasts] - before[:, firsts]) @ np.diff(maps.offsets)
    return np.asarray(per_map) * int(np.prod([maps.dataset.sizes[dim] for dim in maps.lead(name)], dtype=np.int64))


def frequency_correlation(datasets: Sequence[xr.Dataset], options: FrequencyOptions) -> xr.Dataset:
    """Correlate what is measured of every token with the frequency (rank) of its type.

    The first dataset is the node, the second, where there is one, a table with one dimension, the key.
    """
    maps = StoredMaps(datasets[0])
    name = options.variable
    # What a token gives belongs to the sources; any other variable to the tokens it stands on.
    sources = maps.is_map(name) or maps.on_sources(name)
    lookup, starts = (maps.source_coordinate, maps.source_starts) if sources else (maps.coordinate, maps.starts)
    values, places = _per_token(maps, options, sources=sources)
    dims = tuple(dim for dim in maps.lead(name) if dim not in _averaged(options))
    frequency = _frequency(datasets[1:], options, lookup)[places]
    keep = ~np.isnan(frequency)
    for out in memberships(options.without, None, lookup, starts).values():
        keep &= ~out[places]
    keep &= ~np.isnan(values).any(axis=tuple(range(values.ndim - 1)))
    found = correlate(values[..., keep], np.broadcast_to(frequency[keep], values[..., keep].shape), options.method)
    meaning = f"{options.method.capitalize()}'s correlation of {name} and frequency over tokens"
    variables = {
        "frequency_correlation": variable(dims, found, meaning),
        "tokens": variable((), int(keep.sum()), "tokens counted"),
    }
    return xr.Dataset(variables, lead_coordinates(maps.dataset, dims))


def _averaged(options: FrequencyOptions) -> tuple[str, ...]:
    return {"layers": (LAYER, HEAD), "heads": (HEAD,), "none": ()}[options.average]


def _per_token(
    maps: StoredMaps, options: FrequencyOptions, *, sources: bool
) -> tuple[FloatArray, npt.NDArray[np.int64]]:
    """Values of every token (*map, token), averaged as the options say, and the places of these tokens."""
    lead = maps.lead(options.variable)
    axes = tuple(axis for axis, dim in enumerate(lead) if dim in _averaged(options))
    found, places = [], []
    for sentence in maps.read([options.variable]):
        values: FloatArray = sentence.values[options.variable].astype(np.float64)
        values = mean_given(values) if maps.is_map(options.variable) else values
        found.append(values.mean(axis=axes) if axes else values)
        own = sentence.sources if sources else sentence.tokens
        places.append(np.arange(own.start, own.stop))
    return np.concatenate(found, axis=-1), np.concatenate(places)


def _frequency(tables: Sequence[xr.Dataset], options: FrequencyOptions, lookup: Any) -> FloatArray:  # noqa: ANN401
    if not tables:
        return count_ranks(lookup(options.key or "token_id"))
    table = tables[0]
    keys = [str(dim) for dim in table.dims]
    if len(keys) != 1:
        raise UsageError(f"the table of frequencies must have one key, and has {', '.join(keys) or 'none'}")
    columns = [str(name) for name in table.data_vars]
    column = options.column or (columns[0] if len(columns) == 1 else None)
    if column not in columns:
        raise UsageError(f"name the column of the table: it has {', '.join(columns)}")
    known = table[keys[0]].to_numpy()
    return join_table(lookup(options.key or keys[0]), known, table[column].to_numpy(), options.unseen)
