"""Token-wise decomposition (Oh & Schuler 2023; DecompX as another choice of rules).

Every token (or the whole stream) starts as its own term and is carried through all blocks: attention mixes the terms
with its true weights, norms centre every term by its own mean at their true deviation, feed-forward blocks are made
linear. All biases and constants are carried along as one more term. What cross-attention brings in is one term,
``source`` (Mickus & Vázquez 2023), so the encoder is not taken apart.
"""

from __future__ import annotations

from collections.abc import Callable

from prosect.api import BIAS, INPUT, Component, Rules, Site, Stream
from prosect_plugins.decompositions import TokenWiseOptions

SOURCE = Component("source", "source")
TARGET = Component("target", "target")


def rules(options: TokenWiseOptions, stream: Stream) -> Rules:
    """Make the table of rules."""
    return Rules(
        book=_booking(TARGET if stream.name == "decoder" else INPUT),
        start="tokens",
        group=options.group,
        attention="propagate",
        feed_forward=options.feed_forward,
        gated=options.gated,
        bias=options.bias,
        value_bias=options.value_bias,
        norm_mean="own",
        embedding_norm=options.embedding_norm,
        readout=options.readout,
    )


def _booking(own: Component) -> Callable[[Site], Component]:
    labels = {"input": own, "cross_attention": SOURCE}
    return lambda site: labels.get(site.kind, BIAS)
