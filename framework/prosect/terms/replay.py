"""The linear replay: sends terms through the steps of a network whose data-dependent scalars are frozen.

A decomposition is a table of `Rules`; this engine is the only place where they are carried out. It
listens to the forward pass (`prosect.model.capture`) and consumes each block as it finishes. The same
walk drives every kind of terms: dense ones, and factored ones (`prosect.terms.factored`).
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from prosect.model.capture import BlockCapture, Needs
from prosect.model.weights import Affine, BlockWeights, NormWeights, affine, norm_weights, submodule
from prosect.terms.addends import Addends
from prosect.terms.closure import ClosureGauge
from prosect.terms.norms import through_norm
from prosect.terms.start import Carried, InputStart, Start
from prosect.terms.walk import Path, ScopeSink, Walk
from prosect.vocab.architecture import Norm, Projection, Stream
from prosect.vocab.components import Site
from prosect.vocab.rules import Rules

Sink = Callable[[int, Carried, Tensor], None]
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

    return StreamWeights(
        blocks=tuple(blocks),
        embedding_norm=read(stream.embedding_norm),
        embedding_projection=project(stream.embedding_projection),
        final_norm=read(stream.final_norm),
        final_module=None if stream.final_norm is None else submodule(model, stream.final_norm.path),
        final_projection=project(stream.final_projection),
    )


def needs(rules: Rules, stream: Stream) -> Needs:
    """Say what a table of rules needs from capture."""
    uneven = any(not attention.rows_sum_to_one for block in stream.blocks for attention in block.attentions)
    propagated = "propagate" in (rules.attention, rules.cross_attention)
    linear, mixed = rules.feed_forward != "source", propagated or rules.per_source is not None
    return Needs(contexts=rules.heads, attention=uneven or mixed, sublayers=linear or mixed)


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
    start
        Makes the terms that the replay starts from.
    scope_sink
        Takes ``(block, scope, terms, state, onward)`` at every scope of the blocks among ``layers``.
    """

    def __init__(  # noqa: PLR0913 - these are all that a replay is made of
        self,
        *,
        stream: Stream,
        rules: Rules,
        weights: StreamWeights,
        layers: Collection[int],
        pick: Pick,
        gauge: ClosureGauge,
        sink: Sink | None = None,
        start: Start | None = None,
        scope_sink: ScopeSink | None = None,
    ) -> None:
        self._stream, self.rules, self.weights = stream, rules, weights
        self.layers, self.pick, self.gauge = frozenset(layers), pick, gauge
        self._sink = sink
        self.start = start or InputStart(stream, rules)
        self._path = Path(addends=Addends(rules, self.start), gauge=gauge, pick=pick, scope_sink=scope_sink)
        self._terms: Carried | None = None
        self._state: Tensor | None = None

    def embedded(self, raw: Tensor | None, state: Tensor) -> None:
        """Start from the embeddings."""
        norm, inside = self.weights.embedding_norm, self.rules.embedding_norm == "inside"
        hidden, before = self.pick(state), norm is not None and inside and raw is not None
        start = self.pick(raw) if before and raw is not None else hidden
        terms = self.start.terms(start)
        if norm is not None and before:
            site = Site("bias", part="norm")
            self.norm(terms, norm, start, site)
            terms = self._through(terms, self.weights.embedding_projection, site)
        self._terms = terms
        self.gauge.check("the embeddings", terms, hidden)
        self._emit(0, terms, hidden)

    def block(self, capture: BlockCapture) -> None:
        """Send the terms through one finished block."""
        number, block = capture.number, self._stream.blocks[capture.number - 1]
        weights, scoped = self.weights.blocks[number - 1], number in self.layers
        walk = Walk(self._path, block, weights, capture, scoped=scoped)
        terms = walk.restarted() if self.rules.span == "block" else walk.through(self._standing())
        self._terms, self._state = terms, self.pick(capture.outputs[""])
        self._emit(number, terms, self._state)

    def finished(self, normed: Tensor | None) -> None:
        """Send the terms through the final norm where there is one."""
        if normed is None or self.rules.readout != "hidden_states" or self.rules.span == "block":
            return
        terms, last, state = self._standing(), self._stream.layers, self.pick(normed)
        self._final(terms, self._last_state())
        self.gauge.check("the final norm", terms, state)
        if last in self.layers and self._sink is not None:
            self._sink(last, terms, state)

    def projected(self, output: Tensor) -> None:
        """Prove closure behind the final projection; nothing is read there."""
        if self.rules.readout == "hidden_states" and self.rules.span == "stack":
            terms = self._through(self._standing(), self.weights.final_projection, Site("bias", part="norm"))
            self.gauge.check("the final projection", terms, self.pick(output))

    def _through(self, terms: Carried, map_: Affine | None, site: Site) -> Carried:
        """Send terms through an affine map; its bias is booked under the bias."""
        if map_ is None:
            return terms
        mapped = terms.mapped(map_.weight)
        if map_.bias is not None:
            mapped.add(self.rules.book(site), map_.bias)
        return mapped

    def _emit(self, layer: int, terms: Carried, state: Tensor) -> None:
        readout, final = self.rules.readout, self.weights.final_module
        if layer not in self.layers or self._sink is None:
            return
        if readout == "final_norm" and final is not None:
            read = terms.copy()
            self._final(read, state)
            normed = final.forward(state.to(_dtype(final, state))).to(state.dtype)
            self.gauge.check(f"the final norm read at layer {layer}", read, normed)
            self._sink(layer, read, normed)
        elif readout == "residual" or layer < self._stream.layers or final is None or self.rules.span == "block":
            self._sink(layer, terms, state)

    def _final(self, terms: Carried, state: Tensor) -> None:
        if self.weights.final_norm is not None:
            self.norm(terms, self.weights.final_norm, state, Site("bias", part="norm"))

    def norm(self, terms: Carried, norm: NormWeights, y: Tensor, site: Site) -> None:
        """Send terms through a norm whose true input was ``y``, in place."""
        through_norm(terms, norm, y, self.rules.book(site), own_mean=self.rules.norm_mean == "own")

    def _standing(self) -> Carried:
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
