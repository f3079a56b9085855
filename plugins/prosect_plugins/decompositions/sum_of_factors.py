"""Sum of factors (Mickus, Paperno & Constant 2022): e = i + h + f + c, exact, for any order of blocks.

Every sub-layer is a *source*: its unbiased output is booked under a label when it enters the residual
stream, and from there on only norms rescale it. All biases, norm biases and (by default) norm means go
under ``bias``. Attention's output is a sum over heads and attended tokens, so its term can be split by
both: what a head moved from a token.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

from prosect.api import BIAS, INPUT, Component, Rules, Site, Stream
from prosect_plugins.decompositions import SumOfFactorsOptions

Granularity = Literal["kind", "layer", "sublayer", "head", "source"]


def rules(options: SumOfFactorsOptions, stream: Stream) -> Rules | None:
    """Make the table of rules; only what is split by source token has a node ``cross``."""
    split, crossing = options.by == "source", stream.name == "cross"
    if crossing and not split:
        return None
    return Rules(
        book=BOOKINGS[options.by],
        norm_mean=options.norm_mean,
        embedding_norm=options.embedding_norm,
        heads=options.by in ("head", "source"),
        per_source=("cross_attention" if crossing else "attention") if split else None,
        readout=options.readout,
    )


def by_kind(site: Site) -> Component:
    """Book everything of one kind together, over all blocks."""
    return Component(site.kind, site.kind)


def by_layer(site: Site) -> Component:
    """Book all sub-layers of a block together."""
    return _outside(site) or Component(f"block.{site.block}", "block", site.block)


def by_sublayer(site: Site) -> Component:
    """Book every sub-layer by itself."""
    return _outside(site) or Component(f"{site.kind}.{site.block}", site.kind, site.block)


def by_head(site: Site) -> Component:
    """Book every attention head, and every other sub-layer, by itself."""
    if site.head is None:
        return by_sublayer(site)
    return Component(f"{site.kind}.{site.block}.{site.head}", site.kind, site.block, site.head)


def _outside(site: Site) -> Component | None:
    return {"input": INPUT, "bias": BIAS}.get(site.kind)


BOOKINGS: dict[Granularity, Callable[[Site], Component]] = {
    "kind": by_kind,
    "layer": by_layer,
    "sublayer": by_sublayer,
    "head": by_head,
    "source": by_head,
}
