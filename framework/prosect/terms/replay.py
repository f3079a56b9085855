"""The linear replay: sends `Terms` through the steps of a network whose data-dependent scalars are frozen.

A decomposition is a table of `Rules`; this engine is the only place where they are carried out. It
listens to the forward pass (`prosect.model.capture`) and consumes each block as it finishes.

For a norm with input y, true statistics m = mean(y), s = sqrt(var(y) + eps), gain g and bias b:

    t_k <- (t_k - m_k) g / s,  with m_k = mean(t_k), or m_bias = m and 0 for the others;  t_bias += b

Sub-layers book their output under labels: the unbiased part under the sub-layer's own component, and
b_O + sum_h rowsum_h b_V W_O (attention) or b_2 (feed-forward) under the bias.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from prosect.model.capture import BlockCapture, Needs
from prosect.model.weights import Affine, BlockWeights, NormWeights, affine, norm_weights, submodule
from prosect.terms.closure import ClosureGauge
from prosect.terms.terms import DenseTerms
from prosect.vocab.architecture import Attention, Block, Branch, FeedForward, Norm, Projection, Stage, Stream
from prosect.vocab.components import Component, Kind, Site
from prosect.vocab.rules import Rules, components

Sink = Callable[[int, DenseTerms, Tensor], None]
Pick = Callable[[Tensor], Tensor]


@dataclass(frozen=True, kw_only=True)
class StreamWeights:
    """Weights of a stream in the dtype of the replay."""

    blocks: tuple[BlockWeights, ...]
    embedding_norm: NormWeights | None
    embedding_projection: Affine | None
    final_norm: NormWeights | None
    final_module: nn.Module | None
    final_projection: Affine | None


def stream_weights(model: nn.Module, stream: Stream, dtype: torch.dtype) -> StreamWeights:
    """Read the weights which a replay needs; blocks that share a module share their weights."""
    shared: dict[int, BlockWeights] = {}
    blocks: list[BlockWeights] = []
    for block in stream.blocks:
        module = submodule(model, block.path)
        if id(module) not in shared:
            shared[id(module)] = BlockWeights(module, block, dtype)
        blocks.append(shared[id(module)])

    def read(norm: Norm | None) -> NormWeights | None:
        return None if norm is None else norm_weights(model, norm, dtype)

    def project(projection: Projection | None) -> Affine | None:
        return None if projection is None else affine(model, projection, dtype)

    final = None if stream.final_norm is None else submodule(model, stream.final_norm.path)
    return StreamWeights(
        blocks=tuple(blocks),
        embedding_norm=read(stream.embedding_norm),
        embedding_projection=project(stream.embedding_projection),
        final_norm=read(stream.final_norm),
        final_module=final,
        final_projection=project(stream.final_projection),
    )


def needs(rules: Rules, stream: Stream) -> Needs:
    """Say what a table of rules needs from capture."""
    uneven = any(not attention.rows_sum_to_one for block in stream.blocks for attention in block.attentions)
    return Needs(contexts=rules.heads, attention=uneven)


def through_norm(
    terms: DenseTerms,
    weights: NormWeights,
    y: Float[Tensor, "*token hidden"],
    bias: Component,
    *,
    own_mean: bool,
) -> None:
    """Send terms through a norm whose true input was ``y``.

    Parameters
    ----------
    terms
        Terms that sum to ``y``; changed in place.
    weights
        The norm; statistics are taken of ``y`` in float32 where the family does so.
    y
        True input of the norm.
    bias
        The label that takes the norm's bias and, unless ``own_mean``, minus the mean.
    own_mean
        Centre every term by its own mean.
    """
    statistic = y.float() if weights.shape.float32 else y
    if weights.shape.kind == "layer_norm":
        mean = statistic.mean(dim=-1, keepdim=True)
        statistic = statistic - mean
        if own_mean:
            terms.centre()
        else:
            terms.add(bias, -mean.to(y.dtype))
    variance = statistic.square().mean(dim=-1, keepdim=True)
    terms.scale(torch.rsqrt(variance + weights.shape.eps).to(y.dtype) * weights.gain)
    if weights.bias is not None:
        terms.add(bias, weights.bias)


class Replay:
    """One replay of one stream, fed by a forward pass.

    Parameters
    ----------
    stream, rules, weights
        What is replayed, and how.
    layers
        Layers (0 to L) whose terms are handed to ``sink(layer, terms, state)``; ``state`` is the true
        hidden state of the readout.
    pick
        Takes the wanted tokens out of a captured tensor (batch, position, width), in the dtype of the replay.
    gauge
        Measures closure after every step.
    """

    def __init__(  # noqa: PLR0913 - the six are all that a replay is made of
        self,
        *,
        stream: Stream,
        rules: Rules,
        weights: StreamWeights,
        layers: Collection[int],
        pick: Pick,
        gauge: ClosureGauge,
        sink: Sink,
    ) -> None:
        self._stream, self._rules, self._weights = stream, rules, weights
        self._layers, self._pick, self._gauge, self._sink = frozenset(layers), pick, gauge, sink
        self._labels = components(stream, rules)
        self._terms: DenseTerms | None = None
        self._state: Tensor | None = None

    def embedded(self, raw: Tensor | None, state: Tensor) -> None:
        """Start from the embeddings."""
        norm, inside = self._weights.embedding_norm, self._rules.embedding_norm == "inside"
        hidden = self._pick(state)
        start = self._pick(raw) if norm is not None and inside and raw is not None else hidden
        terms = DenseTerms.zeros(self._labels, start)
        terms.add(self._rules.book(Site("input")), start)
        if norm is not None and inside:
            site = Site("bias", part="norm")
            self._norm(terms, norm, start, site)
            terms = self._through(terms, self._weights.embedding_projection, site)
        self._terms = terms
        self._gauge.check("the embeddings", terms, hidden)
        self._emit(0, terms, hidden)

    def block(self, capture: BlockCapture) -> None:
        """Send the terms through one finished block."""
        terms, number = self._standing(), capture.number
        block = self._stream.blocks[number - 1]
        for place, stage in enumerate(block.stages):
            self._stage(terms, stage, capture)
            state = self._state_after(block, place, capture)
            if state is not None:
                names = " and ".join(branch.sublayer.kind for branch in stage.branches)
                self._gauge.check(f"block {number} ({block.path}), after {names}", terms, state)
        self._state = self._pick(capture.outputs[""])
        self._emit(number, terms, self._state)

    def finished(self, normed: Tensor | None) -> None:
        """Send the terms through the final norm where there is one."""
        terms, last = self._standing(), self._stream.layers
        if normed is not None and self._rules.readout == "hidden_states":
            state = self._pick(normed)
            self._final(terms, self._last_state())
            self._gauge.check("the final norm", terms, state)
            if last in self._layers:
                self._sink(last, terms, state)

    def projected(self, output: Tensor) -> None:
        """Prove closure behind the final projection; nothing is read there."""
        if self._rules.readout == "hidden_states":
            terms = self._through(self._standing(), self._weights.final_projection, Site("bias", part="norm"))
            self._gauge.check("the final projection", terms, self._pick(output))

    def _through(self, terms: DenseTerms, map_: Affine | None, site: Site) -> DenseTerms:
        """Send terms through an affine map; its bias is booked under the bias."""
        if map_ is None:
            return terms
        mapped = terms.mapped(map_.weight)
        if map_.bias is not None:
            mapped.add(self._rules.book(site), map_.bias)
        return mapped

    def _emit(self, layer: int, terms: DenseTerms, state: Tensor) -> None:
        readout, final = self._rules.readout, self._weights.final_module
        if layer not in self._layers:
            return
        if readout == "final_norm" and final is not None:
            read = terms.copy()
            self._final(read, state)
            normed = final.forward(state.to(_dtype(final, state))).to(state.dtype)
            self._gauge.check(f"the final norm read at layer {layer}", read, normed)
            self._sink(layer, read, normed)
        elif readout == "residual" or layer < self._stream.layers or final is None:
            self._sink(layer, terms, state)

    def _final(self, terms: DenseTerms, state: Tensor) -> None:
        if self._weights.final_norm is not None:
            self._norm(terms, self._weights.final_norm, state, Site("bias", part="norm"))

    def _stage(self, terms: DenseTerms, stage: Stage, capture: BlockCapture) -> None:
        weights = self._weights.blocks[capture.number - 1]
        before = stage.branches[0].norm_before
        if stage.residual == "normed" and before is not None:
            y = self._pick(capture.inputs[before.path])
            self._norm(terms, weights.norms[before], y, Site("bias", capture.number, part="norm"))
        for branch in stage.branches:
            addend = self._addend(branch, weights, capture)
            if branch.norm_after is not None:
                site = Site("bias", capture.number, part=branch.sublayer.kind)
                y = self._pick(capture.inputs[branch.norm_after.path])
                self._norm(addend, weights.norms[branch.norm_after], y, site)
            terms.add_terms(addend, branch.scale)
        if stage.norm is not None:
            y = self._pick(capture.inputs[stage.norm.path])
            self._norm(terms, weights.norms[stage.norm], y, Site("bias", capture.number, part="norm"))

    def _addend(self, branch: Branch, weights: BlockWeights, capture: BlockCapture) -> DenseTerms:
        sublayer = branch.sublayer
        if isinstance(sublayer, FeedForward):
            return self._feed_forward(sublayer, weights, capture)
        return self._attention(sublayer, weights, capture)

    def _feed_forward(self, sublayer: FeedForward, weights: BlockWeights, capture: BlockCapture) -> DenseTerms:
        output, bias = self._pick(capture.outputs[sublayer.path]), weights.feed_forward[sublayer].down.bias
        return self._booked(sublayer.kind, capture.number, output, bias)

    def _attention(self, sublayer: Attention, weights: BlockWeights, capture: BlockCapture) -> DenseTerms:
        own, output = weights.attention[sublayer], self._pick(capture.outputs[sublayer.output.path])
        sums = None
        if not sublayer.rows_sum_to_one:
            sums = self._pick(capture.attention[sublayer.path].sum(dim=-1).transpose(1, 2))
        if not self._rules.heads:
            return self._booked(sublayer.kind, capture.number, output, own.bias_output(sums))
        context = self._pick(capture.inputs[sublayer.output.path])
        mixed = context.reshape(*context.shape[:-1], sublayer.heads, sublayer.head_dim)
        heads = torch.einsum("...he,hed->h...d", mixed, own.output_heads)
        if own.value_bias_share is not None:
            share = own.value_bias_share if sums is None else sums.unsqueeze(-1) * own.value_bias_share
            heads = heads - (
                share.movedim(-2, 0) if sums is not None else share.reshape(len(share), *[1] * (heads.dim() - 2), -1)
            )
        sites = [Site(sublayer.kind, capture.number, head) for head in range(sublayer.heads)]
        return self._gather(sites, list(heads), capture.number, own.bias_output(sums).expand_as(output))

    def _booked(self, kind: Kind, number: int, output: Tensor, bias: Tensor | None) -> DenseTerms:
        offset = output.new_zeros(output.shape[-1]) if bias is None else bias
        return self._gather([Site(kind, number)], [output - offset], number, offset.expand_as(output))

    def _gather(self, sites: list[Site], vectors: list[Tensor], number: int, bias: Tensor) -> DenseTerms:
        booked = [self._rules.book(site) for site in [*sites, Site("bias", number, part=sites[0].kind)]]
        labels = tuple(dict.fromkeys(booked))
        addend = DenseTerms.zeros(labels, bias)
        for label, vector in zip(booked, [*vectors, bias], strict=True):
            addend.add(label, vector)
        return addend

    def _norm(self, terms: DenseTerms, norm: NormWeights, y: Tensor, site: Site) -> None:
        bias = self._rules.book(site)
        through_norm(terms, norm, y, bias, own_mean=self._rules.norm_mean == "own")

    def _state_after(self, block: Block, place: int, capture: BlockCapture) -> Tensor | None:
        stage = block.stages[place]
        if stage.norm is not None:
            return self._pick(capture.outputs[stage.norm.path])
        if place == len(block.stages) - 1:
            return self._pick(capture.outputs[""])
        following = block.stages[place + 1].branches[0].norm_before
        return None if following is None else self._pick(capture.inputs[following.path])

    def _standing(self) -> DenseTerms:
        if self._terms is None:
            raise RuntimeError("a block was replayed before the embeddings")
        return self._terms

    def _last_state(self) -> Tensor:
        if self._state is None:
            raise RuntimeError("the final norm was replayed before any block")
        return self._state


def _dtype(module: nn.Module, like: Tensor) -> torch.dtype:
    parameter = next(module.parameters(), None)
    return like.dtype if parameter is None else parameter.dtype
