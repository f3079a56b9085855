"""The same specs on the CPU and on a GPU: the same numbers, whatever the family and the decomposition."""

import numpy as np
import pytest

import prosect
from support.models import FAMILIES, minilm_folder, random_module
from support.pages import ROOT

pytestmark = pytest.mark.gpu

DECOMPOSITIONS = [
    "sum_of_factors",
    {"name": "sum_of_factors", "by": "head"},
    {"name": "sum_of_factors", "by": "source"},
    "attention_norms",
    "attention_maps",
    "token_wise",
    {"name": "token_wise", "group": "stream"},
    "none",
]


def differences(one, other):
    """Largest difference of every variable, relative to its largest value."""
    for node in one.subtree:
        for name, variable in node.data_vars.items():
            if variable.dtype.kind == "f":
                values, others = variable.values, other[node.path][name].values
                assert (np.isnan(values) == np.isnan(others)).all()
                yield f"{node.path}/{name}", others, values


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("decomposition", DECOMPOSITIONS, ids=str)
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-6), ("float32", 2e-4)])
def test_every_decomposition_gives_the_numbers_of_the_cpu(  # noqa: PLR0913, PLR0917 - fixtures and parameters
    tmp_path, device, assert_agrees, family, decomposition, dtype, tolerance
):
    random_module(family).save_pretrained(tmp_path / "model")
    rows = np.random.default_rng(0).integers(1, 58, size=(8, 9)).tolist()
    corpus = {"kind": "inline", "sentences": rows, **({"targets": rows[::-1]} if family == "marian" else {})}
    source = {
        "prosect": 1,
        "models": {"m": {"load": str(tmp_path / "model"), "dtype": dtype}},
        "corpora": {"c": corpus},
        "analyses": {"a": {"corpus": "c", "decomposition": decomposition}},
    }
    cpu, there = (
        prosect.run({**source, "compute": {"device": name, "unit_tokens": 64, "batch_tokens": 64}}, out, quiet=True)
        for name, out in (("cpu", tmp_path / "cpu.zarr"), (device, tmp_path / "there.zarr"))
    )
    for _, values, expected in differences(cpu, there):
        assert_agrees(f"the cpu, {family} {dtype}", values, expected, tolerance)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-9), ("float32", 1e-4)])
def test_the_first_spec_of_the_documentation_gives_the_numbers_of_the_cpu(
    tmp_path, device, assert_agrees, dtype, tolerance
):
    assert minilm_folder().is_dir()
    cpu, there = (
        prosect.run(
            ROOT / "specs" / "quickstart.yaml",
            tmp_path / f"{number}.zarr",
            overrides=[f"compute.device={name}", f"models.minilm.dtype={dtype}"],
            quiet=True,
        )
        for number, name in enumerate(("cpu", device))
    )
    for name, values, expected in differences(cpu, there):
        assert_agrees(f"the cpu, quickstart {name} {dtype}", values, expected, tolerance)
