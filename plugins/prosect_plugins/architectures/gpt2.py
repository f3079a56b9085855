"""GPT-2: pre-norm decoder. Sub-layers read a normed copy of the stream and add to the stream itself."""

from collections.abc import Mapping
from typing import Any

from prosect.api import (
    Architecture,
    Attention,
    Block,
    Branch,
    FeedForward,
    ModelError,
    Norm,
    Projection,
    Stage,
    Stream,
)


def describe(config: Mapping[str, Any]) -> Architecture:
    """Describe a GPT-2 decoder from its ``config.json``."""
    if config.get("add_cross_attention"):
        raise ModelError("this GPT-2 has cross-attention (add_cross_attention), which is not described")
    hidden, heads, eps = config["n_embd"], config["n_head"], config.get("layer_norm_epsilon", 1e-5)
    attention = Attention(
        kind="attention",
        path="attn",
        value=Projection(path="attn.c_attn", layout="conv1d", rows=(2 * hidden, 3 * hidden)),
        output=Projection(path="attn.c_proj", layout="conv1d"),
        heads=heads,
        kv_heads=heads,
        head_dim=hidden // heads,
    )
    feed_forward = FeedForward(
        path="mlp",
        up=Projection(path="mlp.c_fc", layout="conv1d"),
        down=Projection(path="mlp.c_proj", layout="conv1d"),
        activation=config.get("activation_function", "gelu_new"),
    )
    stages = (
        Stage(branches=(Branch(sublayer=attention, norm_before=_norm("ln_1", eps)),)),
        Stage(branches=(Branch(sublayer=feed_forward, norm_before=_norm("ln_2", eps)),)),
    )
    blocks = tuple(Block(path=f"h.{i}", stages=stages) for i in range(config["n_layer"]))
    stream = Stream(name="main", hidden=hidden, blocks=blocks, final_norm=_norm("ln_f", eps), causal=True)
    return Architecture(family="gpt2", streams=(stream,))


def _norm(path: str, eps: float) -> Norm:
    return Norm(path=path, kind="layer_norm", eps=eps)
