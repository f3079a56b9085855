"""Special cases of maps: cross-attention of the papers, ReLU at 0, sinks, grouped queries, orders of blocks."""

import numpy as np
import pytest
import torch

from prosect.api import FeedForward, Options, Projection
from prosect.api.tensors import Reading
from prosect.model.weights import Affine, FeedForwardWeights, attention_weights
from prosect.terms.factored import FactoredStart
from prosect.terms.linearise import linearise
from prosect_plugins.metrics import maps
from prosect_plugins.metrics.options import ShareOptions
from support.cross_attention import SHAPE, CrossAttention
from support.models import DATA
from support.orders import factored_start, map_rules, model, stream_of, walk
from support.replays import token_ids


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_norms_of_a_cross_attention_are_those_of_the_authors(dtype):
    """Kobayashi et al. 2020; their module computes its softmax in float32, so float64 comes no nearer than 2e-6."""
    golden = np.load(DATA / "kobayashi" / "nmt" / "cross_attention_authors_f32.npz")
    weights = attention_weights(CrossAttention(golden), SHAPE, dtype)
    memory, alpha = (torch.from_numpy(golden[name][None]).to(dtype) for name in ("key_value", "alpha"))
    terms = FactoredStart(causal=False, sources=9).encoder(memory).attended(alpha, weights, value_bias=True)
    reading = Reading(terms, terms.sum())
    found = {
        "fx_norm": maps.value_norm(reading, reading.total, Options()),
        "afx_norm": maps.weighted_norm(reading, reading.total, ShareOptions()),
        "summed_afx_norm": maps.attention_norm(reading, reading.total, ShareOptions()),
    }
    for name, values in found.items():
        expected = golden[name]
        deviation = np.abs(values.detach().numpy().squeeze() - expected).max() / np.abs(expected).max()
        assert deviation < 2e-6, name


def test_a_relu_at_0_passes_nothing_on_though_its_parts_are_not_0():
    """Parts that cancel in a pre-activation of exactly 0: the slope there is 0, and so is every part behind it."""
    shape = FeedForward(path="", up=Projection(path=""), down=Projection(path=""), activation="relu")
    one = torch.ones(1, 1, dtype=torch.float64)
    weights = FeedForwardWeights(shape, Affine(one, None), Affine(one, None), None)
    lin = linearise(weights, torch.zeros(1, 1, 1, dtype=torch.float64), "secant", "path")
    assert lin.up.item() == 0
    parts = torch.tensor([2.0, -2.0], dtype=torch.float64).reshape(2, 1, 1, 1)
    assert (lin.apply(parts) == 0).all()


def read(which, scope, rules=None, seed=0):
    """Terms and states of a scope, by block."""
    ids, found = token_ids(model(which[0], seed), (1, 6), seed), {}

    def take(block, name, terms, state, _onward):
        if name == scope:
            found[block] = terms.copy(), state

    stream = stream_of(*which)
    walk(which, map_rules(stream) if rules is None else rules, ids, factored_start(), take, seed=seed)
    return found


@pytest.mark.parametrize("value_bias", ["token", "bias"])
def test_with_sinks_the_value_bias_counts_by_what_is_left_of_a_row(value_bias):
    """Rows of GPT-OSS sum to less than 1; terms and biases still give the true output, and b_V its true share."""
    which = ("gpt_oss", "main")
    found = read(which, "attn", map_rules(stream_of(*which), value_bias=value_bias))
    for terms, state in found.values():
        torch.testing.assert_close(terms.sum(), state, rtol=1e-6, atol=1e-6)
        part = terms.attended_part
        sums = part.alpha.sum(dim=-1)
        assert (sums < 0.999).any()
        share = torch.einsum("bhi,hd->bid", sums, part.weights.value_bias_share)
        own = part.weights.output.bias + (share if value_bias == "bias" else 0)
        torch.testing.assert_close(terms.rest[-1], own.expand_as(state), rtol=1e-9, atol=1e-9)


def test_heads_of_a_group_share_their_values():
    (terms, _), *_ = read(("llama", "main"), "attn").values()
    part = terms.attended_part
    group = part.weights.shape.heads // part.weights.shape.kv_heads
    assert group > 1
    by_group = part.values.unflatten(2, (-1, group))
    torch.testing.assert_close(by_group, by_group[:, :, :, :1].expand_as(by_group))


ORDERS = {
    "bert": ("attn", "attn_res", "attn_res_norm", "ff", "ff_res", "ff_res_norm"),
    "gpt2": ("attn", "attn_res", "attn_res_norm", "ff", "ff_res"),
    "gptj": ("attn", "attn_ff", "attn_ff_res"),
    "gemma2": ("attn", "attn_norm", "attn_norm_res", "attn_norm_res_norm", "ff", "ff_norm", "ff_norm_res"),
    "olmo2": ("attn", "attn_norm", "attn_norm_res", "ff", "ff_norm", "ff_norm_res"),
}


@pytest.mark.parametrize("name", ORDERS)
def test_scopes_follow_the_order_of_the_block(name):
    passed = []
    which, ids = (name, "main"), token_ids(model(name), (1, 3))
    walk(which, map_rules(stream_of(*which)), ids, factored_start(), lambda n, scope, *_: passed.append((n, scope)))
    assert tuple(scope for number, scope in passed if number == 1) == ORDERS[name]


def test_a_decoder_reads_its_stream_behind_the_norm_before_cross_attention():
    """Pre-norm decoders, whose cross-attention reads a normed copy."""
    found = read(("m2m_100", "decoder"), "attn_res_norm")
    assert found
    for terms, state in found.values():
        torch.testing.assert_close(terms.sum(), state, rtol=1e-9, atol=1e-9)


def test_what_an_encoder_gives_has_a_label_of_its_own_in_the_decoder():
    terms, _ = read(("marian", "decoder"), "cross_res")[1]
    before, _ = read(("marian", "decoder"), "attn_res_norm")[1]
    assert [label.label for label in terms.labels] == ["source", "bias"]
    assert (before.rest[0] == 0).all()
    crossing, _ = read(("marian", "cross"), "cross_res")[1]
    torch.testing.assert_close(
        crossing.source_sum() + crossing.rest[-1], terms.rest[0] + terms.rest[1] - before.rest[1]
    )
