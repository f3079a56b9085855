"""`scope_norm_ratio` and `largest_dimensions`: what stored norms and profiles say of the feed-forward block."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import xarray as xr

from prosect.api import UsageError
from prosect_plugins.mapstats.changes import SCOPE, carried
from prosect_plugins.mapstats.labelled import lead_coordinates, variable
from prosect_plugins.mapstats.options import ScopeRatioOptions

TOKEN = "token"


def scope_norm_ratio(datasets: Sequence[xr.Dataset], options: ScopeRatioOptions) -> xr.Dataset:
    """Divide the norms of two scopes token by token, and average over tokens.

    Raises
    ------
    UsageError
        The node has no such norms or scopes.
    """
    dataset = datasets[0]
    norms = dataset.data_vars.get(options.variable)
    if norms is None or not {SCOPE, TOKEN} <= set(norms.dims):
        raise UsageError(f"the node has no {options.variable!r} of tokens at several scopes")
    scopes = [str(scope) for scope in dataset[SCOPE].to_numpy()]
    above = options.above or carried(scopes)
    if above is None or not {above, options.below} <= set(scopes):
        raise UsageError(f"name two of the scopes {', '.join(scopes)} as 'above' and 'below'")
    if not options.special:
        norms = norms.isel(token=~dataset["special"].to_numpy().astype(np.bool_))
    one, other = (norms.isel({SCOPE: scopes.index(name)}).drop_vars(SCOPE) for name in (above, options.below))
    ratio = (one / other.where(other > 0)).astype(np.float64)
    dims = [str(dim) for dim in ratio.dims if dim != TOKEN]
    meaning = f"|{above}| / |{options.below}|, over tokens"
    found = {
        "scope_norm_ratio": variable(dims, ratio.mean(TOKEN), f"mean of {meaning}"),
        "scope_norm_ratio_sd": variable(dims, ratio.std(TOKEN), f"standard deviation of {meaning}"),
        "tokens": variable(dims, ratio.count(TOKEN), "tokens counted"),
    }
    return xr.Dataset(found, lead_coordinates(dataset, dims), {"above": above, "below": options.below})


def largest_dimensions(profile: xr.DataArray, share: float = 0.01, scope: str | None = None) -> dict[int, list[int]]:
    """List the dimensions of every layer in which a profile is largest, as `partial_norm` takes them.

    Parameters
    ----------
    profile
        A variable of `dimension_profile`, (layer, hidden) or (scope, layer, hidden).
    share
        Share of the dimensions, at least one.
    scope
        Which scope, where there are several: ``ff`` for the output of the feed-forward block.
    """
    chosen = profile if scope is None else profile.sel({SCOPE: scope})
    sizes = np.abs(chosen.transpose("layer", "hidden").to_numpy())
    number = max(1, math.floor(share * sizes.shape[1]))
    largest = np.argsort(-sizes, axis=1, kind="stable")[:, :number]
    return {int(layer): sorted(own.tolist()) for layer, own in zip(chosen["layer"].to_numpy(), largest, strict=True)}
