"""T5 and mT5: pre-norm encoder-decoder with RMSNorm, no biases, and relative positions in attention weights only."""

from collections.abc import Mapping
from typing import Any, Final, Literal

from prosect.api import Architecture, Attention, FeedForward, Projection, Stage, Stream, Sublayer
from prosect_plugins.architectures.parts import FLOAT32_NORM, blocks, pre_norm, rms_norm

EXAMPLE: Final = {
    "model_type": "t5",
    "d_model": 24,
    "d_kv": 5,
    "d_ff": 40,
    "num_layers": 2,
    "num_decoder_layers": 3,
    "num_heads": 4,
    "vocab_size": 60,
    "feed_forward_proj": "gated-gelu",
    "layer_norm_epsilon": 1e-3,
    "relative_attention_num_buckets": 8,
    "pad_token_id": 0,
    "eos_token_id": 1,
    "decoder_start_token_id": 0,
    "is_encoder_decoder": True,
}


def describe(config: Mapping[str, Any]) -> Architecture:
    """Describe a T5 or mT5 encoder-decoder from its ``config.json``."""
    layers = {"encoder": config["num_layers"], "decoder": config.get("num_decoder_layers") or config["num_layers"]}

    def stream(name: Literal["encoder", "decoder"]) -> Stream:
        return Stream(
            name=name,
            hidden=config["d_model"],
            blocks=blocks(f"{name}.block", _stages(config, decoder=name == "decoder"), layers[name]),
            final_norm=rms_norm(f"{name}.final_layer_norm", config["layer_norm_epsilon"]),
            causal=name == "decoder",
        )

    return Architecture(family="t5", streams=(stream("encoder"), stream("decoder")), notes=(FLOAT32_NORM,))


def _stages(config: Mapping[str, Any], *, decoder: bool) -> tuple[Stage, ...]:
    """Put the sub-layers in order: a block keeps them, each with its norm, in a list named ``layer``."""
    sublayers: list[Sublayer] = [_attention(config, "layer.0.SelfAttention")]
    if decoder:
        sublayers.append(_attention(config, "layer.1.EncDecAttention"))
    sublayers.append(_feed_forward(config, f"layer.{len(sublayers)}.DenseReluDense"))
    eps = config["layer_norm_epsilon"]
    return tuple(
        pre_norm(sublayer, rms_norm(f"layer.{place}.layer_norm", eps)) for place, sublayer in enumerate(sublayers)
    )


def _attention(config: Mapping[str, Any], path: str) -> Attention:
    return Attention(
        kind="attention" if path.endswith("SelfAttention") else "cross_attention",
        path=path,
        value=Projection(path=f"{path}.v"),
        output=Projection(path=f"{path}.o"),
        heads=config["num_heads"],
        kv_heads=config["num_heads"],
        head_dim=config["d_kv"],
    )


def _feed_forward(config: Mapping[str, Any], path: str) -> FeedForward:
    """Read ``feed_forward_proj``: an activation's name, perhaps behind ``gated-``; ``gated-gelu`` means 'gelu_new'."""
    form = config["feed_forward_proj"]
    gated, name = form.startswith("gated-"), form.removeprefix("gated-")
    return FeedForward(
        path=path,
        gate=Projection(path=f"{path}.wi_0") if gated else None,
        up=Projection(path=f"{path}.wi_1" if gated else f"{path}.wi"),
        down=Projection(path=f"{path}.wo"),
        activation="gelu_new" if form == "gated-gelu" else name,
    )
