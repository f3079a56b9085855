"""Sub-layers and norms rebuilt from the pieces their description names, beside what the modules returned."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from prosect.errors import SelfTestError
from prosect.model.capture import BlockCapture
from prosect.model.load import LoadedModel
from prosect.model.weights import AttentionWeights, BlockWeights, NormWeights
from prosect.terms.replay import StreamWeights
from prosect.terms.sublayers import experts, feed_forward, normed
from prosect.vocab.architecture import Attention, FeedForward, Stream, Sublayer

# Largest relative deviation of a rebuilt sub-layer or a padded state that rounding explains. float32 matrix
# products over a few thousand numbers stay below 1e-4; half precision keeps 3 (float16) and 2 (bfloat16) digits.
# States of two forward passes are held to no more than float32, in which many families compute softmax and norms.
SAME_STATE: Final = {torch.float64: 1e-6, torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 1e-1}
REBUILT: Final = {torch.float64: 1e-9, torch.float32: 1e-4, torch.float16: 2e-2, torch.bfloat16: 1e-1}
FLOAT32_NORM: Final = 1e-6


def working_dtype(dtype: torch.dtype) -> torch.dtype:
    """Dtype of a replay: float64 for float64 models, float32 for all others."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def relative_gap(got: Tensor, true: Tensor) -> float:
    """Largest distance over tokens, relative to the largest norm (single tokens may be near 0)."""
    scale = torch.linalg.vector_norm(true.double(), dim=-1).max().clamp(min=1e-30)
    return float(torch.linalg.vector_norm(got.double() - true.double(), dim=-1).max() / scale)


class Rebuild:
    """Listens to a forward pass and rebuilds each part of a block; SelfTestError names one that does not fit."""

    def __init__(self, model: LoadedModel, stream: Stream, weights: StreamWeights, place: str) -> None:
        self._stream, self._weights, self._place = stream, weights, place
        self._dtype, self._limit = working_dtype(model.dtype), REBUILT[model.dtype]

    def embedded(self, raw: Tensor | None, state: Tensor) -> None:
        """Check the width of the stream."""
        del raw
        if state.shape[-1] != self._stream.hidden:
            raise SelfTestError(f"{self._place}: width {state.shape[-1]} where {self._stream.hidden} is described")

    def finished(self, normed: Tensor | None) -> None:
        """Nothing is checked at the end."""
        del normed

    def projected(self, output: Tensor) -> None:
        """Nothing is checked behind the final projection."""
        del output

    def block(self, capture: BlockCapture) -> None:
        """Rebuild every sub-layer and norm of a block."""
        block, weights = self._stream.blocks[capture.number - 1], self._weights.blocks[capture.number - 1]
        for sublayer in block.sublayers:
            self._sublayer(sublayer, weights, capture)
        for norm in block.norms:
            self._norm(weights.norms[norm], capture)

    def _sublayer(self, sublayer: Sublayer, weights: BlockWeights, capture: BlockCapture) -> None:
        try:
            gap = relative_gap(self._rebuilt(sublayer, weights, capture), capture.outputs[sublayer.writes])
        except RuntimeError as error:
            raise SelfTestError(
                f"{self._place}: block {capture.number}: {sublayer.kind} cannot be rebuilt from its description, whose "
                f"shapes do not fit each other: {str(error).splitlines()[0]}"
            ) from error
        if not gap <= self._limit:
            raise SelfTestError(
                f"{self._place}: block {capture.number}: {sublayer.kind} rebuilt from its description misses the "
                f"output of {sublayer.writes!r} by {gap:.1e} of its norm: its projections or activation are described "
                "wrongly"
            )

    def _norm(self, weights: NormWeights, capture: BlockCapture) -> None:
        path = weights.shape.path
        gap = relative_gap(normed(weights, capture.inputs[path].to(self._dtype)), capture.outputs[path])
        if not gap <= (max(self._limit, FLOAT32_NORM) if weights.shape.float32 else self._limit):
            raise SelfTestError(
                f"{self._place}: block {capture.number}: the norm {path!r} rebuilt from its description misses its "
                f"output by {gap:.1e}: its kind, epsilon or offset is described wrongly"
            )

    def _rebuilt(self, sublayer: Sublayer, weights: BlockWeights, capture: BlockCapture) -> Tensor:
        if isinstance(sublayer, Attention):
            return self._attention(weights.attention[sublayer], capture)
        x = capture.inputs[sublayer.reads].to(self._dtype)
        if isinstance(sublayer, FeedForward):
            return feed_forward(weights.feed_forward[sublayer], x)
        return experts(weights.experts[sublayer], x, capture.routing[sublayer.router].to(self._dtype))

    def _attention(self, weights: AttentionWeights, capture: BlockCapture) -> Tensor:
        shape = weights.shape
        alpha = capture.attention[shape.path].to(self._dtype)
        widths = (alpha.shape[1], weights.output.weight.shape[0], weights.value.weight.shape[1])
        if widths != (shape.heads, shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim):
            raise SelfTestError(
                f"{self._place}: block {capture.number}: {shape.kind} has {widths[0]} heads, W_O {widths[1]} rows and "
                f"W_V {widths[2]} columns, where {shape.heads} heads of width {shape.head_dim} over "
                f"{shape.kv_heads} key-value heads are described"
            )
        source = capture.inputs[shape.value.path].to(self._dtype) @ weights.value.weight
        if source.shape[1] != alpha.shape[-1]:
            raise SelfTestError(
                f"{self._place}: block {capture.number}: {shape.kind} has weights for {alpha.shape[-1]} source tokens, "
                f"but {shape.value.path!r} reads {source.shape[1]}: it is not the projection of the values"
            )
        values = source.reshape(*source.shape[:-1], shape.kv_heads, shape.head_dim)
        values = values.repeat_interleave(shape.heads // shape.kv_heads, dim=-2)
        mixed = torch.einsum("bhij,bjhe->bihe", alpha, values)
        sums = alpha.sum(dim=-1).transpose(1, 2)
        return torch.einsum("bihe,hed->bid", mixed, weights.output_heads) + weights.bias_output(sums)
