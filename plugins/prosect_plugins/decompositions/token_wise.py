"""Token-wise decomposition (Oh & Schuler 2023; DecompX as another choice of rules).

Every token (or group of tokens, or the whole stream) starts as its own term and is carried through all blocks:
attention mixes the terms with its true weights, norms centre every term by its own mean at their true deviation,
feed-forward blocks are made linear. Biases and constants are carried as one more term, or shared among the others.

In a decoder, what cross-attention brings in is one term, ``source`` (Mickus & Vázquez 2023). Told apart by source token
it stands in the node ``cross``: cross-attention mixes the terms of the encoder's tokens, which start from its last
state or are carried through it first, and they go on through the decoder's blocks like all others.
"""

from __future__ import annotations

from dataclasses import replace

from prosect.api import BIAS, INPUT, OWN, SOURCE, Component, Rules, Site, Stream
from prosect_plugins.decompositions import TokenWiseOptions

TARGET = Component("target", "target")


def rules(options: TokenWiseOptions, stream: Stream) -> Rules | None:
    """Make the table of rules; none for ``cross`` where its labels would be those of the decoder."""
    crossing = stream.name == "cross"
    if crossing and (options.source == "group" or options.group == "stream"):
        return None
    table = Rules(
        book=_book,
        start="tokens",
        group=options.group,
        attention="propagate",
        cross_attention="propagate" if crossing else "source",
        feed_forward=options.feed_forward,
        gated=options.gated,
        bias=options.bias,
        value_bias=options.value_bias,
        norm_mean="own",
        embedding_norm=options.embedding_norm,
        readout=options.readout,
    )
    carried = replace(table, readout="hidden_states") if options.source == "carried" else None
    if crossing:
        return replace(table, start="encoder_tokens", book=_book_across, encoder=carried)
    if stream.name == "decoder":
        return replace(table, book=_book_target, encoder=carried, cross_attention="propagate" if carried else "source")
    return table


def _book(site: Site) -> Component:
    return INPUT if site.kind == "input" else BIAS


def _book_target(site: Site) -> Component:
    return {"input": TARGET, "cross_attention": SOURCE}.get(site.kind, BIAS)


def _book_across(site: Site) -> Component:
    return {"input": OWN, "cross_attention": SOURCE}.get(site.kind, BIAS)
