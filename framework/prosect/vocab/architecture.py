"""What a Transformer is made of, as data: no torch, no code of any model.

A model is one or two *streams* (an encoder, a decoder); a stream is an embedding step, a row of
*blocks* and perhaps a final norm; a block is a row of *stages*. Every stage reads the residual
stream ``x`` and writes

    x  <-  norm( residual(x) + sum_b  scale_b * norm_after_b( sublayer_b( norm_before_b(x) ) ) )

where every norm may be absent. That one form covers post-norm (``norm``), pre-norm
(``norm_before``), sandwich (``norm_before`` and ``norm_after``), OLMo 2 (``norm_after``) and
parallel blocks (two branches in one stage). All paths are relative to the block's module.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal


@dataclass(frozen=True, kw_only=True)
class Norm:
    """A LayerNorm or RMSNorm.

    Attributes
    ----------
    path
        Module path. Relative to the block; for embedding and final norms to the headless model.
    kind
        ``layer_norm``: (y - mean) / sqrt(var + eps) * gain + bias with the biased variance;
        ``rms_norm``: y / sqrt(mean(y^2) + eps) * gain.
    eps
        Epsilon, inside the square root.
    offset
        Added to the stored weight to get the gain (Gemma stores gain - 1: offset 1.0).
    float32
        The family computes this norm in float32 whatever the dtype of the model.
    """

    path: str
    kind: Literal["layer_norm", "rms_norm"]
    eps: float
    offset: float = 0.0
    float32: bool = False


@dataclass(frozen=True, kw_only=True)
class Projection:
    """An affine map y = x W + b kept in a module, perhaps packed with others.

    Attributes
    ----------
    path
        Module path relative to the block.
    layout
        ``linear``: the weight is stored (out, in); ``conv1d``: (in, out).
    rows
        Range of output features that belong to this projection, where several are packed
        side by side in one module; None for all.
    interleave
        For projections interleaved per head: (group, start, stop): of every ``group`` output
        features those from ``start`` to ``stop`` belong to this one.
    """

    path: str
    layout: Literal["linear", "conv1d"] = "linear"
    rows: tuple[int, int] | None = None
    interleave: tuple[int, int, int] | None = None


@dataclass(frozen=True, kw_only=True)
class Attention:
    """A multi-head attention sub-layer.

    Attributes
    ----------
    kind
        ``attention`` reads its own stream; ``cross_attention`` reads the encoder's last state.
    path
        The attention module itself, as the attention function of transformers sees it.
    value, output
        Value and output projections.
    heads, kv_heads, head_dim
        Query heads, key-value heads (fewer in grouped-query attention), width of a head.
    rows_sum_to_one
        False where attention weights of a query do not sum to 1 (sinks); its share of the value
        bias is then multiplied by the true row sum.
    """

    kind: Literal["attention", "cross_attention"]
    path: str
    value: Projection
    output: Projection
    heads: int
    kv_heads: int
    head_dim: int
    rows_sum_to_one: bool = True

    @property
    def reads(self) -> str:
        """Module whose input is what the values are made of."""
        return self.value.path

    @property
    def writes(self) -> str:
        """Module whose output is the sub-layer's output."""
        return self.output.path


@dataclass(frozen=True, kw_only=True)
class FeedForward:
    """A feed-forward sub-layer: act(x W1 + b1) W2 + b2, or gated (act(x Wg + bg) * (x W1 + b1)) W2 + b2.

    Attributes
    ----------
    path
        The module whose output is the sub-layer's output, relative to the block.
    up, down
        First and second affine map.
    gate
        The map through the activation, for gated forms; None otherwise.
    activation
        Name of the activation as in transformers' ``ACT2FN``, or ``gelu_bloom``.
    overwritten
        The block adds to the module's output in place, so that capture must copy it.
    """

    path: str
    up: Projection
    down: Projection
    activation: str
    gate: Projection | None = None
    overwritten: bool = False

    kind: Literal["feed_forward"] = "feed_forward"

    @property
    def reads(self) -> str:
        """Module whose input is the sub-layer's input."""
        return self.up.path

    @property
    def writes(self) -> str:
        """Module whose output is the sub-layer's output."""
        return self.path


@dataclass(frozen=True, kw_only=True)
class Experts:
    """A mixture of experts: the weighted sum of the gated feed-forward blocks that a router chose for a token.

        sum_e w_e [(act(x Wg_e + bg_e) * (x W1_e + b1_e + up_offset)) W2_e + b2_e]

    The routing (which experts, and their weights w_e) is frozen at what it was in the forward pass.

    Attributes
    ----------
    path
        The module whose input and output are the sub-layer's.
    router
        The module that returns logits, the weights of the chosen experts, and their numbers.
    experts
        The module that holds the weights of all experts, stacked: ``gate_up_proj`` and ``down_proj``,
        and their biases, where there are any, as ``gate_up_proj_bias`` and ``down_proj_bias``.
    activation
        Name of the activation as in transformers' ``ACT2FN``.
    layout
        How an expert's weight is stored: ``linear``: (out, in); ``conv1d``: (in, out).
    interleaved
        Output features of gate and up alternate; otherwise those of the gate come first.
    limit
        The gate's pre-activation is cut off above it, the other one at both sides; None for no limit.
    up_offset
        Added to the second factor after that.
    """

    path: str
    router: str
    experts: str
    activation: str
    layout: Literal["linear", "conv1d"] = "linear"
    interleaved: bool = False
    limit: float | None = None
    up_offset: float = 0.0

    kind: Literal["feed_forward"] = "feed_forward"

    @property
    def reads(self) -> str:
        """Module whose input is the sub-layer's input."""
        return self.path

    @property
    def writes(self) -> str:
        """Module whose output is the sub-layer's output."""
        return self.path


Sublayer = Attention | FeedForward | Experts


@dataclass(frozen=True, kw_only=True)
class Branch:
    """One sub-layer with its own norms: scale * norm_after(sublayer(norm_before(x))).

    Attributes
    ----------
    sublayer
        The sub-layer.
    norm_before
        The norm of its input, or None.
    norm_after
        The norm of its output, or None.
    scale
        Factor on what it adds to the stream.
    """

    sublayer: Sublayer
    norm_before: Norm | None = None
    norm_after: Norm | None = None
    scale: float = 1.0


@dataclass(frozen=True, kw_only=True)
class Stage:
    """Branches which read the same stream, are added to it together, and the norm after the addition.

    Attributes
    ----------
    branches
        One sub-layer, or several in parallel.
    norm
        The norm after the addition, or None.
    residual
        What the branches are added to: the ``stream``, or the stream after the first branch's ``norm_before``
        (``normed``: BLOOM's ``apply_residual_connection_post_layernorm``).
    """

    branches: tuple[Branch, ...]
    norm: Norm | None = None
    residual: Literal["stream", "normed"] = "stream"


@dataclass(frozen=True, kw_only=True)
class Block:
    """One Transformer block.

    Attributes
    ----------
    path
        Path of its module, relative to the headless model.
    stages
        Its stages in order.
    """

    path: str
    stages: tuple[Stage, ...]

    @property
    def branches(self) -> tuple[Branch, ...]:
        """Branches of all stages in order."""
        return tuple(branch for stage in self.stages for branch in stage.branches)

    @property
    def sublayers(self) -> tuple[Sublayer, ...]:
        """Sub-layers in order."""
        return tuple(branch.sublayer for branch in self.branches)

    @property
    def attentions(self) -> tuple[Attention, ...]:
        """Attention sub-layers in order."""
        return tuple(sublayer for sublayer in self.sublayers if isinstance(sublayer, Attention))

    @property
    def norms(self) -> tuple[Norm, ...]:
        """All norms, those of branches included."""
        found = [norm for branch in self.branches for norm in (branch.norm_before, branch.norm_after)]
        found += [stage.norm for stage in self.stages]
        return tuple(norm for norm in found if norm is not None)


StreamName = Literal["main", "encoder", "decoder", "cross"]
#: The node, beside those of the streams, for what tokens of the encoder give to those of the decoder.
CROSS: Final = "cross"


def fed_stream(name: str) -> str:
    """Stream whose tokens stand on the axis ``token`` of a node: the decoder's for ``cross``."""
    return "decoder" if name == CROSS else name


@dataclass(frozen=True, kw_only=True)
class Stream:
    """Embedding step, blocks, final norm.

    Attributes
    ----------
    name
        ``main`` for models of one stream, else ``encoder`` or ``decoder``; ``cross`` is the decoder once more, looked
        at for what it takes from the encoder (`Architecture.crossing`).
    hidden
        Width of the residual stream.
    embedding_norm
        The norm over the embeddings, or None. Its input is the raw sum of the embeddings.
    embedding_projection
        The affine map from the normed embeddings to the width of the stream, or None (ALBERT, ELECTRA).
    blocks
        The blocks in order.
    final_norm
        The norm after the last block, or None.
    final_projection
        The affine map after that, to another width, or None (OPT-350m). The last layer that is read stands
        before it; closure is also proved after it.
    causal
        A position cannot look at later ones.
    """

    name: StreamName
    hidden: int
    blocks: tuple[Block, ...]
    embedding_norm: Norm | None = None
    embedding_projection: Projection | None = None
    final_norm: Norm | None = None
    final_projection: Projection | None = None
    causal: bool = False

    @property
    def layers(self) -> int:
        """Number of blocks L; layers are numbered 0 (embeddings) to L."""
        return len(self.blocks)

    @property
    def norms(self) -> tuple[Norm, ...]:
        """All norms: of the embeddings, of the blocks, the final one."""
        ends = (self.embedding_norm, self.final_norm)
        return tuple(n for n in ends if n is not None) + tuple(n for block in self.blocks for n in block.norms)


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """The description of one model.

    Attributes
    ----------
    family
        Name of the family, for example ``bert``.
    streams
        One stream named ``main``, or ``encoder`` and ``decoder``.
    notes
        What a user should know about exactness, in full sentences; stored with the results.
    """

    family: str
    streams: tuple[Stream, ...]
    notes: tuple[str, ...] = ()

    def stream(self, name: str) -> Stream:
        """Return the stream of that name; KeyError if there is none."""
        for stream in self.streams:
            if stream.name == name:
                return stream
        raise KeyError(name)

    @property
    def crossing(self) -> Stream | None:
        """The decoder under the name ``cross``; None where no token looks at an encoder."""
        for stream in self.streams:
            if stream.name == "decoder":
                return replace(stream, name="cross")
        return None
