"""Expansion rates of attentions, beside singular values of the matrices written out."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import prosect
from prosect.errors import SpecError, UsageError
from prosect.plugins.registry import load_registry
from prosect.testing.accumulators import loaded
from prosect_plugins.metrics.expansion import expansion_rates
from support.models import random_module

ROWS = [[5, 6, 7, 8], [9, 10]]


def rate(matrix):
    """sqrt(sum of squared singular values / number of rows)."""
    return float((torch.linalg.svdvals(matrix).square().sum() / len(matrix)).sqrt())


def random(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


@given(seed=st.integers(0, 50), biases=st.booleans())
def test_rates_are_those_of_the_singular_values(seed, biases):
    d, (w_v, w_o) = 5, random(2, 5, 5, seed=seed)
    b_v, b_o = random(2, 5, seed=seed + 100) if biases else torch.zeros(2, d, dtype=torch.float64)
    zero, one = torch.zeros(d, 1, dtype=torch.float64), torch.ones(1, 1, dtype=torch.float64)
    described = torch.cat([torch.cat([w_v @ w_o, zero], 1), torch.cat([(b_v @ w_o + b_o)[None], one], 1)])
    first = torch.cat([torch.cat([w_v, zero], 1), torch.cat([b_v[None], one], 1)])
    second = torch.cat([torch.cat([w_o, b_o[:, None]], 1), torch.cat([torch.zeros_like(b_o)[None], one], 1)])
    given_ = (w_v, b_v, w_o, b_o) if biases else (w_v, None, w_o, None)
    np.testing.assert_allclose(expansion_rates(*given_), [rate(described), rate(first @ second)], rtol=1e-10)


def test_heads_that_are_wider_than_the_stream_have_no_rate_as_coded():
    described, coded = expansion_rates(random(4, 6), None, random(6, 4), None)
    assert described > 0
    assert np.isnan(coded)


def weights_of(block):
    """W_V, b_V of every query head and W_O, b_O of a Llama block."""
    value, output, group = block.self_attn.v_proj, block.self_attn.o_proj, block.self_attn.num_key_value_groups
    by_head = value.weight.T.unflatten(-1, (-1, block.self_attn.head_dim)).repeat_interleave(group, dim=1)
    bias = value.bias.unflatten(-1, (-1, block.self_attn.head_dim)).repeat_interleave(group, dim=0)
    return by_head.flatten(1), bias.flatten(), output.weight.T, output.bias


def test_groups_of_queries_share_their_values():
    module = random_module("llama").double()
    ds = prosect.decompose(module, None, ROWS, "attention_norms", metrics=["expansion_rate"])
    assert ds["expansion_rate"].dims == ("layer",)
    expected = [expansion_rates(*(w.detach() for w in weights_of(block))) for block in module.layers]
    np.testing.assert_allclose(ds["expansion_rate"], [described for described, _ in expected], rtol=1e-12)
    np.testing.assert_allclose(ds["expansion_rate_as_coded"], [coded for _, coded in expected], rtol=1e-12)


def test_cross_attention_has_a_rate_too():
    module = random_module("marian").double()
    options = {"metrics": ["expansion_rate"], "targets": ROWS}
    cross = prosect.decompose(module, None, ROWS, "attention_norms", stream="cross", **options)
    own = prosect.decompose(module, None, ROWS, "attention_norms", stream="decoder", **options)
    assert (np.abs(cross["expansion_rate"].values - own["expansion_rate"].values) > 1e-3).all()


def test_a_state_that_is_saved_and_merged_keeps_the_rate():
    accumulation = loaded(load_registry().find("metrics", "expansion_rate"), {})
    known, later = accumulation.begin(), accumulation.begin()
    assert np.isnan(known.finalise()["expansion_rate"]).all()
    name = "/0/own/expansion_rate/rates"
    known.merge({name: torch.tensor([1.5, 2.5], dtype=torch.float64)})
    later.merge(known.state())
    later.merge({name: torch.tensor([0.0, 0.0], dtype=torch.float64)})
    assert later.finalise()["expansion_rate"][0] == 1.5
    assert later.finalise()["expansion_rate_as_coded"][0] == 2.5


def test_terms_without_an_attention_are_refused():
    with pytest.raises(SpecError, match="attention_norms"):
        prosect.decompose(random_module("bert"), None, ROWS, "sum_of_factors", metrics=["expansion_rate"])
    options = {"metrics": ["expansion_rate"], "scopes": ["ff"]}
    with pytest.raises(UsageError, match="attention_norms"):
        prosect.decompose(random_module("bert"), None, ROWS, "attention_maps", **options)
