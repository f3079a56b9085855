"""Sum of factors and token-wise terms on a GPU, beside the values of Mickus et al. and Oh & Schuler."""

import json

import numpy as np
import pytest

import prosect
from support.models import DATA, minilm_folder

pytestmark = pytest.mark.gpu

PRECISIONS = [("float64", 1e-10), ("float32", 5e-5)]
STREAM = {"name": "token_wise", "group": "stream"}
METRICS = {"importance": "spim", "cosine": "cosine", "distance": "l2", "norm_ratio": "norm_ratio"}


@pytest.fixture(scope="module")
def reference():
    return np.load(DATA / "mickus" / "marian" / "authors_f64.npz")


@pytest.fixture
def decoder(tmp_path, device, reference):
    """Run one decomposition of the golden's decoder; the result is in memory."""

    def run(decomposition, dtype, **analysis):
        row = {
            "input_ids": reference["src_ids"][0].tolist(),
            "decoder_input_ids": reference["decoder_input_ids"][0].tolist(),
        }
        (tmp_path / "ids.jsonl").write_text(json.dumps(row), encoding="utf-8")
        spec = {
            "prosect": 1,
            "models": {"m": {"load": str(DATA / "mickus" / "marian"), "dtype": dtype}},
            "corpora": {"c": {"kind": "token_ids", "path": str(tmp_path / "ids.jsonl")}},
            "analyses": {"a": {"corpus": "c", "decomposition": decomposition, "keep": ["terms"], **analysis}},
            "compute": {"device": device},
        }
        return prosect.run(spec, tmp_path / "out.zarr", quiet=True)["m/a/decoder"].to_dataset().load()

    return run


def in_order(ds, variable, *components):
    """A variable with the authors' order of components, (layer, token, component, ...)."""
    return ds[variable].sel(component=list(components)).transpose("layer", "token", "component", ...)


AUTHORS_ORDER = ("input", "cross_attention", "attention", "feed_forward", "bias")


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
def test_terms_of_a_marian_decoder_are_those_of_the_authors(decoder, assert_agrees, reference, dtype, tolerance):
    ds = decoder("sum_of_factors", dtype, metrics=list(METRICS))
    assert_agrees(
        f"mickus 2023 marian terms {dtype}", in_order(ds, "terms", *AUTHORS_ORDER), reference["mickus"], tolerance
    )
    for mine, theirs in METRICS.items():
        values = in_order(ds, mine, *AUTHORS_ORDER)
        assert_agrees(f"mickus 2023 marian {mine} {dtype}", values, reference[f"sims.{theirs}"], tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
def test_streams_of_a_marian_decoder_are_those_of_oh_and_schuler(decoder, assert_agrees, reference, dtype, tolerance):
    ds = decoder(STREAM, dtype)
    terms = in_order(ds, "terms", "source", "target", "bias")
    assert_agrees(f"oh & schuler marian terms {dtype}", terms, reference["oh_schuler"], tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-8), ("float32", 5e-5)])
def test_importance_on_minilm_is_that_of_the_authors(tmp_path, device, assert_agrees, dtype, tolerance):
    expected = json.loads((DATA / "mickus" / "minilm_importance.json").read_text(encoding="utf-8"))
    spec = {
        "prosect": 1,
        "models": {"m": {"load": str(minilm_folder()), "dtype": dtype}},
        "corpora": {"c": {"kind": "inline", "sentences": [sentence["text"] for sentence in expected["sentences"]]}},
        "analyses": {"a": {"corpus": "c", "decomposition": "sum_of_factors", "metrics": ["importance"]}},
        "compute": {"device": device},
    }
    ds = prosect.run(spec, tmp_path / "out.zarr", quiet=True)["m/a"].to_dataset().load()
    for number, sentence in enumerate(expected["sentences"]):
        mine = ds.isel(token=ds["sentence"].values == number)
        assert [str(text) for text in mine["text"].values] == sentence["tokens"]
        values = in_order(mine, "importance", *expected["components"])
        assert_agrees(f"mickus 2022 minilm importance {dtype}", values, np.array(sentence["importance"]), tolerance)
