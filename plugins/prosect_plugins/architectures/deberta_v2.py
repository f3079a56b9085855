"""DeBERTa-v2 and v3: BERT's order of norms; disentangled positions act on attention weights only."""

from collections.abc import Mapping
from typing import Any, Final

from prosect.api import Architecture, FeedForward, ModelError, Projection, Stream
from prosect_plugins.architectures import bert
from prosect_plugins.architectures.parts import attention, blocks, layer_norm, post_norm

EXAMPLE: Final = {
    **bert.EXAMPLE,
    "model_type": "deberta-v2",
    "embedding_size": 16,
    "relative_attention": True,
    "pos_att_type": ["p2c", "c2p"],
    "position_buckets": 8,
    "norm_rel_ebd": "layer_norm",
    "position_biased_input": False,
    "type_vocab_size": 0,
    "share_att_key": True,
}

CONVOLUTION: Final = (
    "this DeBERTa-v2 has a convolution layer (conv_kernel_size > 0): it mixes the embeddings of neighbouring tokens "
    "into the output of the first block, which is then no sum of residual sub-layers. DeBERTa-v3, and v2 without that "
    "layer, are described; 'decomposition: none' works"
)


def describe(config: Mapping[str, Any]) -> Architecture:
    """Describe a DeBERTa-v2 or DeBERTa-v3 encoder from its ``config.json``."""
    if (config.get("conv_kernel_size") or 0) > 0:
        raise ModelError(CONVOLUTION)
    hidden, heads, eps = config["hidden_size"], config["num_attention_heads"], config.get("layer_norm_eps", 1e-7)
    width = heads * (config.get("attention_head_size") or hidden // heads)
    self_attention = attention(
        "attention.self", "attention.self.value_proj", "attention.output.dense", heads=heads, width=width
    )
    feed_forward = FeedForward(
        path="output.dense",
        up=Projection(path="intermediate.dense"),
        down=Projection(path="output.dense"),
        activation=config.get("hidden_act", "gelu"),
    )
    stages = (
        post_norm(self_attention, layer_norm("attention.output.LayerNorm", eps)),
        post_norm(feed_forward, layer_norm("output.LayerNorm", eps)),
    )
    stream = Stream(
        name="main",
        hidden=hidden,
        blocks=blocks("encoder.layer", stages, config["num_hidden_layers"]),
        embedding_norm=layer_norm("embeddings.LayerNorm", eps),
    )
    return Architecture(family="deberta_v2", streams=(stream,))
