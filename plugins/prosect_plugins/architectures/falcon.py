"""Falcon: one query-key-value module in three layouts, and three orders of norms.

- Falcon-7B: one key-value head, attention and feed-forward block in parallel behind one norm.
- Falcon-40B and later (``new_decoder_architecture``): several key-value heads, interleaved group by group, in parallel
  behind one norm each, or behind one (``num_ln_in_parallel_attn``).
- Falcon-RW: as many key-value heads as heads, interleaved head by head, one after the other.
"""

from collections.abc import Mapping
from typing import Any, Final

from prosect.api import Architecture, Attention, FeedForward, ModelError, Projection, Stage, Stream
from prosect_plugins.architectures.parts import blocks, first, layer_norm, parallel, pre_norm

EXAMPLE: Final = {
    "model_type": "falcon",
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_kv_heads": 2,
    "new_decoder_architecture": True,
    "vocab_size": 60,
    "bias": True,
    "layer_norm_epsilon": 1e-3,
    "bos_token_id": 0,
    "eos_token_id": 0,
}

ALIBI: Final = (
    "this Falcon uses ALiBi, which the eager attention of transformers adds twice: the attention weights that it "
    "returns are not those of the model; 'decomposition: none' works"
)


def describe(config: Mapping[str, Any]) -> Architecture:
    """Describe a Falcon decoder from its ``config.json``."""
    if config.get("alibi"):
        raise ModelError(ALIBI)
    hidden, eps = first(config, "n_embed", "hidden_size"), config.get("layer_norm_epsilon", 1e-5)
    stream = Stream(
        name="main",
        hidden=hidden,
        blocks=blocks("h", _stages(config, hidden, eps), first(config, "num_hidden_layers", "n_layer")),
        final_norm=layer_norm("ln_f", eps),
        causal=True,
    )
    return Architecture(family="falcon", streams=(stream,))


def _stages(config: Mapping[str, Any], hidden: int, eps: float) -> tuple[Stage, ...]:
    new = config.get("new_decoder_architecture")
    joined = new or config.get("parallel_attn", True)
    attention = _attention(config, hidden)
    # A parallel block adds the attention's output to what this module returns, in place.
    feed_forward = FeedForward(
        path="mlp",
        up=Projection(path="mlp.dense_h_to_4h"),
        down=Projection(path="mlp.dense_4h_to_h"),
        activation=config.get("activation") or "gelu",
        overwritten=bool(joined),
    )
    if not joined:
        before, between = layer_norm("input_layernorm", eps), layer_norm("post_attention_layernorm", eps)
        return pre_norm(attention, before), pre_norm(feed_forward, between)
    if new and config.get("num_ln_in_parallel_attn") in (None, 2):
        return (parallel((attention, layer_norm("ln_attn", eps)), (feed_forward, layer_norm("ln_mlp", eps))),)
    shared = layer_norm("input_layernorm", eps)
    return (parallel((attention, shared), (feed_forward, shared)),)


def _attention(config: Mapping[str, Any], hidden: int) -> Attention:
    heads = first(config, "num_attention_heads", "n_head")
    head, packed = hidden // heads, "self_attention.query_key_value"
    if config.get("new_decoder_architecture"):
        kv_heads = config.get("num_kv_heads") or config.get("n_head_kv") or heads
        group = (heads // kv_heads + 2) * head
        value = Projection(path=packed, interleave=(group, group - head, group))
    elif config.get("multi_query", True):
        kv_heads, value = 1, Projection(path=packed, rows=(hidden + head, hidden + 2 * head))
    else:
        kv_heads, value = heads, Projection(path=packed, interleave=(3 * head, 2 * head, 3 * head))
    return Attention(
        kind="attention",
        path="self_attention",
        value=value,
        output=Projection(path="self_attention.dense"),
        heads=heads,
        kv_heads=kv_heads,
        head_dim=head,
    )
