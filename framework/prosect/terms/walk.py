"""The way of terms through one block, stage by stage."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from prosect.errors import RunError
from prosect.model.capture import BlockCapture
from prosect.model.weights import BlockWeights
from prosect.terms.addends import Addends, Seen
from prosect.terms.closure import ClosureGauge
from prosect.terms.norms import through_norm
from prosect.terms.onward import BlockOnward, Onward
from prosect.terms.start import Carried
from prosect.vocab.architecture import Attention, Block, Branch, Norm, Stage
from prosect.vocab.components import Site
from prosect.vocab.rules import Rules
from prosect.vocab.scopes import SHORT, stage_scopes

ScopeSink = Callable[[int, str, Carried, Tensor, Onward | None], None]


@dataclass(frozen=True, kw_only=True)
class Path:
    """What stays the same from block to block.

    Attributes
    ----------
    addends
        Makes the terms of a sub-layer's output; it knows the rules and the start.
    gauge
        Checks every point whose true state is known.
    pick
        Takes the wanted tokens out of a captured tensor.
    scope_sink
        Takes ``(block, scope, terms, state, onward)`` at every scope; ``onward`` runs the block on from an attention.
    """

    addends: Addends
    gauge: ClosureGauge
    pick: Callable[[Tensor], Tensor]
    scope_sink: ScopeSink | None = None

    @property
    def rules(self) -> Rules:
        """The table of rules."""
        return self.addends.rules


class Walk:
    """The way through one block; every point is checked, and handed on where it is a scope.

    Parameters
    ----------
    path
        What stays the same from block to block.
    block, weights
        The block.
    capture
        What was seen of it.
    scoped
        Its scopes are wanted.
    """

    def __init__(self, path: Path, block: Block, weights: BlockWeights, capture: BlockCapture, *, scoped: bool) -> None:
        self._path, self._block, self._weights = path, block, weights
        self._seen = Seen(capture, path.pick)
        self._sink = path.scope_sink if scoped else None
        self._name = ""
        self._joined: tuple[Carried, Tensor] | None = None

    def through(self, terms: Carried) -> Carried:
        """Send terms through all stages of the block."""
        for place, stage in enumerate(self._block.stages):
            terms = self._stage(terms, place, stage)
        return terms

    def restarted(self) -> Carried:
        """Start anew from the true stream, and go as far as a scope is wanted.

        Across streams the way starts at cross-attention.
        """
        first, last = self._range()
        terms = self._path.addends.start.terms(self._entering(first))
        for place in range(first, last + 1):
            terms = self._stage(terms, place, self._block.stages[place])
        return terms

    def _range(self) -> tuple[int, int]:
        """First and last stage of a restarted replay."""
        stages, rules = self._block.stages, self._path.rules
        first, last = 0, len(stages) - 1
        if rules.crossing:
            kinds = [{branch.sublayer.kind for branch in stage.branches} for stage in stages]
            first = next(place for place, found in enumerate(kinds) if "cross_attention" in found)
        if self._sink is not None and rules.scopes not in (None, ("all",)):
            wanted = set(rules.scopes or ())
            last = max(
                (place for place, names in enumerate(stage_scopes(self._block)) if wanted & set(names)), default=first
            )
        return first, max(first, last)

    def _entering(self, place: int) -> Tensor:
        """Return the true stream that a stage reads."""
        state = self._seen.input("") if place == 0 else self._before(place)
        if state is None:
            raise RunError(f"block {self._seen.number}: no module shows the stream before stage {place + 1}")
        return state

    def _stage(self, terms: Carried, place: int, stage: Stage) -> Carried:
        """Send terms through one stage."""
        fresh = place == 0 and self._path.rules.span == "block"
        before = stage.branches[0].norm_before
        if stage.residual == "normed" and before is not None:
            terms = self._normed(terms, before, fresh=fresh)
            self._reach("_norm", terms, self._seen.output(before.path))
        passed, self._name, self._joined = self._name, "", None
        addends = []
        for branch in stage.branches:
            read = terms if stage.residual == "normed" else self._read(terms, branch, passed, fresh=fresh)
            addends.append(self._branch(branch, read, place, fresh=fresh))
        self._joined = None
        for branch, addend in zip(stage.branches, addends, strict=True):
            terms.add_terms(addend, branch.scale)
        self._reach("_res", terms, self._after_addition(place, stage))
        if stage.norm is not None:
            self._norm(terms, stage.norm, "norm")
            self._reach("_norm", terms, self._seen.output(stage.norm.path))
        return terms

    def _branch(self, branch: Branch, read: Carried | None, place: int, *, fresh: bool) -> Carried:
        """Make what a branch adds; where branches are parallel, scopes join it with what the ones before it add."""
        addends, sublayer = self._path.addends, branch.sublayer
        reads = addends.reads(sublayer)
        addend = addends.make(sublayer, read if reads else None, self._weights, self._seen, fresh=fresh)
        output = self._seen.output(sublayer.writes) if self._sink is not None or reads else None
        self._reach(f"_{SHORT[sublayer.kind]}", addend, output, branch, place)
        if branch.norm_after is not None:
            self._norm(addend, branch.norm_after, sublayer.kind)
            output = self._seen.output(branch.norm_after.path)
            self._reach("_norm", addend, output, branch)
        if self._sink is not None and len(self._block.stages[place].branches) > 1:
            self._joined = self._together(addend, addend.sum() if output is None else output, branch)
        return addend

    def _read(self, terms: Carried, branch: Branch, passed: str, *, fresh: bool) -> Carried | None:
        """Return what a branch reads: the stream, or a normed copy; None where its rule does not look at it."""
        norm, reads = branch.norm_before, self._path.addends.reads(branch.sublayer)
        if norm is None or not (reads or (self._sink is not None and passed)):
            return terms if reads else None
        if fresh:
            return self._path.addends.start.terms(self._seen.output(norm.path))
        read = self._normed(terms.copy(), norm, fresh=False)
        kept, self._name = self._name, passed
        self._reach("_norm", read, self._seen.output(norm.path))
        self._name = kept
        return read if reads else None

    def _normed(self, terms: Carried, norm: Norm, *, fresh: bool) -> Carried:
        """Send terms through a norm before a branch; at a fresh start its output depends on its own token alone."""
        if fresh:
            return self._path.addends.start.terms(self._seen.output(norm.path))
        self._norm(terms, norm, "norm")
        return terms

    def _norm(self, terms: Carried, norm: Norm, part: str) -> None:
        rules, y = self._path.rules, self._seen.input(norm.path)
        bias = rules.book(Site("bias", self._seen.number, part=part))
        through_norm(terms, self._weights.norms[norm], y, bias, own_mean=rules.norm_mean == "own")

    def _reach(
        self, passed: str, terms: Carried, state: Tensor | None, branch: Branch | None = None, place: int | None = None
    ) -> None:
        """Check the terms where the true state is known, and read them where they are a scope."""
        self._name = f"{self._name}{passed}".lstrip("_")
        number = self._seen.number
        if state is not None:
            self._path.gauge.check(f"block {number} ({self._block.path}), at {self._name}", terms, state)
        if self._sink is None:
            return
        state = terms.sum() if state is None else state
        if self._joined is not None and branch is not None:
            terms, state = self._together(terms, state, branch)
        self._sink(number, self._name, terms, state, self._onward(branch, place))

    def _together(self, terms: Carried, state: Tensor, branch: Branch) -> tuple[Carried, Tensor]:
        """Add what a branch adds to what the parallel ones before it do."""
        if self._joined is None:
            first = terms.copy()
            first.normalise(state.new_full((*state.shape[:-1], 1), branch.scale), state.new_ones(()))
            return first, state * branch.scale
        both = self._joined[0].copy()
        both.add_terms(terms, branch.scale)
        return both, self._joined[1] + state * branch.scale

    def _onward(self, branch: Branch | None, place: int | None) -> Onward | None:
        if branch is None or place is None or not isinstance(branch.sublayer, Attention):
            return None
        return BlockOnward(self._block, self._weights, self._seen, place, branch, self._entering(place))

    def _after_addition(self, place: int, stage: Stage) -> Tensor | None:
        """Return the true stream after a stage's addition, where some module shows it."""
        if stage.norm is not None:
            return self._seen.input(stage.norm.path) if self._sink is not None else None
        if place == len(self._block.stages) - 1:
            return self._seen.output("")
        return self._before(place + 1)

    def _before(self, place: int) -> Tensor | None:
        """Return the true stream that a later stage reads, where some module shows it."""
        norm, following = self._block.stages[place - 1].norm, self._block.stages[place].branches[0].norm_before
        if norm is not None:
            return self._seen.output(norm.path)
        return None if following is None else self._seen.input(following.path)
