"""Values of maps as shares of a row or of a sentence."""

import numpy as np
import pytest

import prosect
from prosect.errors import UsageError
from support.models import random_module

ROWS = [[5, 6, 7, 8], [9, 10]]
MAPS = ("norm", "cosine", "output_dot", "alti")


def decomposed(family, decomposition, metrics, rows=ROWS, **options):
    module = random_module(family).double()
    targets = {"targets": [row[::-1] for row in rows]} if family == "marian" else {}
    return prosect.decompose(module, None, rows, decomposition, metrics=metrics, **targets, **options)


def pairs(ds, name):
    """Absolute values of a map, over the last two axes, 0 where there is none."""
    return np.nan_to_num(np.abs(ds[name].values))


@pytest.mark.parametrize("name", MAPS)
@pytest.mark.parametrize("family", ["bert", pytest.param("gpt2", marks=pytest.mark.slow)])
def test_rows_sum_to_1_and_keep_their_proportions(family, name):
    options = {"scopes": ["attn_res", "ff_res"]}
    plain = decomposed(family, "attention_maps", [{"name": name, "normalise": "none"}], **options)
    shares = decomposed(family, "attention_maps", [{"name": name, "normalise": "row"}], **options)
    np.testing.assert_allclose(pairs(shares, name).sum(axis=-1), 1, rtol=1e-9)
    expected = plain[name] / abs(plain[name]).sum("source")
    np.testing.assert_allclose(shares[name], expected, rtol=1e-7, atol=1e-12)
    bias = plain[f"{name}_bias"] / abs(plain[name]).sum("source")
    np.testing.assert_allclose(shares[f"{name}_bias"], bias, rtol=1e-7, atol=1e-12)
    assert shares[name].attrs["units"] == "1"


@pytest.mark.parametrize("name", MAPS)
def test_all_pairs_of_a_sentence_sum_to_1_whatever_stands_beside_it(name):
    found = decomposed("bert", "attention_maps", [{"name": name, "normalise": "global"}], scopes=["attn_res_norm"])
    sums = pairs(found, name).sum(axis=-1)
    for sentence in (0, 1):
        own = found["sentence"].values == sentence
        np.testing.assert_allclose(sums[:, own].sum(axis=-1), 1, rtol=1e-9)
    alone = decomposed(
        "bert", "attention_maps", [{"name": name, "normalise": "global"}], rows=ROWS[1:], scopes=["attn_res_norm"]
    )
    mine = found[name].values[:, found["sentence"].values == 1, : len(ROWS[1])]
    np.testing.assert_allclose(mine, alone[name].values, rtol=1e-7, atol=1e-10)


@pytest.mark.parametrize("name", ["weight", "weighted_norm", "attention_norm"])
def test_maps_of_heads_are_normalised_head_by_head(name):
    row = decomposed("bert", "attention_norms", [{"name": name, "normalise": "row"}])
    np.testing.assert_allclose(pairs(row, name).sum(axis=-1), 1, rtol=1e-9)
    whole = decomposed("bert", "attention_norms", [{"name": name, "normalise": "global"}])
    sums = pairs(whole, name).sum(axis=-1)
    np.testing.assert_allclose(sums[..., whole["sentence"].values == 0].sum(axis=-1), 1, rtol=1e-9)


def test_across_streams_the_own_stream_is_part_of_the_row():
    found = decomposed("marian", "attention_maps", ["alti", "norm"], stream="cross")
    shares = pairs(found, "alti").sum(axis=-1) + found["alti_own"].values
    np.testing.assert_allclose(shares[found["scope"].values == "cross_res_norm"], 1, rtol=1e-9)
    assert {"norm", "norm_own", "norm_bias"} <= set(found.data_vars)


def test_terms_without_a_sentence_have_no_global_shares():
    found = decomposed("bert", "sum_of_factors", [{"name": "norm", "normalise": "row"}])
    without_bias = found["norm"].sel(component=found["component"] != "bias")
    np.testing.assert_allclose(without_bias.sum("component"), 1, rtol=1e-9)
    with pytest.raises(UsageError, match="only maps"):
        decomposed("bert", "sum_of_factors", [{"name": "norm", "normalise": "global"}])


def test_the_norm_of_order_1_is_the_sum_of_absolute_values():
    ds = decomposed("bert", "sum_of_factors", [{"name": "norm", "order": 1}])
    np.testing.assert_allclose(ds["norm"], abs(ds["terms"]).sum("hidden"), rtol=1e-12)
    one = decomposed("gpt2", "attention_maps", [{"name": "norm", "order": 1}], scopes=["attn"])
    two = decomposed("gpt2", "attention_maps", ["norm"], scopes=["attn"])
    seen = two["norm"].values > 0
    assert (one["norm"].values[seen] > two["norm"].values[seen]).all()
    assert (one["norm"].values[two["norm"].values == 0] == 0).all()


def test_dot_products_with_the_output_sum_to_its_square():
    ds = decomposed("bert", "sum_of_factors", ["output_dot", "norm"])
    total = ds["terms"].sum("component")
    np.testing.assert_allclose(ds["output_dot"].sum("component"), (total**2).sum("hidden"), rtol=1e-9)
