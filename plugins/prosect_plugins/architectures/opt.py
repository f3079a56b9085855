"""OPT: pre-norm decoder with a final norm; the 350m model is post-norm, without one, and projected in and out."""

from collections.abc import Mapping
from typing import Any, Final

from prosect.api import Architecture, FeedForward, Projection, Stream
from prosect_plugins.architectures.parts import attention, blocks, layer_norm, post_norm, pre_norm

EXAMPLE: Final = {
    "model_type": "opt",
    "hidden_size": 24,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "ffn_dim": 40,
    "vocab_size": 60,
    "max_position_embeddings": 40,
    "word_embed_proj_dim": 24,
    "do_layer_norm_before": True,
}

PROJECTED: Final = (
    "This OPT projects its last state to the width of the word embeddings: the last layer is read before that "
    "projection, and closure is also proved behind it."
)


def describe(config: Mapping[str, Any]) -> Architecture:
    """Describe an OPT decoder from its ``config.json``."""
    hidden, before = config["hidden_size"], config.get("do_layer_norm_before", True)
    self_attention = attention(
        "self_attn", "self_attn.v_proj", "self_attn.out_proj", heads=config["num_attention_heads"], width=hidden
    )
    feed_forward = FeedForward(
        path="fc2",
        up=Projection(path="fc1"),
        down=Projection(path="fc2"),
        activation=config.get("activation_function", "relu"),
    )
    stage = pre_norm if before else post_norm
    stages = (
        stage(self_attention, layer_norm("self_attn_layer_norm")),
        stage(feed_forward, layer_norm("final_layer_norm")),
    )
    final = before and not config.get("_remove_final_layer_norm")
    projected = (config.get("word_embed_proj_dim") or hidden) != hidden
    stream = Stream(
        name="main",
        hidden=hidden,
        blocks=blocks("decoder.layers", stages, config["num_hidden_layers"]),
        final_norm=layer_norm("decoder.final_layer_norm") if final else None,
        final_projection=Projection(path="decoder.project_out") if projected else None,
        causal=True,
    )
    return Architecture(family="opt", streams=(stream,), notes=(PROJECTED,) if projected else ())
