"""Tokens carried through all blocks on a GPU: the authors' values, and labels replayed a few at a time."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

import prosect
from prosect.running.budget import Budget
from support.models import DATA, random_module

pytestmark = pytest.mark.gpu

BERT = DATA / "kobayashi" / "bert"
PRECISIONS = [("float64", 1e-8), ("float32", 5e-6)]
DECOMPX = {"name": "token_wise", "feed_forward": "secant", "value_bias": "first_block"}


@pytest.fixture
def decompx(tmp_path, device):
    """Run the rules of DecompX on the sentence of the authors' run, down to the classifier."""

    def run(bias, dtype, metrics):
        inputs = np.load(BERT / "inputs.npz")
        row = {name: inputs[name][0].tolist() for name in ("input_ids", "token_type_ids")}
        (tmp_path / "ids.jsonl").write_text(json.dumps(row), encoding="utf-8")
        spec = {
            "prosect": 1,
            "models": {"m": {"load": str(BERT), "dtype": dtype, "head": "own"}},
            "corpora": {"c": {"kind": "token_ids", "path": str(tmp_path / "ids.jsonl")}},
            "analyses": {"a": {"corpus": "c", "decomposition": {**DECOMPX, "bias": bias}, "metrics": metrics}},
            "compute": {"device": device},
        }
        return prosect.run(spec, tmp_path / "out.zarr", quiet=True)["m/a"].to_dataset().load()

    return run


@pytest.mark.parametrize(("dtype", "tolerance"), PRECISIONS)
@pytest.mark.parametrize(("bias", "mode"), [("drop", "nobias"), ("share_abs_dot", "absdot")])
@pytest.mark.parametrize("beside", [[], ["norm"]], ids=["backward", "forward"])
def test_norms_and_classes_are_those_of_decompx(decompx, assert_agrees, bias, mode, beside, dtype, tolerance):  # noqa: PLR0913, PLR0917 - fixtures and parameters
    reference = np.load(BERT / "decompx_global_f64.npz")
    ds = decompx(bias, dtype, [{"name": "logit_contribution", "output": [0, 1]}, *beside])
    classes = ds["logit_contribution"].sel(layer=3).isel(token=0).transpose("source", "output")
    assert_agrees(f"decompx {mode} classes {dtype}", classes, reference[f"dx_global_{mode}.classifier"], tolerance)
    for layer in range(3) if beside else ():
        norms = ds["norm"].sel(layer=layer + 1)
        assert_agrees(f"decompx {mode} norms {dtype}", norms, reference[f"dx_global_{mode}.L{layer}.norm"], tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-9), ("float32", 1e-4)])
@pytest.mark.parametrize("source", ["group", "token", "carried"])
def test_a_few_labels_at_a_time_give_what_all_give_on_the_cpu(
    monkeypatch, device, assert_agrees, source, dtype, tolerance
):
    module = random_module("marian").to(getattr(torch, dtype))
    rows = np.random.default_rng(0).integers(1, 58, size=(2, 20)).tolist()
    how = {"targets": rows[::-1], "source": source, "stream": "decoder" if source == "group" else "cross"}
    expected = prosect.decompose(module, None, rows, "token_wise", **how)
    whole = Budget.of(torch.device(device))
    monkeypatch.setattr(Budget, "of", classmethod(lambda _cls, _device: replace(whole, terms=1)))
    found = prosect.decompose(module.to(device), None, rows, "token_wise", **how)
    for name, values in expected.data_vars.items():
        assert_agrees(f"the cpu, parts of {source} {dtype}", found[name], values.values, tolerance)
