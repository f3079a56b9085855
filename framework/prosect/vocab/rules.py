"""A decomposition as a table of rules for the linear replay: data and one booking function, no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Literal

from prosect.vocab.architecture import Attention, Stream
from prosect.vocab.components import BIAS, KINDS, Component, Kind, Site
from prosect.vocab.scopes import cross_scopes, stream_scopes

Readout = Literal["hidden_states", "residual", "final_norm"]
# The rule by which no label of biases exists.
SHARED: Final = "share_abs_dot"


@dataclass(frozen=True, kw_only=True)
class Rules:
    """How the linear replay treats each step of a network.

    Attributes
    ----------
    book
        The component under which the vector entering the residual stream at a site is booked.
    start
        ``input``: the embeddings are one term; ``tokens``: every token of the sentence (or group of tokens) is
        a term of its own, and the labels are those tokens; ``encoder_tokens`` (in the node ``cross``): the labels are
        the tokens of the encoder, and what the stream itself holds stands under the label of the input.
    group
        Where the replay starts from tokens: each ``token`` is a term, or the whole ``stream`` is one, under the
        label of the input; any other word names a coordinate of the tokens, and those with the same value are one term.
    span
        ``stack``: one replay through all blocks; ``block``: a new one from the true input of every block.
    attention, cross_attention
        ``source``: the unbiased output is booked under a label; ``propagate``: the terms are mixed with the true
        weights (for cross-attention those of the encoder).
    encoder
        For a decoder that propagates cross-attention: rules by which the encoder's tokens are carried through the
        encoder first; None takes the encoder's last state at each token as it is.
    feed_forward
        ``source``, or the rule by which the block is made linear: ``tangent``, ``secant``, ``relu_mask``.
    gated
        The rule for gated blocks: ``path``, ``half``, ``frozen``, ``tangent``.
    bias
        Where the replay starts from tokens: all biases and constants are a term of their ``own``; the same, but
        results leave it out (``drop``); or there is none, and each is shared out among the terms at once, in
        proportion to |b.t_k| (``share_abs_dot``).
    value_bias
        What the value bias b_V adds to an attention's output is booked under the ``bias``, under the ``token``
        it comes with, or (``first_block``) under the token in the first block and the bias afterwards.
    norm_mean
        ``bias``: the mean that a LayerNorm subtracts is booked under the bias (Mickus 2022);
        ``own``: every term is centred by its own mean (Kobayashi 2021, Oh & Schuler 2023).
    embedding_norm
        ``inside``: the replay starts from the raw sum of the embeddings, and the norm over them is
        a step; ``outside``: it starts after that norm.
    heads
        Attention is booked head by head.
    per_source
        Attention of this kind, a source booked head by head, is split further by source token.
    scopes
        ``None``: terms are read at the state after each block. Names of scopes: they are read there, as far as a
        block has them; ``("all",)`` means every scope. One scope alone gives no ``scope`` dimension.
    readout
        State that the terms sum to at each layer: ``hidden_states`` as Hugging Face returns them (the
        last one after a final norm), ``residual`` before it, ``final_norm`` after it at every layer.
    """

    book: Callable[[Site], Component]
    start: Literal["input", "tokens", "encoder_tokens"] = "input"
    group: str = "token"
    span: Literal["stack", "block"] = "stack"
    attention: Literal["source", "propagate"] = "source"
    cross_attention: Literal["source", "propagate"] = "source"
    encoder: Rules | None = None
    feed_forward: Literal["source", "tangent", "secant", "relu_mask"] = "source"
    gated: Literal["path", "half", "frozen", "tangent"] = "path"
    bias: Literal["own", "drop", "share_abs_dot"] = "own"
    value_bias: Literal["bias", "first_block", "token"] = "bias"
    norm_mean: Literal["bias", "own"] = "bias"
    embedding_norm: Literal["inside", "outside"] = "inside"
    heads: bool = False
    per_source: Literal["attention", "cross_attention"] | None = None
    scopes: tuple[str, ...] | None = None
    readout: Readout = "hidden_states"

    @property
    def by_token(self) -> bool:
        """Whether the labels are the tokens of the sentence, or of the encoder's."""
        return self.start != "input" and self.group == "token"

    @property
    def crossing(self) -> bool:
        """Whether the labels, or what heads are split by, are the tokens of the encoder."""
        return self.start == "encoder_tokens" or self.per_source == "cross_attention"

    @property
    def annotation(self) -> str | None:
        """The coordinate by which tokens are grouped, where it is one of the corpus."""
        return self.group if self.start != "input" and self.group not in ("token", "stream") else None


ORDER: Final = ("source", "target", *KINDS)


def sites(stream: Stream, *, heads: bool) -> tuple[Site, ...]:
    """All sites of a stream in the order of the network; a bias site stands beside each sub-layer and norm."""
    found: list[Site] = [Site("input"), Site("bias", part="norm")]
    for number, block in enumerate(stream.blocks, 1):
        for stage in block.stages:
            for branch in stage.branches:
                kind = branch.sublayer.kind
                if heads and isinstance(branch.sublayer, Attention):
                    found += [Site(kind, number, head) for head in range(branch.sublayer.heads)]
                else:
                    found.append(Site(kind, number))
                found.append(Site("bias", number, part=kind))
            found.append(Site("bias", number, part="norm"))
    return tuple(found)


def components(stream: Stream, rules: Rules) -> tuple[Component, ...]:
    """Label a replay in the order of the ``component`` axis: by kind, then block, then head."""
    seen = dict.fromkeys(rules.book(site) for site in sites(stream, heads=rules.heads))
    shared = rules.start != "input" and rules.bias == SHARED
    return tuple(sorted((label for label in seen if not (shared and label == BIAS)), key=_place))


def shown(stream: Stream, rules: Rules) -> tuple[Component, ...]:
    """Labels of the results: those of the replay without a bias that is dropped."""
    dropped = rules.start != "input" and rules.bias == "drop"
    return tuple(label for label in components(stream, rules) if not (dropped and label == BIAS))


def split_heads(stream: Stream, rules: Rules) -> tuple[Component, ...]:
    """Labels of the heads that are split by source token, in order; none where ``per_source`` is not said."""
    if rules.per_source is None:
        return ()
    return tuple(component for component in components(stream, rules) if component.kind == rules.per_source)


def beside(stream: Stream, rules: Rules) -> tuple[Component, ...]:
    """Labels of a replay beside those of the tokens: of all sites but where the tokens come in; the bias last."""
    entry = "cross_attention" if rules.crossing else "input"
    seen = {rules.book(site) for site in sites(stream, heads=rules.heads) if site.kind != entry}
    found = tuple(sorted(seen - {BIAS}, key=_place))
    return found if rules.bias == SHARED else (*found, BIAS)


def suffix(component: Component) -> str:
    """How a label beside the tokens is written in names of variables: ``encoder`` for what cross-attention brings."""
    return "encoder" if component.kind == "source" else component.label


def scopes_read(stream: Stream, rules: Rules) -> tuple[str, ...]:
    """Scopes at which terms are read, in order; empty for the state after each block."""
    if rules.scopes is None:
        return ()
    found = cross_scopes(stream) if rules.crossing else stream_scopes(stream)
    if rules.cross_attention == "source":
        # Its output belongs to none of the labels before it is added to the stream.
        found = tuple(name for name in found if not name.startswith("cross") or "_res" in name)
    return found if rules.scopes == ("all",) else tuple(name for name in found if name in rules.scopes)


def _place(component: Component) -> tuple[int, int, int]:
    kind = ORDER.index(component.kind if component.kind in ORDER else "feed_forward")
    return kind, component.block or 0, -1 if component.head is None else component.head


def kinds_of(stream: Stream) -> frozenset[Kind]:
    """Kinds of sub-layer that the stream has."""
    return frozenset(b.sublayer.kind for block in stream.blocks for stage in block.stages for b in stage.branches)
