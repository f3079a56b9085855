"""ModernBERT: pre-norm encoder with an embedding norm, packed projections, gated blocks and a final norm."""

from collections.abc import Mapping
from typing import Any, Final

from prosect.api import Architecture, Block, Branch, FeedForward, Projection, Stage, Stream
from prosect_plugins.architectures.parts import attention, layer_norm, pre_norm

EXAMPLE: Final = {
    "model_type": "modernbert",
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "intermediate_size": 40,
    "vocab_size": 60,
    "pad_token_id": 0,
    "cls_token_id": 1,
    "sep_token_id": 2,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "local_attention": 4,
    "norm_bias": True,
    "attention_bias": True,
    "mlp_bias": True,
}


def describe(config: Mapping[str, Any]) -> Architecture:
    """Describe a ModernBERT encoder from its ``config.json``."""
    hidden, inner, eps = config["hidden_size"], config["intermediate_size"], config.get("norm_eps", 1e-5)
    self_attention = attention(
        "attn",
        Projection(path="attn.Wqkv", rows=(2 * hidden, 3 * hidden)),
        "attn.Wo",
        heads=config["num_attention_heads"],
        width=hidden,
    )
    feed_forward = FeedForward(
        path="mlp",
        gate=Projection(path="mlp.Wi", rows=(0, inner)),
        up=Projection(path="mlp.Wi", rows=(inner, 2 * inner)),
        down=Projection(path="mlp.Wo"),
        activation=config.get("hidden_activation", "gelu"),
    )
    # The embedding norm stands directly before the first block, which therefore has none before its attention.
    first = Stage(branches=(Branch(sublayer=self_attention),))
    later, last = (
        pre_norm(self_attention, layer_norm("attn_norm", eps)),
        pre_norm(feed_forward, layer_norm("mlp_norm", eps)),
    )
    blocks = tuple(
        Block(path=f"layers.{place}", stages=(later if place else first, last))
        for place in range(config["num_hidden_layers"])
    )
    stream = Stream(
        name="main",
        hidden=hidden,
        blocks=blocks,
        embedding_norm=layer_norm("embeddings.norm", eps),
        final_norm=layer_norm("final_norm", eps),
    )
    return Architecture(family="modernbert", streams=(stream,))
