"""`Onward`: a block run on from its attention, with another output of that attention in place of the true one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from prosect.errors import UsageError
from prosect.model.capture import result_tensor
from prosect.model.weights import BlockWeights, ExpertsWeights
from prosect.terms.addends import Seen
from prosect.terms.sublayers import feed_forward, normed
from prosect.vocab.architecture import Attention, Block, Branch, Experts, Norm, Stage


@runtime_checkable
class Onward(Protocol):
    """The rest of a block behind one of its attentions, as the non-linear function that it is."""

    @property
    def output(self) -> Float[Tensor, "batch token hidden"]:
        """The block's true output, without a final norm."""
        ...

    @property
    def width(self) -> int:
        """Numbers that a rerun holds for each vector, at most."""
        ...

    def __call__(
        self, change: Float[Tensor, "batch source query hidden"], queries: slice
    ) -> Float[Tensor, "batch source query hidden"]:
        """Return the block's output where its attention gave ``change`` more than it did."""
        ...


@dataclass(frozen=True)
class BlockOnward:
    """`Onward` of a described block, put together from its parts.

    Attributes
    ----------
    block, weights, seen
        The block, and what was captured of it.
    place
        Its stage with that attention.
    branch
        The attention's branch.
    entering
        The true stream that the stage reads.
    """

    block: Block
    weights: BlockWeights
    seen: Seen
    place: int
    branch: Branch
    entering: Float[Tensor, "batch token hidden"]

    @property
    def output(self) -> Float[Tensor, "batch token hidden"]:
        """The block's true output, without a final norm."""
        return self.seen.output("")

    @property
    def width(self) -> int:
        """Numbers that a rerun holds for each vector, at most."""
        inner = [
            weights.up.weight.shape[1] * (2 if weights.gate else 1) for weights in self.weights.feed_forward.values()
        ]
        return 4 * self.entering.shape[-1] + 2 * max(inner, default=0)

    def __call__(
        self, change: Float[Tensor, "batch source query hidden"], queries: slice
    ) -> Float[Tensor, "batch source query hidden"]:
        """Return the block's output where its attention gave ``change`` more than it did.

        Raises
        ------
        UsageError
            Another attention stands behind this one: its weights would change, too.
        """
        stage = self.block.stages[self.place]
        state = self._residual(stage, self.entering)[:, None, queries]
        for branch in stage.branches:
            output = self.seen.output(branch.sublayer.writes)[:, None, queries]
            output = output + change if branch is self.branch else output
            state = state + branch.scale * self._normed(branch.norm_after, output)
        state = self._normed(stage.norm, state)
        for following in self.block.stages[self.place + 1 :]:
            state = self._through(following, state)
        return state

    def _through(self, stage: Stage, state: Tensor) -> Tensor:
        out = self._residual(stage, state)
        for branch in stage.branches:
            read = out if stage.residual == "normed" else self._normed(branch.norm_before, state)
            out = out + branch.scale * self._normed(branch.norm_after, self._sublayer(branch, read))
        return self._normed(stage.norm, out)

    def _residual(self, stage: Stage, state: Tensor) -> Tensor:
        return self._normed(stage.branches[0].norm_before, state) if stage.residual == "normed" else state

    def _sublayer(self, branch: Branch, x: Tensor) -> Tensor:
        sublayer = branch.sublayer
        if isinstance(sublayer, Attention):
            raise UsageError(
                f"block {self.seen.number} has another attention behind this one, whose weights would change, too: it "
                "cannot be run again from its parts (in an encoder-decoder see the nodes 'encoder' and 'cross')"
            )
        if isinstance(sublayer, Experts):
            return _routed(self.weights.experts[sublayer], x)
        return feed_forward(self.weights.feed_forward[sublayer], x)

    def _normed(self, norm: Norm | None, x: Tensor) -> Tensor:
        return x if norm is None else normed(self.weights.norms[norm], x)


def _routed(weights: ExpertsWeights, x: Tensor) -> Tensor:
    """Send vectors through a mixture of experts as the model itself does, routed anew."""
    parameter = next(weights.whole.parameters())
    flat = x.reshape(1, -1, x.shape[-1]).to(parameter.dtype)
    return result_tensor(weights.whole(flat)).to(x.dtype).reshape(x.shape)
