"""Rollout of stored maps: from the maps of single layers to what reaches a token from the inputs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import numpy as np
import xarray as xr

from prosect.api import UsageError
from prosect_plugins.derived.kernels.rollout import prepared
from prosect_plugins.derived.kernels.rollout import rollout as multiplied
from prosect_plugins.derived.kernels.rollout import rollout_across as multiplied_across
from prosect_plugins.derived.rollouts import RolloutAcrossOptions, RolloutOptions

NAME: Final = "rollout"
TARGET: Final = "target"


def rollout(datasets: Sequence[xr.Dataset], options: RolloutOptions) -> xr.Dataset:
    """Multiply the maps of one node through its layers."""
    maps = _map(datasets[0], options.variable, options.scope)
    found = np.full(maps.shape, np.nan, dtype=maps.dtype)
    for tokens in _sentences(maps):
        n = tokens.stop - tokens.start
        found[:, tokens, :n] = multiplied(prepared(maps.values[:, tokens, :n], options.rows))
    return _labelled({NAME: (maps.dims, found)}, maps)


def rollout_across(datasets: Sequence[xr.Dataset], options: RolloutAcrossOptions) -> xr.Dataset:
    """Multiply the maps of an encoder-decoder down to the inputs of both sides."""
    encoder, decoder, cross = datasets
    below, own = (_map(dataset, options.variable, options.scope) for dataset in (encoder, decoder))
    taken = _map(cross, options.variable, options.cross_scope)
    kept = _stream_share(cross, options)
    longest = int(np.bincount(own["sentence"].values).max())
    sources = np.full(taken.shape, np.nan, dtype=taken.dtype)
    targets = np.full((*taken.shape[:2], longest), np.nan, dtype=taken.dtype)
    for target, source in zip(_sentences(own), _sentences(below), strict=True):
        t, s = target.stop - target.start, source.stop - source.start
        base = multiplied(prepared(below.values[:, source, :s], options.rows))[-1]
        rows = np.concatenate([taken.values[:, target, :s], kept.values[:, target, None]], axis=-1)
        shares = prepared(rows, options.rows)
        mixing = prepared(own.values[:, target, :t], options.rows)
        found = multiplied_across(mixing, shares[..., :-1], shares[..., -1], base)
        sources[:, target, :s], targets[:, target, :t] = found
    dims = (*taken.dims[:-1], TARGET)
    return _labelled({NAME: (taken.dims, sources), f"{NAME}_target": (dims, targets)}, taken)


def _stream_share(cross: xr.Dataset, options: RolloutAcrossOptions) -> xr.DataArray:
    name = f"{options.variable}_own"
    if name not in cross:
        raise UsageError(f"the third node has no {name!r}: it must be the node 'cross' of attention_maps")
    return _at_scope(cross[name], options.cross_scope).transpose("layer", "token")


def _map(dataset: xr.Dataset, name: str, scope: str | None) -> xr.DataArray:
    """Read a map (layer, token, source) of all layers from the first; heads are averaged."""
    if name not in dataset or not {"layer", "token", "source"} <= set(dataset[name].dims):
        maps = [str(n) for n, a in dataset.data_vars.items() if {"layer", "token", "source"} <= set(a.dims)]
        raise UsageError(f"{name!r} is no map over layer, token and source; there are {', '.join(maps) or 'none'}")
    array = _at_scope(dataset[name], scope)
    array = array.mean("head") if "head" in array.dims else array
    layers = array["layer"].values.tolist()
    if layers != list(range(1, len(layers) + 1)):
        raise UsageError(f"a rollout starts at layer 1 and leaves none out; here are {', '.join(map(str, layers))}")
    return array.transpose("layer", "token", "source").compute()


def _at_scope(array: xr.DataArray, scope: str | None) -> xr.DataArray:
    if "scope" not in array.dims:
        return array
    names = array["scope"].values.tolist()
    if scope not in names:
        given = "say with 'scope'" if scope is None else f"there is no scope {scope!r}; choose"
        raise UsageError(f"{given} at which scope maps are multiplied ('cross_scope' in cross): {', '.join(names)}")
    return array.sel(scope=scope, drop=True)


def _sentences(array: xr.DataArray) -> Iterator[slice]:
    """Yield the tokens of each sentence, which must all be there."""
    numbers, positions = array["sentence"].values, array["position"].values
    starts = np.flatnonzero(np.diff(numbers, prepend=numbers[:1] - 1))
    for start, stop in zip(starts, [*starts[1:], len(numbers)], strict=True):
        if not np.array_equal(positions[start:stop], np.arange(stop - start)):
            raise UsageError(f"a rollout needs whole sentences; tokens of sentence {numbers[start]} are missing")
        yield slice(int(start), int(stop))


def _labelled(found: dict[str, tuple[tuple[Any, ...], np.ndarray]], like: xr.DataArray) -> xr.Dataset:
    return xr.Dataset({name: (dims, values) for name, (dims, values) in found.items()}, like.coords)
