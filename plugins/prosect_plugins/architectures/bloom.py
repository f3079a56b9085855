"""BLOOM: pre-norm decoder with an embedding norm; query, key and value interleaved head by head; ALiBi positions."""

from collections.abc import Mapping
from typing import Any, Final

from prosect.api import Architecture, Branch, FeedForward, ModelError, Norm, Projection, Stage, Stream, Sublayer
from prosect_plugins.architectures.parts import attention, blocks, first, layer_norm

EXAMPLE: Final = {
    "model_type": "bloom",
    "hidden_size": 24,
    "n_layer": 2,
    "n_head": 4,
    "vocab_size": 60,
    "layer_norm_epsilon": 1e-3,
}

SLICED: Final = (
    "this BLOOM is configured as 'slow_but_exact' with 'pretraining_tp' > 1: its projections are then computed in "
    "slices outside their modules, where they cannot be captured; set 'slow_but_exact: false'"
)


def describe(config: Mapping[str, Any]) -> Architecture:
    """Describe a BLOOM decoder from its ``config.json``."""
    if config.get("slow_but_exact") and config.get("pretraining_tp", 1) > 1:
        raise ModelError(SLICED)
    hidden, heads = first(config, "n_embed", "hidden_size"), first(config, "n_head", "num_attention_heads")
    head, eps = hidden // heads, config.get("layer_norm_epsilon", 1e-5)
    self_attention = attention(
        "self_attention",
        Projection(path="self_attention.query_key_value", interleave=(3 * head, 2 * head, 3 * head)),
        "self_attention.dense",
        heads=heads,
        width=hidden,
    )
    # Not the module ``mlp``: what it returns has the residual in it.
    feed_forward = FeedForward(
        path="mlp.dense_4h_to_h",
        up=Projection(path="mlp.dense_h_to_4h"),
        down=Projection(path="mlp.dense_4h_to_h"),
        activation="gelu_bloom",
    )
    normed = bool(config.get("apply_residual_connection_post_layernorm"))
    stages = (
        _stage(self_attention, layer_norm("input_layernorm", eps), normed=normed),
        _stage(feed_forward, layer_norm("post_attention_layernorm", eps), normed=normed),
    )
    stream = Stream(
        name="main",
        hidden=hidden,
        blocks=blocks("h", stages, first(config, "n_layer", "num_hidden_layers")),
        embedding_norm=layer_norm("word_embeddings_layernorm", eps),
        final_norm=layer_norm("ln_f", eps),
        causal=True,
    )
    return Architecture(family="bloom", streams=(stream,))


def _stage(sublayer: Sublayer, norm: Norm, *, normed: bool) -> Stage:
    branch = Branch(sublayer=sublayer, norm_before=norm)
    return Stage(branches=(branch,), residual="normed" if normed else "stream")
