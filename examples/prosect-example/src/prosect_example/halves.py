"""A decomposition: a table of rules says under which label each vector is booked, and the engine does the rest."""

from __future__ import annotations

from prosect.api import BIAS, INPUT, Component, Rules, Site, Stream
from prosect_example.plugin import HalvesOptions

LOWER = Component("lower", "half")
UPPER = Component("upper", "half")


def rules(options: HalvesOptions, stream: Stream) -> Rules:
    """Book the sub-layers of the first and of the second half of the blocks separately."""
    first = stream.layers // 2 if options.first is None else options.first

    def book(site: Site) -> Component:
        if site.kind == "bias":
            return BIAS
        if site.block is None:
            return INPUT
        return LOWER if site.block <= first else UPPER

    return Rules(book=book)
