"""Attention by vector norms (Kobayashi et al. 2020): parts alpha_ij f(x_j) of an attention's output.

f^h(x) = (x W_V^h + b_V^h) W_O^h; the output bias b_O belongs to no token. Heads are summed as vectors.
"""

from __future__ import annotations

from prosect.api import BIAS, Component, Rules, Site, Stream, StreamOptions


def rules(options: StreamOptions, stream: Stream) -> Rules:
    """Make the table of rules: every token its own label, anew in each block, read behind the attention."""
    return Rules(
        book=_bias,
        start="tokens",
        span="block",
        attention="propagate",
        value_bias="token",
        norm_mean="own",
        scopes=("attn",),
    )


def _bias(_site: Site) -> Component:
    return BIAS
