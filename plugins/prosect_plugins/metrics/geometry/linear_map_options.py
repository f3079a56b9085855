"""Options of `linear_map_r2`, and what the plan must know of it. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

from pydantic import Field

from prosect.api import Footprint, Sizes, Variable
from prosect_plugins.metrics.geometry.options import TokenOptions, axis_lengths, number_of_cells, spread

#: What a linear map is put in the place of, and how the name of the variable calls it.
Mapped = Literal["feed_forward", "attention", "cross_attention", "block", "block_update"]
PLACES: Final[Mapping[Mapped, str]] = {
    "feed_forward": "the feed_forward sub-layer",
    "attention": "the attention sub-layer",
    "cross_attention": "the cross_attention sub-layer",
    "block": "the block",
    "block_update": "what the block adds to the hidden state",
}


class LinearMapOptions(TokenOptions):
    """Options of `linear_map_r2`.

    Attributes
    ----------
    sublayer
        Kind of the sub-layer; of several in a block the first one. ``block``: the whole block, from the hidden state
        before it to the one behind it (before a final norm), and ``block_update``, to what it adds: their difference.
        With ``average: variance`` these are the linearity scores of Razzhigaev et al. (2024, Your Transformer is
        Secretly Linear), who take out the residual connection by the latter.
    average
        ``uniform``: the mean of the R^2 of all coordinates of the output, as scikit-learn scores and the paper has it;
        ``variance``: each weighted by its variance, so one minus the share of all variance that is left.
    parts
        Sentences are dealt out to so many parts; the map is fitted to all but the last one and scored on that for the
        value ``_held_out``. The value itself is scored on the tokens that it is fitted to, as in the paper.
    """

    sublayer: Mapped = "feed_forward"
    average: Literal["uniform", "variance"] = "uniform"
    parts: int = Field(default=5, ge=2)


def linear_map_variables(options: LinearMapOptions) -> tuple[Variable, ...]:
    """Variables of `linear_map_r2`."""
    name, place = "linear_map_r2", PLACES[options.sublayer]
    found = (
        Variable(name=name, dims=(), long_name=f"R^2 of a linear map in place of {place}"),
        Variable(name=f"{name}_held_out", dims=(), long_name="R^2 on sentences that the map was not fitted to"),
        Variable(name=f"{name}_n_used", dims=(), long_name="tokens counted", dtype="int64"),
    )
    return tuple(spread(one, options) for one in found)


def linear_map_footprint(options: LinearMapOptions, sizes: Sizes) -> Footprint:
    """Bytes of the joint second moments of input and output."""
    cells = number_of_cells(options, 2)
    size = None
    if cells is not None and sizes.hidden is not None:
        width = 2 * sizes.hidden
        size = 8 * cells * (width**2 + width)
    return Footprint(state={"linear_map_r2": size}, axes=axis_lengths(options))
