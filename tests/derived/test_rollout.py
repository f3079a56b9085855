"""Rollout of maps, beside products written out."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

import prosect
from prosect.errors import UsageError
from prosect_plugins.derived.kernels.rollout import prepared, rollout, rollout_across


def maps(layers, targets, sources=None, seed=0):
    return np.random.default_rng(seed).random((layers, targets, targets if sources is None else sources))


def dataset(lengths=(3, 2), layers=3, widths=None, **variables):
    """Random maps of some sentences, as a store holds them."""
    sentence = np.repeat(np.arange(len(lengths)), lengths)
    position = np.concatenate([np.arange(n) for n in lengths])
    widths = lengths if widths is None else widths
    beyond = np.arange(max(widths)) >= np.repeat(widths, lengths)[:, None]
    values = np.where(beyond, np.nan, maps(layers, len(sentence), max(widths), seed=1))
    found = {"norm": (("layer", "token", "source"), values), **variables}
    coordinates = {"layer": np.arange(1, layers + 1), "sentence": ("token", sentence), "position": ("token", position)}
    return xr.Dataset(found, {**coordinates, "source": np.arange(max(widths))})


def of_sentence(ds, name, number, variable="norm", width=None):
    own = ds["sentence"].values == number
    return ds[variable].values[:, own, : own.sum() if width is None else width]


@given(seed=st.integers(0, 100), rows=st.sampled_from(("row", "identity")))
def test_rows_of_a_rollout_sum_to_1_where_those_of_its_maps_do(seed, rows):
    found = rollout(prepared(maps(4, 5, seed=seed), rows))
    np.testing.assert_allclose(found.sum(axis=-1), 1)
    assert (found >= 0).all()


def test_a_rollout_multiplies_from_the_input_up():
    first, second, third = given_ = maps(3, 4)
    np.testing.assert_allclose(rollout(given_), [first, second @ first, third @ second @ first])


@given(seed=st.integers(0, 100))
def test_both_sides_of_a_decoder_together_take_everything(seed):
    """With rows that sum to 1; and the recursion is the product of square matrices over both sides."""
    own, encoder = prepared(maps(3, 4, seed=seed), "row"), prepared(maps(1, 5, seed=seed), "row")[0]
    rows = prepared(maps(3, 4, 6, seed=seed + 1), "row")
    cross, kept = rows[..., :-1], rows[..., -1]
    sources, targets = rollout_across(own, cross, kept, encoder)
    np.testing.assert_allclose(sources.sum(axis=-1) + targets.sum(axis=-1), 1)
    whole = np.eye(9)
    for layer in range(3):
        step = np.block([[np.eye(5), np.zeros((5, 4))], [cross[layer] @ encoder, kept[layer][:, None] * own[layer]]])
        whole = step @ whole
        np.testing.assert_allclose(np.hstack([sources[layer], targets[layer]]), whole[5:])


def test_sentences_are_rolled_out_by_themselves():
    ds = dataset()
    found = prosect.derive("rollout", ds)["rollout"]
    assert found.dims == ("layer", "token", "source")
    for number, length in enumerate((3, 2)):
        own = found.values[:, ds["sentence"].values == number]
        np.testing.assert_allclose(own[..., :length], rollout(of_sentence(ds, "norm", number)))
        assert np.isnan(own[..., length:]).all()


def test_heads_are_averaged_and_a_scope_is_chosen():
    ds = dataset()
    heads = xr.concat([ds["norm"], 3 * ds["norm"]], "head")
    scopes = xr.concat([ds["norm"], 0 * ds["norm"]], xr.Variable("scope", ["attn", "attn_res"]))
    found = prosect.derive("rollout", ds.assign(weight=heads), variable="weight")["rollout"]
    np.testing.assert_allclose(found, prosect.derive("rollout", ds.assign(norm=2 * ds["norm"]))["rollout"])
    chosen = prosect.derive("rollout", xr.Dataset({"norm": scopes}), scope="attn")["rollout"]
    np.testing.assert_allclose(chosen, prosect.derive("rollout", ds)["rollout"])
    with pytest.raises(UsageError, match="attn, attn_res"):
        prosect.derive("rollout", xr.Dataset({"norm": scopes}))


def test_maps_of_an_encoder_decoder_are_rolled_out_together():
    encoder, decoder = dataset((3, 2)), dataset((2, 4))
    kept = ("layer", "token"), np.random.default_rng(2).random((3, 6))
    cross = dataset((2, 4), widths=(3, 2), norm_own=kept)
    found = prosect.derive("rollout_across", encoder, decoder, cross, variable="norm", rows="row")
    assert found["rollout"].dims == ("layer", "token", "source")
    assert found["rollout_target"].dims == ("layer", "token", "target")
    np.testing.assert_allclose(found["rollout"].sum("source") + found["rollout_target"].sum("target"), 1)
    own, width = cross["sentence"].values == 1, 2
    rows = np.concatenate([of_sentence(cross, "norm", 1, width=width), kept[1][:, own, None]], axis=-1)
    shares = prepared(rows, "row")
    base = rollout(prepared(of_sentence(encoder, "norm", 1), "row"))[-1]
    expected = rollout_across(prepared(of_sentence(decoder, "norm", 1), "row"), shares[..., :-1], shares[..., -1], base)
    np.testing.assert_allclose(found["rollout"].values[:, own, :width], expected[0])
    np.testing.assert_allclose(found["rollout_target"].values[:, own, :4], expected[1])


def test_what_cannot_be_rolled_out_is_refused():
    ds = dataset()
    with pytest.raises(UsageError, match="layer 1"):
        prosect.derive("rollout", ds.sel(layer=[2, 3]))
    with pytest.raises(UsageError, match="whole sentences"):
        prosect.derive("rollout", ds.isel(token=slice(1, None)))
    with pytest.raises(UsageError, match="there are norm"):
        prosect.derive("rollout", ds, variable="alti")
    with pytest.raises(UsageError, match="'norm_own'"):
        prosect.derive("rollout_across", ds, ds, ds, variable="norm")
