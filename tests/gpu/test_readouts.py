"""The model's own head on sums of components: the numbers of the CPU."""

import numpy as np
import pytest

import prosect
from support.heads import Headed

pytestmark = pytest.mark.gpu

HEADS = [Headed("gpt2", "causal", {}), Headed("gemma2", "causal", {}), Headed("marian", "seq2seq", {})]
METRICS = ["next_token", "next_tokens", "delta_log_probability", {"name": "logit_lens"}]


@pytest.mark.parametrize("headed", HEADS, ids=str)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-6), ("float32", 1e-3)])
def test_readouts_give_the_numbers_of_the_cpu(tmp_path, device, assert_agrees, headed, dtype, tolerance):
    headed.module().save_pretrained(tmp_path / "model")
    rows = np.random.default_rng(0).integers(3, 58, size=(8, 9)).tolist()
    corpus = {"kind": "inline", "sentences": rows, **({"targets": rows[::-1]} if headed.task == "seq2seq" else {})}
    spec = {
        "prosect": 1,
        "models": {"m": {"load": str(tmp_path / "model"), "dtype": dtype, "head": "own"}},
        "corpora": {"c": corpus},
        "analyses": {"a": {"corpus": "c", "decomposition": "sum_of_factors", "metrics": METRICS}},
    }
    cpu, there = (
        prosect.run({**spec, "compute": {"device": name, "unit_tokens": 64}}, tmp_path / f"{number}.zarr", quiet=True)
        for number, name in enumerate(("cpu", device))
    )
    node = "m/a/decoder" if headed.task == "seq2seq" else "m/a"
    for name in ("next_loss", "next_cross_entropy", "delta_log_probability", "predicted_entropy"):
        assert_agrees(f"the cpu, {headed} {dtype} {name}", there[node][name].values, cpu[node][name].values, tolerance)
