"""BART: post-norm encoder-decoder with norms over its embeddings; what it shares with its relatives stands here."""

from collections.abc import Mapping
from typing import Any, Final, Literal

from prosect.api import Architecture, Attention, FeedForward, Projection, Stage, Stream
from prosect_plugins.architectures.parts import blocks, layer_norm, post_norm, pre_norm

EXAMPLE: Final = {
    "model_type": "bart",
    "d_model": 24,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 3,
    "encoder_ffn_dim": 40,
    "decoder_ffn_dim": 32,
    "vocab_size": 60,
    "max_position_embeddings": 40,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
    "decoder_start_token_id": 2,
    "forced_eos_token_id": 2,
    "activation_function": "gelu",
    "scale_embedding": True,
    "is_encoder_decoder": True,
}

Order = Literal["post", "pre"]


def describe(config: Mapping[str, Any]) -> Architecture:
    """Describe a BART encoder-decoder from its ``config.json``."""
    return encoder_decoder("bart", config, order="post", embedding_norm=True)


def encoder_decoder(family: str, config: Mapping[str, Any], *, order: Order, embedding_norm: bool) -> Architecture:
    """Describe BART or one of its relatives.

    Parameters
    ----------
    family
        Name of the family.
    config
        Configuration.
    order
        Norms after each addition, or before each sub-layer and once behind the last block.
    embedding_norm
        Whether norms stand over the embeddings.
    """

    def stream(name: Literal["encoder", "decoder"]) -> Stream:
        return Stream(
            name=name,
            hidden=config["d_model"],
            blocks=blocks(f"{name}.layers", _stages(config, name, order), config[f"{name}_layers"]),
            embedding_norm=layer_norm(f"{name}.layernorm_embedding") if embedding_norm else None,
            final_norm=layer_norm(f"{name}.layer_norm") if order == "pre" else None,
            causal=name == "decoder",
        )

    return Architecture(family=family, streams=(stream("encoder"), stream("decoder")))


def _stages(config: Mapping[str, Any], side: str, order: Order) -> tuple[Stage, ...]:
    stage = post_norm if order == "post" else pre_norm
    heads, hidden = config[f"{side}_attention_heads"], config["d_model"]
    feed_forward = FeedForward(
        path="fc2", up=Projection(path="fc1"), down=Projection(path="fc2"), activation=config["activation_function"]
    )
    paths = ("self_attn", "encoder_attn") if side == "decoder" else ("self_attn",)
    return (
        *(stage(_attention(path, heads, hidden // heads), layer_norm(f"{path}_layer_norm")) for path in paths),
        stage(feed_forward, layer_norm("final_layer_norm")),
    )


def _attention(path: str, heads: int, head_dim: int) -> Attention:
    return Attention(
        kind="cross_attention" if path == "encoder_attn" else "attention",
        path=path,
        value=Projection(path=f"{path}.v_proj"),
        output=Projection(path=f"{path}.out_proj"),
        heads=heads,
        kv_heads=heads,
        head_dim=head_dim,
    )
