"""Llama: pre-norm decoder with RMSNorm, a gated feed-forward block, grouped queries and rotary positions."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from prosect.api import Architecture, Attention, FeedForward, Projection, Stage, Stream, Sublayer
from prosect_plugins.architectures.parts import FLOAT32_NORM, blocks, pre_norm, rms_norm

EXAMPLE: Final = {
    "model_type": "llama",
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "intermediate_size": 40,
    "vocab_size": 60,
    "rms_norm_eps": 1e-3,
    "hidden_act": "silu",
    "attention_bias": True,
    "mlp_bias": True,
}


def describe(config: Mapping[str, Any]) -> Architecture:
    """Describe a Llama decoder from its ``config.json``."""
    return decoder("llama", config, pre_norm_stages(config, attention(config), feed_forward(config)))


def attention(config: Mapping[str, Any]) -> Attention:
    """Describe the self-attention that Llama shares with many."""
    heads = config["num_attention_heads"]
    return Attention(
        kind="attention",
        path="self_attn",
        value=Projection(path="self_attn.v_proj"),
        output=Projection(path="self_attn.o_proj"),
        heads=heads,
        kv_heads=config.get("num_key_value_heads") or heads,
        head_dim=config.get("head_dim") or config["hidden_size"] // heads,
    )


def feed_forward(config: Mapping[str, Any], activation: str = "hidden_act") -> FeedForward:
    """Describe the gated feed-forward block; ``activation`` is the key that names its activation."""
    return FeedForward(
        path="mlp",
        gate=Projection(path="mlp.gate_proj"),
        up=Projection(path="mlp.up_proj"),
        down=Projection(path="mlp.down_proj"),
        activation=config[activation],
    )


def pre_norm_stages(config: Mapping[str, Any], attention: Attention, feed_forward: Sublayer) -> tuple[Stage, ...]:
    """Put two sub-layers into Llama's order of norms."""
    eps = config["rms_norm_eps"]
    return (
        pre_norm(attention, rms_norm("input_layernorm", eps)),
        pre_norm(feed_forward, rms_norm("post_attention_layernorm", eps)),
    )


def decoder(
    family: str, config: Mapping[str, Any], stages: Sequence[Stage], *, offset: float = 0.0, causal: bool = True
) -> Architecture:
    """Describe the decoder around the blocks: no positions in the stream, and a final norm."""
    stream = Stream(
        name="main",
        hidden=config["hidden_size"],
        blocks=blocks("layers", stages, config["num_hidden_layers"]),
        final_norm=rms_norm("norm", config["rms_norm_eps"], offset=offset),
        causal=causal,
    )
    return Architecture(family=family, streams=(stream,), notes=(FLOAT32_NORM,))
