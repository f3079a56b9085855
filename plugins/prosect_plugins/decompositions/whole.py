"""No decomposition: the hidden state is its own and only term."""

from __future__ import annotations

from prosect.api import TOTAL, Component, Rules, Site, Stream, StreamOptions


def rules(options: StreamOptions, stream: Stream) -> Rules:
    """Book everything under ``total``."""
    return Rules(book=_total)


def _total(_site: Site) -> Component:
    return TOTAL
