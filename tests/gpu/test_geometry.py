"""Measures that are accumulated over a corpus: their reference values on a GPU, and the numbers of the CPU."""

import json

import numpy as np
import pytest
import torch

import prosect
from support.geometry import SETS, reference, vectors
from support.models import random_module

pytestmark = pytest.mark.gpu

# What the golden values are called, how to ask for them, and how far rounding in another order may take them.
GOLDEN = {
    "anisotropy": ("anisotropy", {}, 1e-12),
    "anisotropy_uncentred": ("anisotropy", {"center": False}, 1e-12),
    "participation_ratio": ("participation_ratio", {}, 1e-10),
    "isoscore=(PR-1)/(d-1)": ("isoscore", {}, 1e-10),
    "stable_rank(=1/anisotropy)": ("stable_rank", {}, 1e-12),
    "erank_singular_centred": ("effective_rank", {}, 1e-10),
    "rankme_paper(uncentred,singular,eps1e-7)": ("rankme", {}, 1e-10),
    "avg_cosine": ("anisotropy", {"method": "cosine"}, 1e-10),
    "twonn_linear_unique(keep=0.9)": ("intrinsic_dimension", {}, 1e-9),
    "twonn_ml_unique": ("intrinsic_dimension", {"fit": "maximum_likelihood"}, 1e-9),
    "mle_unique(k=20, harmonic)": ("intrinsic_dimension", {"method": "mle"}, 1e-9),
    "mom_unique(k=20, mean)": ("intrinsic_dimension", {"method": "mom"}, 1e-9),
}
METRICS = [
    "anisotropy",
    {"name": "anisotropy_split", "over": "component"},
    "isoscore",
    "participation_ratio",
    "effective_rank",
    "rankme",
    "matrix_entropy",
    "stable_rank",
    "self_similarity",
    "intra_sentence_similarity",
    "mev",
    "dispersion",
    {"name": "intrinsic_dimension", "error": "jackknife", "blocks": 4},
    "neighbourhood_overlap",
    "linear_map_r2",
]


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("key", GOLDEN)
def test_a_golden_value_is_measured(device, assert_within, name, key):
    metric, options, tolerance = GOLDEN[key]
    points = torch.from_numpy(vectors(name).astype(np.float64)).to(device)
    try:
        expected = float(reference(name, key))
    except KeyError:
        pytest.skip("the reference has no such value")
    found = float(prosect.measure(metric, points, **options))
    assert_within(f"geometry, {key}", abs(found - expected) / max(abs(expected), 1e-3), tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-7), ("float32", 2e-3)])
def test_every_accumulator_gives_the_number_of_the_cpu(tmp_path, device, assert_within, dtype, tolerance):
    random_module("bert").save_pretrained(tmp_path / "model")
    rows = np.random.default_rng(0).integers(1, 58, size=(60, 9)).tolist()
    (tmp_path / "ids.jsonl").write_text("".join(json.dumps({"input_ids": row}) + "\n" for row in rows), "utf-8")
    source = {
        "prosect": 1,
        "models": {"m": {"load": str(tmp_path / "model"), "dtype": dtype}},
        "corpora": {"c": {"kind": "token_ids", "path": str(tmp_path / "ids.jsonl")}},
        "analyses": {"a": {"corpus": "c", "decomposition": "sum_of_factors", "metrics": METRICS}},
    }
    cpu, there = (
        prosect.run({**source, "compute": {"device": name}}, out, quiet=True)["m/a"].ds.load()
        for name, out in (("cpu", tmp_path / "cpu.zarr"), (device, tmp_path / "there.zarr"))
    )
    compared = [name for name, variable in cpu.data_vars.items() if variable.dtype.kind == "f"]
    assert len(compared) >= len(METRICS)
    for name in compared:
        values, expected = there[name].values, cpu[name].values
        assert (np.isnan(values) == np.isnan(expected)).all()
        gap = np.nanmax(np.abs(values - expected), initial=0) / max(np.nanmax(np.abs(expected), initial=0), 1e-6)
        assert_within(f"accumulators, {name}, {dtype}", float(gap), tolerance)
