"""The same numbers on a GPU; run with ``pytest -m gpu`` where there is one."""

import json

import numpy as np
import pytest
import torch

import prosect
from support.models import DATA, FAMILIES, random_module

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]


def both(tmp_path, source):
    found = []
    for device in ("cpu", "cuda"):
        source["compute"] = {"device": device, "unit_tokens": 64, "batch_tokens": 64}
        found.append(prosect.run(source, tmp_path / f"{device}.zarr", quiet=True))
    return found


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("decomposition", ["sum_of_factors", "attention_maps", "token_wise"])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-6), ("float32", 2e-4)])
def test_every_decomposition_gives_the_numbers_of_the_cpu(tmp_path, family, decomposition, dtype, tolerance):
    random_module(family).save_pretrained(tmp_path / "model")
    rows = np.random.default_rng(0).integers(1, 58, size=(8, 9)).tolist()
    corpus = {"kind": "inline", "sentences": rows, **({"targets": rows[::-1]} if family == "marian" else {})}
    source = {
        "prosect": 1,
        "models": {"m": {"load": str(tmp_path / "model"), "dtype": dtype}},
        "corpora": {"c": corpus},
        "analyses": {"a": {"corpus": "c", "decomposition": decomposition, "metrics": ["norm"]}},
    }
    cpu, cuda = both(tmp_path, source)
    for node in cpu.subtree:
        if "norm" in node.data_vars:
            one, other = node["norm"].values, cuda[node.path]["norm"].values
            np.testing.assert_allclose(other, one, rtol=tolerance, atol=tolerance * np.nanmax(one))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_terms_of_a_marian_decoder_are_those_of_the_authors(tmp_path, dtype):
    reference = np.load(DATA / "mickus" / "marian" / "authors_f64.npz")
    row = {
        "input_ids": reference["src_ids"][0].tolist(),
        "decoder_input_ids": reference["decoder_input_ids"][0].tolist(),
    }
    (tmp_path / "ids.jsonl").write_text(json.dumps(row), encoding="utf-8")
    source = {
        "prosect": 1,
        "models": {"m": {"load": str(DATA / "mickus" / "marian"), "dtype": dtype}},
        "corpora": {"c": {"kind": "token_ids", "path": str(tmp_path / "ids.jsonl")}},
        "analyses": {"a": {"corpus": "c", "decomposition": "sum_of_factors", "keep": ["terms"]}},
        "compute": {"device": "cuda"},
    }
    ds = prosect.run(source, tmp_path / "out.zarr", quiet=True)["m/a/decoder"].to_dataset()
    order = ["input", "cross_attention", "attention", "feed_forward", "bias"]
    terms = ds["terms"].sel(component=order).transpose("layer", "token", "component", "hidden").values
    assert np.abs(terms - reference["mickus"]).max() < (1e-10 if dtype == "float64" else 1e-4)
