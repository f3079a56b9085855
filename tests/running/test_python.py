"""The Python interface: specs as objects, models in memory, no store."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

import prosect
from prosect.errors import SpecError
from prosect.spec.models import Spec
from support.models import minilm_folder, random_module

TEXTS = ["The cat sat on the mat.", "Nobody came."]


@pytest.fixture(scope="module")
def minilm():
    return AutoModel.from_pretrained(minilm_folder()), AutoTokenizer.from_pretrained(minilm_folder())


def spec(**model):
    return {
        "prosect": 1,
        "models": {"m": model},
        "corpora": {"c": {"kind": "inline", "sentences": TEXTS}},
        "analyses": {"a": {"corpus": "c", "decomposition": "sum_of_factors", "keep": ["terms"]}},
    }


def test_decompose_gives_what_a_store_gives(minilm, tmp_path):
    alone = prosect.decompose(*minilm, TEXTS)
    stored = prosect.run(spec(), tmp_path / "out.zarr", models={"m": minilm}, quiet=True)["m/a"].to_dataset().load()
    for name in ("importance", "norm", "cosine", "terms"):
        np.testing.assert_array_equal(alone[name], stored[name])
    assert list(alone.coords) == [name for name in alone.coords if name in stored.coords]


def test_a_model_in_memory_is_known_by_its_weights(tmp_path):
    module = random_module("bert")
    source = spec()
    source["corpora"]["c"]["sentences"] = [[1, 2, 3], [4, 5]]
    first = prosect.run(source, tmp_path / "out.zarr", models={"m": (module, None)}, quiet=True)
    assert prosect.plan(source, tmp_path / "out.zarr", models={"m": (module, None)}).steps[0].state != "changed"
    with torch.no_grad():
        next(module.parameters()).add_(1.0)
    with pytest.raises(prosect.errors.StoreError, match="weights"):
        prosect.run(source, tmp_path / "out.zarr", models={"m": (module, None)}, quiet=True)
    assert first["m/a"].attrs["model_dtype"] == "float32"


def test_the_dtype_of_a_model_in_memory_is_its_own():
    ds = prosect.decompose(random_module("gpt2").double(), None, [[1, 2, 3]])
    assert ds["terms"].dtype == np.float64
    assert ds.attrs["closure_max"] < 1e-12


def test_a_spec_may_be_an_object(tmp_path, minilm):
    found = Spec.model_validate(spec())
    tree = prosect.run(found, tmp_path / "out.zarr", models={"m": minilm}, quiet=True)
    assert "m/a" in [node.path.lstrip("/") for node in tree.subtree]


def test_a_wrong_option_is_a_spec_error_that_names_it(minilm):
    with pytest.raises(SpecError, match="did you mean 'kind'"):
        prosect.decompose(*minilm, TEXTS, by="knd")


def test_an_encoder_decoder_gives_the_stream_that_is_asked_for():
    module = random_module("marian")
    decoder = prosect.decompose(module, None, [[1, 2, 3]], targets=[[4, 5]])
    encoder = prosect.decompose(module, None, [[1, 2, 3]], targets=[[4, 5]], stream="encoder")
    assert (decoder.sizes["token"], encoder.sizes["token"]) == (2, 3)
    assert "cross_attention" in decoder["component"].values


def test_importing_prosect_imports_neither_torch_nor_xarray():
    code = "import sys, prosect; print([m for m in ('torch', 'transformers', 'xarray', 'zarr') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_names_that_do_not_exist_are_refused_and_those_that_do_are_listed():
    with pytest.raises(AttributeError, match="nothing_here"):
        _ = prosect.nothing_here
    assert {"run", "plan", "open", "decompose"} <= set(dir(prosect))


@pytest.mark.slow
def test_a_type_checker_accepts_a_user_and_refuses_nonsense(tmp_path):
    good = "import prosect\ntree = prosect.run({'prosect': 1}, out='x')\nreveal_type(tree)\n"
    bad = "import prosect\nprosect.run(3)\nprosect.open()\n"
    for name, text in (("good.py", good), ("bad.py", bad)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    check = [sys.executable, "-m", "mypy", "--strict", "--config-file", "", "--cache-dir", str(tmp_path / "cache")]
    fine = subprocess.run([*check, "good.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    wrong = subprocess.run([*check, "bad.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert fine.returncode == 0, fine.stdout
    assert "DataTree" in fine.stdout
    assert "arg-type" in wrong.stdout
    assert "call-arg" in wrong.stdout


def test_texts_that_are_cut_are_warned_of_and_counted():
    with pytest.warns(UserWarning, match=r"not all of the texts.*: 1 sentence cut, 10 tokens cut"):
        ds = prosect.decompose(random_module("bert", max_position_embeddings=30), None, [[1] * 40, [2] * 5])
    assert ds.sizes["token"] == 35
    assert ds.attrs["losses"] == {"sentences_dropped": 0, "sentences_cut": 1, "tokens_cut": 10}
