"""Attention maps of whole blocks (Kobayashi et al. 2021, 2024): what token j gives to token i at every scope.

Within one block every token starts as its own label. Attention mixes the labels with its true weights (b_V goes with
the token, b_O with none), the residual adds to the diagonal, norms are frozen at their true deviation and centre
every part by its own mean, the feed-forward block is made linear. Biases belong to no token.
"""

from __future__ import annotations

from prosect.api import BIAS, OWN, SOURCE, Component, Rules, Site, Stream, UsageError, scope_names
from prosect_plugins.decompositions import AttentionMapsOptions


def rules(options: AttentionMapsOptions, stream: Stream) -> Rules | None:
    """Make the table of rules; None for a stream that has none of the scopes."""
    crossing, scopes = stream.name == "cross", _scopes(options, stream)
    if not scopes:
        return None
    return Rules(
        book=_book,
        start="encoder_tokens" if crossing else "tokens",
        span="block",
        attention="propagate",
        cross_attention="propagate" if crossing else "source",
        feed_forward=options.feed_forward,
        gated=options.gated,
        value_bias="token",
        norm_mean="own",
        scopes=scopes,
    )


def _scopes(options: AttentionMapsOptions, stream: Stream) -> tuple[str, ...]:
    """Scopes that are wanted and that this stream has; UsageError where a model of one stream lacks one."""
    if options.scopes == "all":
        return ("all",)
    known = scope_names(stream)
    missing = [name for name in options.scopes if name not in known]
    if missing and stream.name == "main":
        raise UsageError(f"there is no scope {missing[0]!r}; the blocks of this model have {', '.join(known)}")
    return tuple(name for name in options.scopes if name in known)


def _book(site: Site) -> Component:
    """Book what the decoder holds itself apart from the encoder's tokens, and what those give from its own."""
    return {"input": OWN, "cross_attention": SOURCE}.get(site.kind, BIAS)
