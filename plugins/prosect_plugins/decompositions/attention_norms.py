"""Attention by vector norms (Kobayashi et al. 2020): parts alpha_ij f(x_j) of an attention's output.

f^h(x) = (x W_V^h + b_V^h) W_O^h; the output bias b_O belongs to no token. Heads are summed as vectors.
The node ``cross`` has the same for the cross-attention of a decoder.
"""

from __future__ import annotations

from prosect.api import BIAS, OWN, SOURCE, Component, Rules, Site, Stream, StreamOptions


def rules(options: StreamOptions, stream: Stream) -> Rules:
    """Make the table of rules: every token its own label, anew in each block, read behind the attention."""
    crossing = stream.name == "cross"
    return Rules(
        book=across if crossing else _bias,
        start="encoder_tokens" if crossing else "tokens",
        span="block",
        attention="propagate",
        cross_attention="propagate" if crossing else "source",
        value_bias="token",
        norm_mean="own",
        scopes=("cross",) if crossing else ("attn",),
    )


def across(site: Site) -> Component:
    """Book what the decoder holds itself apart from the encoder's tokens."""
    return {"input": OWN, "cross_attention": SOURCE}.get(site.kind, BIAS)


def _bias(_site: Site) -> Component:
    return BIAS
