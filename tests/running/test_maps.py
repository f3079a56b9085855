"""Attention norms and maps from a spec to the store, beside the authors' values."""

import json
from functools import cache

import numpy as np
import pytest

import prosect
from prosect.errors import SpecError, UsageError
from support.models import DATA, FAMILIES

POST_NORM = {
    "attn": "k21.L{}.attn_n",
    "attn_res": "k21.L{}.attnres_n",
    "attn_res_norm": "k21.L{}.attnresln_n",
    "ff": "dx_local_nobias.L{}.FFN.norm",
    "ff_res": "dx_local_nobias.L{}.res2.norm",
    "ff_res_norm": "dx_local_nobias.L{}.encoder.norm",
}
PRE_NORM = {
    "attn": "L{}.attn_n",
    "attn_res": "L{}.atb_n",
    "attn_res_norm": "L{}.atbln_n",
    "ff": "L{}.atblnff{}_n",
    "ff_res": "L{}.atblnffres{}_n",
}
MIXING = {"attn": "k21.L{}.mix_attn", "attn_res": "k21.L{}.mix_attnres", "attn_res_norm": "k21.L{}.mix_attnresln"}


def run(tmp_path, family, decomposition, *, dtype="float64", rows=None, **analysis):
    tmp_path.mkdir(exist_ok=True)
    folder = DATA / "kobayashi" / family
    inputs = np.load(folder / "inputs.npz")
    row = {"input_ids": inputs["input_ids"][0].tolist()}
    if "token_type_ids" in inputs:
        row["token_type_ids"] = inputs["token_type_ids"][0].tolist()
    (tmp_path / "ids.jsonl").write_text("\n".join(map(json.dumps, rows or [row])), encoding="utf-8")
    spec = {
        "prosect": 1,
        "models": {"m": {"load": str(folder), "dtype": dtype}},
        "corpora": {"c": {"kind": "token_ids", "path": str(tmp_path / "ids.jsonl")}},
        "analyses": {"a": {"corpus": "c", "decomposition": decomposition, **analysis}},
        "compute": {"device": "cpu"},
    }
    return prosect.run(spec, tmp_path / f"{family}-{dtype}.zarr", quiet=True)["m/a"].to_dataset().load()


def golden(family, name="brute_f64"):
    return np.load(DATA / "kobayashi" / family / f"{name}.npz")


def assert_close(values, reference, tolerance):
    reference = reference.squeeze()
    assert np.abs(values - reference).max() <= tolerance * np.abs(reference).max()


@pytest.mark.parametrize(
    ("dtype", "name", "tolerance"), [("float64", "authors_f64", 1e-9), ("float32", "authors_f32", 5e-6)]
)
def test_attention_norms_are_those_of_the_authors(tmp_path, dtype, name, tolerance):
    ds, reference = run(tmp_path, "bert", "attention_norms", dtype=dtype), golden("bert", name)
    assert ds["weighted_norm"].dims == ("layer", "head", "token", "source")
    assert ds["value_norm"].dims == ("layer", "head", "token")
    assert ds["attention_norm"].dims == ("layer", "token", "source")
    for layer in range(3):
        at = ds.sel(layer=layer + 1)
        assert_close(at["weight"].values, reference[f"k20.L{layer}.alpha"], tolerance)
        assert_close(at["value_norm"].values, reference[f"k20.L{layer}.fx_norm"], tolerance)
        assert_close(at["weighted_norm"].values, reference[f"k20.L{layer}.afx_norm"], tolerance)
        assert_close(at["attention_norm"].values, reference[f"k20.L{layer}.summed_afx_norm"], tolerance)


def test_maps_and_mixing_ratios_of_bert_are_those_of_the_authors(tmp_path):
    ds, reference = run(tmp_path, "bert", "attention_maps"), golden("bert", "authors_f64")
    assert ds["norm"].dims == ("scope", "layer", "token", "source")
    assert ds["mixing_ratio"].dims == ("scope", "layer", "token")
    assert list(ds["scope"].values) == list(POST_NORM)
    for layer in range(3):
        for scope, key in POST_NORM.items():
            tolerance = 1e-9 if key.startswith("k21") else 1e-8
            assert_close(ds["norm"].sel(scope=scope, layer=layer + 1).values, reference[key.format(layer)], tolerance)
        for scope, key in MIXING.items():
            assert_close(
                ds["mixing_ratio"].sel(scope=scope, layer=layer + 1).values, reference[key.format(layer)], 1e-9
            )


def test_maps_of_bert_in_float32(tmp_path):
    ds, reference = run(tmp_path, "bert", "attention_maps", dtype="float32"), golden("bert", "authors_f32")
    for layer in range(3):
        for scope in ("attn", "attn_res", "attn_res_norm"):
            assert_close(
                ds["norm"].sel(scope=scope, layer=layer + 1).values, reference[POST_NORM[scope].format(layer)], 5e-6
            )


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-9), ("float32", 5e-6)])
def test_a_padded_sentence_gives_the_values_of_the_authors_padded_run(tmp_path, dtype, tolerance):
    inputs = np.load(DATA / "kobayashi" / "bert" / "inputs.npz")
    reference = golden("bert", f"authors_padded_{dtype[0]}{dtype[-2:]}")
    length = int(inputs["attention_mask_padded"].sum())
    short = {
        "input_ids": inputs["input_ids_padded"][0][:length].tolist(),
        "token_type_ids": inputs["token_type_ids"][0][:length].tolist(),
    }
    long = {"input_ids": inputs["input_ids"][0].tolist(), "token_type_ids": inputs["token_type_ids"][0].tolist()}
    ds = run(tmp_path, "bert", "attention_maps", dtype=dtype, rows=[short, long])
    mine = ds.isel(token=ds["sentence"].values == 0)
    assert np.isnan(mine["norm"].isel(source=slice(length, None))).all()
    for layer in range(3):
        for scope in ("attn", "attn_res", "attn_res_norm"):
            values = mine["norm"].sel(scope=scope, layer=layer + 1).values[:, :length]
            assert_close(values, reference[POST_NORM[scope].format(layer)].squeeze()[:length, :length], tolerance)


@pytest.fixture(scope="module")
def successors(tmp_path_factory):
    """Runs of `everything` by dtype, each made once."""
    return cache(lambda dtype: everything(tmp_path_factory.mktemp(dtype), dtype))


def everything(tmp_path, dtype):
    """Run everything that came after the maps of 2021, on the model of the authors' values."""
    folder = DATA / "kobayashi" / "bert"
    inputs = np.load(folder / "inputs.npz")
    row = {name: inputs[name][0].tolist() for name in ("input_ids", "token_type_ids")}
    (tmp_path / "ids.jsonl").write_text(json.dumps(row), encoding="utf-8")
    globenc = {"name": "attention_maps", "feed_forward": "source", "scopes": ["ff_res_norm"]}
    of_norms = ["value_zeroing", "weight_mixing_ratio", "expansion_rate"]
    spec = {
        "prosect": 1,
        "models": {"m": {"load": str(folder), "dtype": dtype}},
        "corpora": {"c": {"kind": "token_ids", "path": str(tmp_path / "ids.jsonl")}},
        "analyses": {
            "maps": {"corpus": "c", "decomposition": "attention_maps", "metrics": ["norm", "mixing_ratio", "alti"]},
            "globenc": {"corpus": "c", "decomposition": globenc},
            "norms": {"corpus": "c", "decomposition": "attention_norms", "metrics": of_norms},
            "raw": {
                "corpus": "c",
                "decomposition": "attention_norms",
                "metrics": [{"name": "value_zeroing", "normalise": "none"}],
            },
        },
        "derived": {
            "globenc": {"name": "rollout", "of": "m/globenc"},
            "decompx": {"name": "rollout", "of": "m/maps", "scope": "ff_res_norm"},
            "alti": {"name": "rollout", "of": "m/maps", "variable": "alti", "scope": "attn_res_norm"},
        },
        "compute": {"device": "cpu"},
    }
    return prosect.run(spec, tmp_path / "successors.zarr", quiet=True)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-9), ("float32", 5e-6)])
def test_what_comes_after_2021_is_that_of_its_authors(successors, dtype, tolerance):
    """GlobEnc, ratios of weights, and rollouts; maps of DecompX are limited by the 1e-12 in its denominator."""
    tree = successors(dtype)
    maps, passed, norms = (tree[f"m/{name}"].to_dataset().load() for name in ("maps", "globenc", "norms"))
    theirs, older = (
        golden("bert", f"successors_{dtype[0]}{dtype[-2:]}"),
        golden("bert", f"authors_{dtype[0]}{dtype[-2:]}"),
    )
    rolled = {name: tree[f"derived/{name}"].to_dataset().load()["rollout"] for name in ("globenc", "decompx", "alti")}
    for layer in range(3):
        at = {"layer": layer + 1}
        assert_close(passed["norm"].sel(at).values, theirs[f"globenc.L{layer}"], tolerance)
        assert_close(passed["mixing_ratio"].sel(at).values, theirs[f"globenc.L{layer}.mix_encoder_noffn"], tolerance)
        assert_close(norms["weight_mixing_ratio"].sel(at).values, older[f"k21.L{layer}.mix_attn_w"], tolerance)
        assert_close(norms["weight_mixing_ratio_res"].sel(at).values, older[f"k21.L{layer}.mix_attnres_w"], tolerance)
        assert_close(rolled["decompx"].sel(at).values, theirs[f"dx_rollout_nobias.L{layer}"], max(tolerance, 1e-8))
        # The authors leave epsilon out of the deviation; see the test of ALTI by itself.
        alti = {f"alti.L{layer}.normalized": maps["alti"].sel(at | {"scope": "attn_res_norm"})}
        for key, values in {**alti, f"alti.rollout.L{layer}": rolled["alti"].sel(at)}.items():
            assert 1e-6 < np.abs(values.values - theirs[key].squeeze()).max() < 2e-4
    assert_close(rolled["globenc"].sel(layer=3).values, theirs["globenc.rollout_final"], tolerance)


def test_measures_that_only_brute_force_gives(successors):
    tree, brute = successors("float64"), golden("bert", "brute_f64")
    maps, norms, raw = (tree[f"m/{name}"].to_dataset().load() for name in ("maps", "norms", "raw"))
    for layer in range(3):
        at = {"layer": layer + 1}
        assert_close(norms["value_zeroing"].sel(at).values, brute[f"L{layer}.valuezeroing"], 1e-9)
        assert_close(raw["value_zeroing"].sel(at).values, brute[f"L{layer}.valuezeroing_raw"], 1e-9)
        for scope, key in (("ff", "atbff"), ("ff_res", "atbffres"), ("ff_res_norm", "atbffresln")):
            assert_close(maps["norm"].sel(at | {"scope": scope}).values, brute[f"L{layer}.{key}_n"], 1e-9)
            assert_close(maps["mixing_ratio"].sel(at | {"scope": scope}).values, brute[f"L{layer}.mix_{key}"], 1e-9)


def test_expansion_rates_are_those_which_the_authors_printed(successors):
    ds = successors("float64")["m/norms"].to_dataset().load()
    known = json.loads((DATA / "kobayashi" / "bert" / "expansion_rate.json").read_text(encoding="utf-8"))
    assert ds["expansion_rate"].dims == ("layer",)
    np.testing.assert_allclose(ds["expansion_rate_as_coded"], known["as_coded"], rtol=1e-12)
    np.testing.assert_allclose(ds["expansion_rate"], known["as_described"], rtol=1e-12)
    np.testing.assert_allclose(ds["expansion_rate_as_coded"], known["printed_by_the_authors_code"], atol=5.001e-4)


def test_maps_of_the_feed_forward_block_in_float32(tmp_path):
    ds, reference = run(tmp_path, "bert", "attention_maps", dtype="float32"), golden("bert", "successors_f32")
    for layer in range(3):
        for scope, name in (("ff", "FFN"), ("ff_res", "res2"), ("ff_res_norm", "encoder")):
            values = ds["norm"].sel(scope=scope, layer=layer + 1).values
            assert_close(values, reference[f"dx_local_nobias.L{layer}.{name}.norm"], 5e-6)


def test_only_the_scopes_that_are_asked_for_are_read(tmp_path):
    every = run(tmp_path, "bert", "attention_maps")
    some = run(tmp_path / "some", "bert", {"name": "attention_maps", "scopes": ["attn_res_norm", "attn"]})
    assert list(some["scope"].values) == ["attn", "attn_res_norm"]
    np.testing.assert_array_equal(some["norm"], every["norm"].sel(scope=some["scope"]))
    with pytest.raises(SpecError, match=r"no scope 'attn_nrom'.*attn_res_norm"):
        run(tmp_path / "wrong", "bert", {"name": "attention_maps", "scopes": ["attn_nrom"]})


def test_heads_have_maps_of_their_own_at_the_scopes_of_attention(tmp_path):
    options = {"name": "attention_maps", "scopes": ["attn", "attn_res_norm"]}
    ds = run(tmp_path, "bert", options, metrics=["weighted_norm", "weight"])
    norms = run(tmp_path / "norms", "bert", "attention_norms")
    assert ds["weighted_norm"].dims == ("scope", "layer", "head", "token", "source")
    np.testing.assert_allclose(ds["weighted_norm"].sel(scope="attn"), norms["weighted_norm"], rtol=1e-12)
    with pytest.raises(UsageError, match="choose other 'scopes'"):
        run(tmp_path / "ff", "bert", "attention_maps", metrics=["weighted_norm"])


LLAMA_RULES = [("llama", rule, 1e-5) for rule in ("ig", "half", "frozen")]


@pytest.mark.parametrize(("family", "rule", "tolerance"), [("gpt2", "", 1e-9), *LLAMA_RULES])
def test_maps_of_pre_norm_decoders(tmp_path, family, rule, tolerance):
    gated = {"ig": "path", "": "path"}.get(rule, rule)
    ds, reference = run(tmp_path, family, {"name": "attention_maps", "gated": gated}), golden(family)
    assert list(ds["scope"].values) == list(PRE_NORM)
    for layer in range(len(ds["layer"])):
        for scope, key in PRE_NORM.items():
            name = key.format(layer, f"_{rule}" if rule else "")
            assert_close(ds["norm"].sel(scope=scope, layer=layer + 1).values, reference[name], tolerance)
    upper = np.triu(np.ones((ds.sizes["token"], ds.sizes["source"]), dtype=bool), 1)
    assert (ds["norm"].values[..., upper] == 0).all()


@pytest.mark.parametrize("family", FAMILIES)
def test_maps_run_and_close_on_every_family_and_stream(tmp_path, family, spec, carry_out):
    source = spec(family, number=12, model={"dtype": "float64"}, decomposition="attention_maps")
    tree = prosect.open(carry_out(source).store)
    for stream in FAMILIES[family].streams:
        ds = (tree["m/a"] if stream == "main" else tree[f"m/a/{stream}"]).to_dataset()
        assert ds.attrs["closure_max"] < ds.attrs["closure_tolerance"]
        assert not any(name.startswith("cross") and "_res" not in name for name in ds["scope"].values)
        lengths = np.bincount(ds["sentence"])[ds["sentence"]]
        beyond = np.arange(ds.sizes["source"]) >= lengths[:, None]
        assert np.isnan(ds["norm"].values[..., beyond]).all()
        assert np.isfinite(ds["norm"].values[..., ~beyond]).all()
        assert list(ds["layer"].values) == list(range(1, ds.sizes["layer"] + 1))


def test_a_metric_of_maps_is_refused_for_other_terms(tmp_path):
    with pytest.raises(UsageError, match="use it with attention_maps, attention_norms"):
        run(tmp_path, "bert", "sum_of_factors", metrics=["mixing_ratio"])


def test_a_gram_matrix_is_refused_for_maps(tmp_path):
    with pytest.raises(UsageError, match="pairs"):
        run(tmp_path, "bert", "attention_maps", metrics=["dot"])


def marian_rows(tmp_path):
    golden_ids = np.load(DATA / "mickus" / "marian" / "authors_f64.npz")
    row = {
        "input_ids": golden_ids["src_ids"][0].tolist(),
        "decoder_input_ids": golden_ids["decoder_input_ids"][0].tolist(),
    }
    short = {"input_ids": row["input_ids"][:3], "decoder_input_ids": row["decoder_input_ids"][:2]}
    (tmp_path / "ids.jsonl").write_text(f"{json.dumps(short)}\n{json.dumps(row)}", encoding="utf-8")
    return golden_ids


def token_wise(tmp_path, **options):
    spec = {
        "prosect": 1,
        "models": {"m": {"load": str(DATA / "mickus" / "marian"), "dtype": "float64"}},
        "corpora": {"c": {"kind": "token_ids", "path": str(tmp_path / "ids.jsonl")}},
        "analyses": {
            "stream": {
                "corpus": "c",
                "decomposition": {"name": "token_wise", "group": "stream"},
                "metrics": ["norm", "importance"],
                "keep": ["terms"],
            },
            "token": {"corpus": "c", "decomposition": "token_wise", "metrics": ["norm", "importance"]},
        },
    }
    return prosect.run(spec, tmp_path / "out.zarr", quiet=True)


def test_token_wise_terms_of_a_marian_decoder_are_those_of_the_authors(tmp_path):
    reference = marian_rows(tmp_path)["oh_schuler"]
    ds = token_wise(tmp_path)["m/stream/decoder"].to_dataset().load()
    assert list(ds["component"].values) == ["source", "target", "bias"]
    mine = ds["terms"].isel(token=ds["sentence"].values == 1).transpose("layer", "token", "component", "hidden")
    assert np.abs(mine.values - reference).max() < 1e-10


def test_shares_of_single_tokens_add_up_to_the_share_of_their_stream(tmp_path):
    marian_rows(tmp_path)
    tree = token_wise(tmp_path)
    one, many = tree["m/token/decoder"].to_dataset().load(), tree["m/stream/decoder"].to_dataset().load()
    share = many["importance"]
    np.testing.assert_allclose(one["importance"].sum("source"), share.sel(component="target"), atol=1e-10)
    np.testing.assert_allclose(one["importance_encoder"], share.sel(component="source"), atol=1e-10)
    np.testing.assert_allclose(one["importance_bias"], share.sel(component="bias"), atol=1e-10)
    encoder = tree["m/stream/encoder"].to_dataset()
    assert list(encoder["component"].values) == ["input", "bias"]


def test_a_causal_token_owes_nothing_to_later_ones(tmp_path):
    marian_rows(tmp_path)
    ds = token_wise(tmp_path)["m/token/decoder"].to_dataset().load()
    whole = ds.isel(token=ds["sentence"].values == 1)["norm"].values
    assert (whole[:, np.triu(np.ones(whole.shape[1:], dtype=bool), 1)] == 0).all()
    assert (whole[-1][np.tril(np.ones(whole.shape[1:], dtype=bool))] > 0).all()


def test_token_wise_terms_of_bert_with_the_rules_of_decompx(tmp_path):
    options = {"feed_forward": "secant", "value_bias": "first_block"}
    ds = run(tmp_path, "bert", {"name": "token_wise", **options}, metrics=["norm"])
    reference = golden("bert", "authors_f64")
    for layer in range(3):
        assert_close(
            ds["norm"].sel(layer=layer + 1).values, reference[f"dx_global_nobias.L{layer}.aggregated.norm"], 1e-8
        )


@pytest.mark.parametrize("family", FAMILIES)
def test_token_wise_terms_close_on_every_family(family, spec, carry_out):
    source = spec(family, number=12, model={"dtype": "float64"}, decomposition="token_wise")
    tree = prosect.open(carry_out(source).store)
    for stream in FAMILIES[family].streams:
        ds = (tree["m/a"] if stream == "main" else tree[f"m/a/{stream}"]).to_dataset()
        assert ds.attrs["closure_max"] < ds.attrs["closure_tolerance"]
        rest = ds["importance_bias"] + (ds["importance_encoder"] if stream == "decoder" else 0)
        tolerance = 1e-5 if family == "llama" else 1e-9
        np.testing.assert_allclose(ds["importance"].sum("source") + rest, 1, atol=tolerance)
