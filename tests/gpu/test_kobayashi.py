"""Norms and maps of Kobayashi et al. 2020, 2021 and 2024 on a GPU, beside the authors' and brute-force values."""

import json

import numpy as np
import pytest
import torch

import prosect
from prosect.api import Options
from prosect.model.weights import attention_weights
from prosect.terms.factored import FactoredStart
from prosect.terms.reading import Reading
from prosect_plugins.metrics import maps
from prosect_plugins.metrics.options import ShareOptions
from support.cross_attention import SHAPE, CrossAttention
from support.models import DATA

pytestmark = pytest.mark.gpu

PRECISIONS = ["float64", "float32"]
SCOPES_2021 = {
    "attn": ("attn_n", "mix_attn"),
    "attn_res": ("attnres_n", "mix_attnres"),
    "attn_res_norm": ("attnresln_n", "mix_attnresln"),
}
SCOPES_2024 = {"attn_res_norm": "LN1", "ff": "FFN", "ff_res": "res2", "ff_res_norm": "encoder"}
PRE_NORM = {"attn": "attn_n", "attn_res": "atb_n", "attn_res_norm": "atbln_n", "ff": "atblnff{}_n"}
RULES = {"path": "_ig", "half": "_half", "frozen": "_frozen"}


@pytest.fixture
def measured(tmp_path, device):
    """Run one decomposition of a golden's model on its sentence; the result is in memory."""

    def run(family, decomposition, dtype, rows=None, **analysis):
        folder = DATA / "kobayashi" / family
        (tmp_path / "ids.jsonl").write_text("\n".join(map(json.dumps, rows or sentences(family))), encoding="utf-8")
        spec = {
            "prosect": 1,
            "models": {"m": {"load": str(folder), "dtype": dtype}},
            "corpora": {"c": {"kind": "token_ids", "path": str(tmp_path / "ids.jsonl")}},
            "analyses": {"a": {"corpus": "c", "decomposition": decomposition, **analysis}},
            "compute": {"device": device},
        }
        return prosect.run(spec, tmp_path / "out.zarr", quiet=True)["m/a"].to_dataset().load()

    return run


def sentences(family, lengths=(None,)):
    """Rows of the golden's sentence, each cut to a length."""
    inputs = np.load(DATA / "kobayashi" / family / "inputs.npz")
    names = [name for name in ("input_ids", "token_type_ids") if name in inputs]
    return [{name: inputs[name][0][:length].tolist() for name in names} for length in lengths]


def golden(family, name="brute_f64"):
    return np.load(DATA / "kobayashi" / family / f"{name}.npz")


@pytest.mark.parametrize(("dtype", "name", "tolerance"), [("float64", "f64", 1e-9), ("float32", "f32", 5e-6)])
def test_attention_norms_are_those_of_the_authors(measured, assert_agrees, dtype, name, tolerance):
    ds, reference = measured("bert", "attention_norms", dtype), golden("bert", f"authors_{name}")
    names = {"weight": "alpha", "value_norm": "fx_norm", "weighted_norm": "afx_norm"}
    for layer in range(3):
        for mine, theirs in {**names, "attention_norm": "summed_afx_norm"}.items():
            values = ds[mine].sel(layer=layer + 1)
            assert_agrees(f"kobayashi 2020 bert {mine} {dtype}", values, reference[f"k20.L{layer}.{theirs}"], tolerance)


@pytest.mark.parametrize(("dtype", "name", "tolerance"), [("float64", "f64", 1e-9), ("float32", "f32", 5e-6)])
def test_maps_of_2021_are_those_of_the_authors(measured, assert_agrees, dtype, name, tolerance):
    ds, reference = measured("bert", "attention_maps", dtype), golden("bert", f"authors_{name}")
    for layer in range(3):
        for scope, (norm, mixing) in SCOPES_2021.items():
            at = ds.sel(layer=layer + 1, scope=scope)
            assert_agrees(
                f"kobayashi 2021 bert {scope} {dtype}", at["norm"], reference[f"k21.L{layer}.{norm}"], tolerance
            )
            expected = reference[f"k21.L{layer}.{mixing}"]
            assert_agrees(f"kobayashi 2021 bert {scope} mixing {dtype}", at["mixing_ratio"], expected, tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-8), ("float32", 5e-6)])
def test_maps_of_2024_are_those_of_decompx(measured, assert_agrees, dtype, tolerance):
    ds, reference = measured("bert", "attention_maps", dtype), golden("bert", "authors_f64")
    for layer in range(3):
        for scope, key in SCOPES_2024.items():
            values, expected = ds["norm"].sel(layer=layer + 1, scope=scope), f"dx_local_nobias.L{layer}.{key}.norm"
            assert_agrees(f"kobayashi 2024 bert {scope} {dtype}", values, reference[expected], tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-9), ("float32", 5e-6)])
def test_a_padded_sentence_gives_the_values_of_the_authors_padded_run(measured, assert_agrees, dtype, tolerance):
    length = int(np.load(DATA / "kobayashi" / "bert" / "inputs.npz")["attention_mask_padded"].sum())
    ds = measured("bert", "attention_maps", dtype, rows=sentences("bert", (length, None)))
    mine, reference = ds.isel(token=ds["sentence"].values == 0), golden("bert", "authors_padded_f64")
    for layer in range(3):
        for scope, (norm, _) in SCOPES_2021.items():
            values = mine["norm"].sel(scope=scope, layer=layer + 1)
            expected = reference[f"k21.L{layer}.{norm}"].squeeze()[:length, :length]
            assert_agrees(f"kobayashi 2021 bert padded {scope} {dtype}", values[:, :length], expected, tolerance)
            assert np.isnan(values[:, length:]).all()


@pytest.mark.parametrize("dtype", PRECISIONS)
@pytest.mark.parametrize(("family", "gated"), [("gpt2", "path"), *(("llama", rule) for rule in RULES)])
def test_maps_of_pre_norm_decoders(measured, assert_agrees, family, gated, dtype):
    """The norms of Llama are computed in float32 in either case."""
    rule, tolerance = RULES[gated] if family == "llama" else "", 1e-5
    if family == "gpt2":
        tolerance = 1e-9 if dtype == "float64" else 5e-6
    ds, reference = measured(family, {"name": "attention_maps", "gated": gated}, dtype), golden(family)
    for layer in range(len(ds["layer"])):
        for scope, key in {**PRE_NORM, "ff_res": "atblnffres{}_n"}.items():
            expected = reference[f"L{layer}.{key.format(rule)}"]
            values = ds["norm"].sel(scope=scope, layer=layer + 1)
            assert_agrees(f"kobayashi 2024 {family}{rule} {scope} {dtype}", values, expected, tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-8), ("float32", 2e-5)])
def test_tokens_carried_through_all_blocks_are_those_of_decompx(measured, assert_agrees, dtype, tolerance):
    decompx = {"name": "token_wise", "feed_forward": "secant", "value_bias": "first_block"}
    ds, reference = measured("bert", decompx, dtype, metrics=["norm"]), golden("bert", "authors_f64")
    for layer in range(3):
        expected = reference[f"dx_global_nobias.L{layer}.aggregated.norm"]
        assert_agrees(f"decompx bert global {dtype}", ds["norm"].sel(layer=layer + 1), expected, tolerance)


@pytest.mark.parametrize("dtype", PRECISIONS)
def test_norms_of_a_cross_attention_are_those_of_the_authors(device, assert_agrees, dtype):
    """The authors' module computes its softmax in float32, so float64 comes no nearer."""
    reference, precision = (
        np.load(DATA / "kobayashi" / "nmt" / "cross_attention_authors_f32.npz"),
        getattr(torch, dtype),
    )
    weights = attention_weights(CrossAttention(reference).to(device), SHAPE, precision)
    memory, alpha = (torch.from_numpy(reference[name][None]).to(device, precision) for name in ("key_value", "alpha"))
    with torch.no_grad():
        terms = FactoredStart(causal=False, sources=9).encoder(memory).attended(alpha, weights, value_bias=True)
        reading = Reading(terms, terms.sum())
        found = {
            "fx_norm": maps.value_norm(reading, reading.total, Options()),
            "afx_norm": maps.weighted_norm(reading, reading.total, ShareOptions()),
            "summed_afx_norm": maps.attention_norm(reading, reading.total, ShareOptions()),
            "attn_out": terms.sum() + weights.output.bias,
        }
    for name, values in found.items():
        assert_agrees(f"kobayashi 2020 cross-attention {name} {dtype}", values.cpu().numpy(), reference[name], 5e-6)
