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

from prosect.errors import RunError
from prosect.model.capture import BlockCapture, Needs
from prosect.model.weights import Affine, BlockWeights, NormWeights, affine, norm_weights, submodule
from prosect.terms.addends import Addends, Seen
from prosect.terms.closure import ClosureGauge
from prosect.terms.norms import through_norm
from prosect.terms.start import Carried, InputStart, Start
from prosect.vocab.architecture import Attention, Block, Branch, Norm, Projection, Stage, Stream, Sublayer
from prosect.vocab.components import Site
from prosect.vocab.rules import Rules
from prosect.vocab.scopes import SHORT

Sink = Callable[[int, Carried, Tensor], None]
ScopeSink = Callable[[int, str, Carried, Tensor], None]
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
        Takes ``(block, scope, terms, state)`` at every scope of the blocks among ``layers``.
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
        self._sink, self.scope_sink = sink, scope_sink
        self.start = start or InputStart(stream, rules)
        self.addends = Addends(rules, self.start)
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
        walk, first = _Walk(self, block, capture), _first_stage(block, self.rules)
        if self.rules.span == "block":
            self._terms = self.start.terms(walk.entering(first))
        terms = self._standing()
        for place, stage in enumerate(block.stages[first:], first):
            terms = walk.stage(terms, place, stage)
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


class _Walk:
    """The way through one block, stage by stage; every point is checked, and handed on where it is a scope."""

    def __init__(self, replay: Replay, block: Block, capture: BlockCapture) -> None:
        self._replay, self._block, self._seen = replay, block, Seen(capture, replay.pick)
        self._weights = replay.weights.blocks[capture.number - 1]
        self._scoped = replay.scope_sink is not None and capture.number in replay.layers
        self._name = ""

    def entering(self, place: int) -> Tensor:
        """Return the true stream that a stage reads."""
        state = self._seen.input("") if place == 0 else self._before(place)
        if state is None:
            raise RunError(f"block {self._seen.number}: no module shows the stream before stage {place + 1}")
        return state

    def stage(self, terms: Carried, place: int, stage: Stage) -> Carried:
        """Send terms through one stage."""
        before = stage.branches[0].norm_before
        if stage.residual == "normed" and before is not None:
            self._norm(terms, before, "norm")
            self._reach("_norm", terms, self._seen.output(before.path))
        fresh = place == 0 and self._replay.rules.span == "block"
        passed, self._name = self._name, ""
        addends = []
        for branch in stage.branches:
            read = terms if stage.residual == "normed" else self._read(terms, branch, passed, fresh=fresh)
            addends.append(self._branch(branch, read, fresh=fresh))
        for branch, addend in zip(stage.branches, addends, strict=True):
            terms.add_terms(addend, branch.scale)
        self._reach("_res", terms, self._after_addition(place, stage))
        if stage.norm is not None:
            self._norm(terms, stage.norm, "norm")
            self._reach("_norm", terms, self._seen.output(stage.norm.path))
        return terms

    def _branch(self, branch: Branch, read: Carried | None, *, fresh: bool) -> Carried:
        read = read if self._replay.addends.reads(branch.sublayer) else None
        addend = self._replay.addends.make(branch.sublayer, read, self._weights, self._seen, fresh=fresh)
        looked_at = self._scoped or self._replay.addends.reads(branch.sublayer)
        output = self._seen.output(_last_module(branch.sublayer)) if looked_at else None
        self._reach(f"_{SHORT[branch.sublayer.kind]}", addend, output)
        if branch.norm_after is not None:
            self._norm(addend, branch.norm_after, branch.sublayer.kind)
            self._reach("_norm", addend, self._seen.output(branch.norm_after.path))
        return addend

    def _read(self, terms: Carried, branch: Branch, passed: str, *, fresh: bool) -> Carried | None:
        """Return what a branch reads: the stream, or a normed copy; None where its rule does not look at it."""
        replay, norm = self._replay, branch.norm_before
        reads = replay.addends.reads(branch.sublayer)
        if norm is None or not (reads or (self._scoped and passed)):
            return terms if reads else None
        if fresh:
            return replay.start.terms(self._seen.output(norm.path))
        read = terms.copy()
        self._norm(read, norm, "norm")
        kept, self._name = self._name, passed
        self._reach("_norm", read, self._seen.output(norm.path))
        self._name = kept
        return read if reads else None

    def _norm(self, terms: Carried, norm: Norm, part: str) -> None:
        y, site = self._seen.input(norm.path), Site("bias", self._seen.number, part=part)
        self._replay.norm(terms, self._weights.norms[norm], y, site)

    def _reach(self, passed: str, terms: Carried, state: Tensor | None) -> None:
        """Check the terms where the true state is known, and read them where they are a scope."""
        self._name = f"{self._name}{passed}".lstrip("_")
        number = self._seen.number
        if state is not None:
            self._replay.gauge.check(f"block {number} ({self._block.path}), at {self._name}", terms, state)
        if self._scoped and self._replay.scope_sink is not None:
            self._replay.scope_sink(number, self._name, terms, terms.sum() if state is None else state)

    def _after_addition(self, place: int, stage: Stage) -> Tensor | None:
        """Return the true stream after a stage's addition, where some module shows it."""
        if stage.norm is not None:
            return self._seen.input(stage.norm.path) if self._scoped else None
        if place == len(self._block.stages) - 1:
            return self._seen.output("")
        return self._before(place + 1)

    def _before(self, place: int) -> Tensor | None:
        """Return the true stream that a later stage reads, where some module shows it."""
        norm, following = self._block.stages[place - 1].norm, self._block.stages[place].branches[0].norm_before
        if norm is not None:
            return self._seen.output(norm.path)
        return None if following is None else self._seen.input(following.path)


def _first_stage(block: Block, rules: Rules) -> int:
    """Place of the stage where a block's replay starts: across streams, that of cross-attention."""
    if not (rules.crossing and rules.span == "block"):
        return 0
    kinds = [{branch.sublayer.kind for branch in stage.branches} for stage in block.stages]
    return next(place for place, found in enumerate(kinds) if "cross_attention" in found)


def _last_module(sublayer: Sublayer) -> str:
    return sublayer.output.path if isinstance(sublayer, Attention) else sublayer.path


def _dtype(module: nn.Module, like: Tensor) -> torch.dtype:
    parameter = next(module.parameters(), None)
    return like.dtype if parameter is None else parameter.dtype
