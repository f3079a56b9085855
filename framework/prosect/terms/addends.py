"""What each sub-layer adds to the stream, by the rule of the decomposition."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor

from prosect.model.capture import BlockCapture
from prosect.model.weights import AttentionWeights, BlockWeights
from prosect.terms.dense import DenseTerms
from prosect.terms.linearise import Linearised, Rule, linearise, linearise_experts
from prosect.terms.moved import MovedTerms, moved
from prosect.terms.start import Carried, Start
from prosect.vocab.architecture import Attention, Experts, FeedForward, Sublayer
from prosect.vocab.components import Component, Site
from prosect.vocab.rules import Rules


@dataclass(frozen=True)
class Seen:
    """What was captured of a block, in the dtype of the replay.

    Attributes
    ----------
    capture
        The block.
    pick
        Takes the wanted tokens out of a captured tensor.
    """

    capture: BlockCapture
    pick: Callable[[Tensor], Tensor]

    @property
    def number(self) -> int:
        """Block number from 1."""
        return self.capture.number

    def input(self, path: str) -> Tensor:
        """Input of a module."""
        return self.pick(self.capture.inputs[path])

    def output(self, path: str) -> Tensor:
        """Output of a module."""
        return self.pick(self.capture.outputs[path])

    def alpha(self, path: str) -> Tensor:
        """Attention weights (batch, head, position, source), all positions of them."""
        return self.capture.attention[path]

    def routing(self, path: str) -> Tensor:
        """Weights of all experts, shape (*token, expert)."""
        return self.pick(self.capture.routing[path])

    def row_sums(self, path: str) -> Tensor:
        """Sum the attention weights of every token and head, shape (*token, head)."""
        return self.pick(self.alpha(path).sum(dim=-1).transpose(1, 2))


@dataclass(frozen=True)
class Addends:
    """Makes the terms of a sub-layer's output.

    Attributes
    ----------
    rules
        The table of rules.
    start
        Makes terms of a state that is not taken apart.
    """

    rules: Rules
    start: Start

    def reads(self, sublayer: Sublayer) -> bool:
        """Tell whether the rule of a sub-layer looks at the terms it reads."""
        return self._rule(sublayer) != "source" and sublayer.kind != "cross_attention"

    def make(
        self, sublayer: Sublayer, read: Carried | None, weights: BlockWeights, seen: Seen, *, fresh: bool
    ) -> Carried:
        """Return terms which sum to the sub-layer's true output.

        Parameters
        ----------
        sublayer, weights
            The sub-layer and its block's weights.
        read
            Terms of its input; None where the rule does not look at them.
        seen
            What was captured of the block.
        fresh
            The input depends on its own token alone, so a feed-forward block's output belongs to it as it is.
        """
        if isinstance(sublayer, Attention):
            own = weights.attention[sublayer]
            if self.rules.per_source == sublayer.kind:
                return self._split(own, seen)
            if self._rule(sublayer) == "source":
                return self._attention_source(own, seen)
            if read is None:
                read = self.start.encoder(seen.capture.inputs[sublayer.value.path].to(own.output.weight.dtype))
            return self._propagated(own, read, seen)
        bias, output = _output_bias(sublayer, weights, seen), seen.output(sublayer.path)
        if read is None:
            return self._booked(
                [Site(sublayer.kind, seen.number)], [output - (0 if bias is None else bias)], seen, bias
            )
        if fresh:
            whole = self.start.terms(output if bias is None else output - bias)
            return self._with_bias(whole, seen, sublayer, bias)
        fed = read.fed_forward(self._linearised(sublayer, weights, seen), self._bias(sublayer, seen))
        # The output's biases of experts differ from token to token, and are no part of the linear form.
        return self._with_bias(fed, seen, sublayer, bias if isinstance(sublayer, Experts) else None)

    def _linearised(self, sublayer: FeedForward | Experts, weights: BlockWeights, seen: Seen) -> Linearised:
        x, gated = seen.input(sublayer.reads), self.rules.gated
        if isinstance(sublayer, Experts):
            return linearise_experts(weights.experts[sublayer], x, seen.routing(sublayer.router), gated)
        return linearise(weights.feed_forward[sublayer], x, cast("Rule", self.rules.feed_forward), gated)

    def _rule(self, sublayer: Sublayer) -> str:
        if not isinstance(sublayer, Attention):
            return self.rules.feed_forward
        return self.rules.attention if sublayer.kind == "attention" else self.rules.cross_attention

    def _propagated(self, own: AttentionWeights, read: Carried, seen: Seen) -> Carried:
        alpha = seen.alpha(own.shape.path).to(own.output.weight.dtype)
        to_token = self._to_token(seen)
        addend = read.attended(alpha, own, value_bias=to_token)
        if not to_token:
            return self._with_bias(addend, seen, own.shape, own.bias_output(alpha.sum(dim=-1).transpose(1, 2)))
        return self._with_bias(addend, seen, own.shape, own.output.bias)

    def _to_token(self, seen: Seen) -> bool:
        """Tell whether the value bias belongs to the token that it comes with."""
        return self.rules.value_bias == "token" or (self.rules.value_bias == "first_block" and seen.number == 1)

    def _attention_source(self, own: AttentionWeights, seen: Seen) -> Carried:
        shape, output = own.shape, seen.output(own.shape.output.path)
        sums = None if shape.rows_sum_to_one else seen.row_sums(shape.path)
        if not self.rules.heads:
            offset = own.output.bias if self._to_token(seen) else own.bias_output(sums)
            unbiased = output if offset is None else output - offset
            return self._booked([Site(shape.kind, seen.number)], [unbiased], seen, offset)
        bias = own.bias_output(sums)
        sites = [Site(shape.kind, seen.number, head) for head in range(shape.heads)]
        return self._booked(sites, list(_heads(own, seen, sums)), seen, bias)

    def _split(self, own: AttentionWeights, seen: Seen) -> MovedTerms:
        """Book what every head moved from every source token, and the bias under its own label."""
        shape, dtype = own.shape, own.output.weight.dtype
        alpha = seen.alpha(shape.path).to(dtype)
        labels = tuple(self.rules.book(Site(shape.kind, seen.number, head)) for head in range(shape.heads))
        offset = self.rules.book(Site("bias", seen.number, part=shape.kind))
        addend = moved(labels, alpha, seen.input(shape.reads), own, offset)
        # The true sums: a softmax in float32 leaves rows of a float64 model at 1 to 1e-8 only.
        addend.add(offset, own.bias_output(alpha.sum(dim=-1).transpose(1, 2)))
        return addend

    def _booked(self, sites: list[Site], vectors: list[Tensor], seen: Seen, bias: Tensor | None) -> Carried:
        """Book vectors under the labels of their sites, and the bias under its own."""
        labels = [self.rules.book(site) for site in sites]
        offset = self.rules.book(Site("bias", seen.number, part=sites[0].kind))
        names = tuple(dict.fromkeys([*labels, offset]))
        if len(names) == len(labels) + 1:
            last = torch.zeros_like(vectors[0]) if bias is None else bias.expand_as(vectors[0])
            return DenseTerms(names, torch.stack([*vectors, last]))
        addend = DenseTerms.zeros(names, vectors[0])
        for label, vector in zip(labels, vectors, strict=True):
            addend.add(label, vector)
        if bias is not None:
            addend.add(offset, bias)
        return addend

    def _with_bias(self, addend: Carried, seen: Seen, sublayer: Sublayer, bias: Tensor | None) -> Carried:
        if bias is not None:
            addend.add(self._bias(sublayer, seen), bias)
        return addend

    def _bias(self, sublayer: Sublayer, seen: Seen) -> Component:
        """Label of the biases of a sub-layer."""
        return self.rules.book(Site("bias", seen.number, part=sublayer.kind))


def _output_bias(sublayer: FeedForward | Experts, weights: BlockWeights, seen: Seen) -> Tensor | None:
    """Return the bias of a feed-forward sub-layer's output; of a mixture of experts, that of every token."""
    if isinstance(sublayer, Experts):
        return weights.experts[sublayer].output_bias(seen.routing(sublayer.router))
    return weights.feed_forward[sublayer].down.bias


def _heads(own: AttentionWeights, seen: Seen, sums: Tensor | None) -> Tensor:
    """Unbiased outputs of the heads, shape (head, *token, hidden), from what the output projection read."""
    context = seen.input(own.shape.output.path)
    mixed = context.reshape(*context.shape[:-1], own.shape.heads, own.shape.head_dim)
    if own.value_bias_heads is not None:
        mixed = mixed - own.value_bias_heads * (1 if sums is None else sums.unsqueeze(-1))
    return torch.einsum("...he,hed->h...d", mixed, own.output_heads)
