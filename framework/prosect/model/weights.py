"""Weights as a description names them: affine maps y = x W + b whatever way a module stores them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Float
from torch import Tensor, nn

from prosect.errors import SelfTestError
from prosect.vocab.architecture import Attention, Block, Experts, FeedForward, Norm, Projection


@dataclass(frozen=True)
class Affine:
    """y = x W + b.

    Attributes
    ----------
    weight
        W, shape (in, out).
    bias
        b, shape (out,), or None.
    """

    weight: Float[Tensor, "in out"]
    bias: Float[Tensor, " out"] | None

    def __call__(self, x: Float[Tensor, "*token in"]) -> Float[Tensor, "*token out"]:
        """Apply the map."""
        y = x @ self.weight
        return y if self.bias is None else y + self.bias

    def columns(self, columns: slice | Tensor) -> Affine:
        """Cut out some of the output features."""
        return Affine(self.weight[:, columns], None if self.bias is None else self.bias[columns])


def submodule(root: nn.Module, path: str) -> nn.Module:
    """Return the module at a dotted path; SelfTestError names the path where there is none."""
    try:
        return root.get_submodule(path)
    except AttributeError as error:
        message = f"the description names the module {path!r}, which {type(root).__name__} does not have: {error}"
        raise SelfTestError(message) from None


def affine(root: nn.Module, projection: Projection, dtype: torch.dtype) -> Affine:
    """Read a projection's weights in one orientation and dtype, cut out of a packed module where it is one."""
    module = submodule(root, projection.path)
    weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
    if not isinstance(weight, Tensor):
        raise SelfTestError(f"{projection.path!r} has no weight tensor")
    oriented = weight.detach() if projection.layout == "conv1d" else weight.detach().T
    whole = Affine(oriented, bias.detach() if isinstance(bias, Tensor) else None)
    own = whole.columns(_columns(projection, oriented.shape[1], oriented.device))
    return Affine(own.weight.to(dtype), None if own.bias is None else own.bias.to(dtype))


def _columns(projection: Projection, width: int, device: torch.device) -> Tensor | slice:
    if projection.rows is not None:
        return slice(*projection.rows)
    if projection.interleave is not None:
        group, start, stop = projection.interleave
        return torch.arange(width, device=device).reshape(-1, group)[:, start:stop].reshape(-1)
    return slice(None)


@dataclass(frozen=True)
class AttentionWeights:
    """Value and output projections of an attention sub-layer, heads told apart.

    Attributes
    ----------
    shape
        The description.
    value, output
        W_V (in, kv_heads * head_dim) and W_O (heads * head_dim, hidden) with their biases.
    """

    shape: Attention
    value: Affine
    output: Affine

    @cached_property
    def output_heads(self) -> Float[Tensor, "head head_dim hidden"]:
        """W_O cut into the rows that belong to each head."""
        return self.output.weight.reshape(self.shape.heads, self.shape.head_dim, -1)

    @cached_property
    def value_bias_heads(self) -> Float[Tensor, "head head_dim"] | None:
        """b_V of each query head (shared within a group of grouped-query attention), or None."""
        if self.value.bias is None:
            return None
        heads = self.value.bias.reshape(self.shape.kv_heads, self.shape.head_dim)
        return heads.repeat_interleave(self.shape.heads // self.shape.kv_heads, dim=0)

    @cached_property
    def value_bias_share(self) -> Float[Tensor, "head hidden"] | None:
        """b_V W_O of each head: what the value bias adds to the output where a row of weights sums to 1."""
        if self.value_bias_heads is None:
            return None
        return torch.einsum("he,hed->hd", self.value_bias_heads, self.output_heads)

    def bias_output(
        self, row_sums: Float[Tensor, "*token head"] | None
    ) -> Float[Tensor, "*token hidden"] | Float[Tensor, " hidden"]:
        """Everything the biases add to the output: sum_h rowsum_h b_V W_O + b_O, with row sums of 1 where None."""
        parts: list[Tensor] = [] if self.output.bias is None else [self.output.bias]
        if self.value_bias_share is not None:
            share = self.value_bias_share
            parts.append(share.sum(dim=0) if row_sums is None else row_sums @ share)
        zero = self.output.weight.new_zeros(self.output.weight.shape[1])
        return sum(parts, zero)


@dataclass(frozen=True)
class FeedForwardWeights:
    """First, second and, in gated forms, gate map of a feed-forward sub-layer, or of experts side by side."""

    shape: FeedForward | Experts
    up: Affine
    down: Affine
    gate: Affine | None

    def factors(
        self, x: Float[Tensor, "*token hidden"]
    ) -> tuple[Float[Tensor, "*token inner"], Float[Tensor, "*token inner"]]:
        """Apply the gate's map and the first map of a gated form."""
        if self.gate is None:
            raise RuntimeError(f"{self.shape.path!r} has no gate")
        return self.gate(x), self.up(x)


@dataclass(frozen=True)
class ExpertsWeights:
    """The experts of a sub-layer; they are read when they are asked for, since all of them may not fit twice.

    Attributes
    ----------
    shape
        The description.
    module
        The module that holds the stacks.
    whole
        The sub-layer's module, router included.
    dtype
        Dtype of the replay.
    """

    shape: Experts
    module: nn.Module
    whole: nn.Module
    dtype: torch.dtype

    def joined(self, numbers: Sequence[int]) -> FeedForwardWeights:
        """Put some experts side by side: one block with the inner features of all, without the outputs' biases."""
        both = [self._affine("gate_up_proj", number) for number in numbers]
        half = both[0].weight.shape[1] // 2
        gate, up = (slice(half), slice(half, None))
        if self.shape.interleaved:
            gate, up = slice(0, None, 2), slice(1, None, 2)
        down = torch.cat([self._affine("down_proj", number).weight for number in numbers])
        return FeedForwardWeights(
            shape=self.shape,
            up=_side_by_side([map_.columns(up) for map_ in both]),
            down=Affine(down, None),
            gate=_side_by_side([map_.columns(gate) for map_ in both]),
        )

    def limited(
        self, gate: Float[Tensor, "*token inner"], up: Float[Tensor, "*token inner"]
    ) -> tuple[Float[Tensor, "*token inner"], Float[Tensor, "*token inner"]]:
        """Return what the activation reads, and what its result is multiplied by: limits and offset applied."""
        limit = self.shape.limit
        if limit is not None:
            gate, up = gate.clamp(max=limit), up.clamp(min=-limit, max=limit)
        return gate, up + self.shape.up_offset

    def output_bias(self, routing: Float[Tensor, "*token expert"]) -> Float[Tensor, "*token hidden"] | None:
        """sum_e w_e b2_e: what the biases of the second maps add to the output; None where there are none."""
        bias = getattr(self.module, "down_proj_bias", None)
        return None if bias is None else routing @ bias.detach().to(self.dtype)

    def _affine(self, name: str, number: int) -> Affine:
        stack, biases = getattr(self.module, name, None), getattr(self.module, f"{name}_bias", None)
        if not isinstance(stack, Tensor) or stack.dim() != 3:  # noqa: PLR2004 - expert, in, out
            raise SelfTestError(f"{self.shape.experts!r} has no stacked weights {name!r}")
        weight = stack.detach()[number].to(self.dtype)
        bias = None if biases is None else biases.detach()[number].to(self.dtype)
        return Affine(weight.T if self.shape.layout == "linear" else weight, bias)


def chosen(routing: Float[Tensor, "*token expert"]) -> list[int]:
    """Numbers of the experts that any of the tokens was sent to."""
    numbers: list[int] = routing.reshape(-1, routing.shape[-1]).any(dim=0).nonzero().flatten().tolist()
    return numbers


def _side_by_side(maps: Sequence[Affine]) -> Affine:
    biases = [map_.bias for map_ in maps if map_.bias is not None]
    return Affine(torch.cat([map_.weight for map_ in maps], dim=1), torch.cat(biases) if biases else None)


@dataclass(frozen=True)
class NormWeights:
    """Gain (offset included) and bias of a norm; a gain of 1 where the module has no weight."""

    shape: Norm
    gain: Float[Tensor, " hidden"] | Float[Tensor, ""]
    bias: Float[Tensor, " hidden"] | None


def attention_weights(block: nn.Module, shape: Attention, dtype: torch.dtype) -> AttentionWeights:
    """Read the weights of an attention sub-layer."""
    return AttentionWeights(shape, affine(block, shape.value, dtype), affine(block, shape.output, dtype))


def feed_forward_weights(block: nn.Module, shape: FeedForward, dtype: torch.dtype) -> FeedForwardWeights:
    """Read the weights of a feed-forward sub-layer."""
    gate = None if shape.gate is None else affine(block, shape.gate, dtype)
    return FeedForwardWeights(shape, affine(block, shape.up, dtype), affine(block, shape.down, dtype), gate)


def experts_weights(block: nn.Module, shape: Experts, dtype: torch.dtype) -> ExpertsWeights:
    """Find the weights of a mixture of experts."""
    return ExpertsWeights(shape, submodule(block, shape.experts), submodule(block, shape.path), dtype)


def norm_weights(root: nn.Module, shape: Norm, dtype: torch.dtype) -> NormWeights:
    """Read gain and bias of a norm."""
    module = submodule(root, shape.path)
    weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
    gain = torch.ones((), dtype=dtype) if weight is None else weight.detach().to(dtype)
    return NormWeights(shape, gain + shape.offset, None if bias is None else bias.detach().to(dtype))


class BlockWeights:
    """The weights of one block, looked up by the parts of its description and read once.

    Parameters
    ----------
    module
        The block's module.
    block
        Its description.
    dtype
        Dtype of the replay.
    """

    def __init__(self, module: nn.Module, block: Block, dtype: torch.dtype) -> None:
        self.attention = {shape: attention_weights(module, shape, dtype) for shape in block.attentions}
        self.feed_forward = {
            shape: feed_forward_weights(module, shape, dtype)
            for shape in block.sublayers
            if isinstance(shape, FeedForward)
        }
        self.experts = {
            shape: experts_weights(module, shape, dtype) for shape in block.sublayers if isinstance(shape, Experts)
        }
        self.norms = {norm: norm_weights(module, norm, dtype) for norm in block.norms}
