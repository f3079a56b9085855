"""Llama: pre-norm decoder with RMSNorm, a gated feed-forward block, grouped queries and rotary positions."""

from collections.abc import Mapping
from typing import Any

from prosect.api import Architecture, Attention, Block, Branch, FeedForward, Norm, Projection, Stage, Stream

FLOAT32_NORM = (
    "RMSNorm is computed in float32 by the model whatever its dtype: closure in float64 is limited to about 1e-6."
)


def describe(config: Mapping[str, Any]) -> Architecture:
    """Describe a Llama decoder from its ``config.json``."""
    hidden, heads, eps = config["hidden_size"], config["num_attention_heads"], config.get("rms_norm_eps", 1e-6)
    attention = Attention(
        kind="attention",
        path="self_attn",
        value=Projection(path="self_attn.v_proj"),
        output=Projection(path="self_attn.o_proj"),
        heads=heads,
        kv_heads=config.get("num_key_value_heads") or heads,
        head_dim=config.get("head_dim") or hidden // heads,
    )
    feed_forward = FeedForward(
        path="mlp",
        gate=Projection(path="mlp.gate_proj"),
        up=Projection(path="mlp.up_proj"),
        down=Projection(path="mlp.down_proj"),
        activation=config.get("hidden_act", "silu"),
    )
    stages = (
        Stage(branches=(Branch(sublayer=attention, norm_before=_norm("input_layernorm", eps)),)),
        Stage(branches=(Branch(sublayer=feed_forward, norm_before=_norm("post_attention_layernorm", eps)),)),
    )
    blocks = tuple(Block(path=f"layers.{i}", stages=stages) for i in range(config["num_hidden_layers"]))
    stream = Stream(name="main", hidden=hidden, blocks=blocks, final_norm=_norm("norm", eps), causal=True)
    return Architecture(family="llama", streams=(stream,), notes=(FLOAT32_NORM,))


def _norm(path: str, eps: float) -> Norm:
    return Norm(path=path, kind="rms_norm", eps=eps, float32=True)
