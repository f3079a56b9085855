"""Marian: post-norm encoder-decoder with sinusoid positions; neither an embedding norm nor a final norm."""

from collections.abc import Mapping
from typing import Any

from prosect.api import Architecture, Attention, Block, Branch, FeedForward, Norm, Projection, Stage, Stream

# torch.nn.LayerNorm's own default; Marian does not configure it.
EPS = 1e-5


def describe(config: Mapping[str, Any]) -> Architecture:
    """Describe a Marian encoder-decoder from its ``config.json``."""
    encoder = _block(config, heads=config["encoder_attention_heads"], cross=False)
    decoder = _block(config, heads=config["decoder_attention_heads"], cross=True)
    streams = (
        Stream(name="encoder", hidden=config["d_model"], blocks=_blocks("encoder", encoder, config["encoder_layers"])),
        Stream(
            name="decoder",
            hidden=config["d_model"],
            blocks=_blocks("decoder", decoder, config["decoder_layers"]),
            causal=True,
        ),
    )
    return Architecture(family="marian", streams=streams)


def _blocks(side: str, stages: tuple[Stage, ...], layers: int) -> tuple[Block, ...]:
    return tuple(Block(path=f"{side}.layers.{i}", stages=stages) for i in range(layers))


def _block(config: Mapping[str, Any], *, heads: int, cross: bool) -> tuple[Stage, ...]:
    feed_forward = FeedForward(
        path="fc2",
        up=Projection(path="fc1"),
        down=Projection(path="fc2"),
        activation=config.get("activation_function", "gelu"),
    )
    head_dim = config["d_model"] // heads
    attentions = [
        _attention("self_attn", heads, head_dim),
        *([_attention("encoder_attn", heads, head_dim)] if cross else []),
    ]
    return (*attentions, Stage(branches=(Branch(sublayer=feed_forward),), norm=_norm("final_layer_norm")))


def _attention(path: str, heads: int, head_dim: int) -> Stage:
    sublayer = Attention(
        kind="cross_attention" if path == "encoder_attn" else "attention",
        path=path,
        value=Projection(path=f"{path}.v_proj"),
        output=Projection(path=f"{path}.out_proj"),
        heads=heads,
        kv_heads=heads,
        head_dim=head_dim,
    )
    return Stage(branches=(Branch(sublayer=sublayer),), norm=_norm(f"{path}_layer_norm"))


def _norm(path: str) -> Norm:
    return Norm(path=path, kind="layer_norm", eps=EPS)
