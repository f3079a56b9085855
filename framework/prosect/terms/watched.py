"""What the sub-layers of a block read and wrote, for measures that look at them instead of at terms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from prosect.model.capture import BlockCapture
from prosect.vocab.architecture import Block
from prosect.vocab.components import Kind


@dataclass(frozen=True)
class SublayerView:
    """Inputs and outputs of the sub-layers of one block.

    Attributes
    ----------
    block
        Description of the block.
    capture
        What was captured of it.
    pick
        Takes the tokens of a reading out of a captured tensor.
    """

    block: Block
    capture: BlockCapture
    pick: Callable[[Tensor], Tensor]

    def states(self) -> tuple[Tensor, Tensor]:
        """Hidden state before and behind the block (before a final norm), shapes (*token, hidden)."""
        return self.pick(self.capture.inputs[""]), self.pick(self.capture.outputs[""])

    def pair(self, kind: Kind) -> tuple[Tensor, Tensor] | None:
        """Input and output (biases included, before any norm behind it) of the first sub-layer of a kind.

        Returns
        -------
        tuple of Tensor or None
            Shapes (*token, width); the input is what its first maps read, so it is normed where a norm stands before
            the sub-layer. None where the block has no such sub-layer.
        """
        found = next((sublayer for sublayer in self.block.sublayers if sublayer.kind == kind), None)
        if found is None:
            return None
        return self.pick(self.capture.inputs[found.reads]), self.pick(self.capture.outputs[found.writes])
