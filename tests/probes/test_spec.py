"""Probes from a spec: terms are kept by an analysis, read back from the store, and probed."""

from __future__ import annotations

import json

import numpy as np
import pytest

import prosect
from prosect.errors import SpecError
from support.models import minilm_folder

SENSES = {"bright": "light.lamp", "dim": "light.lamp", "heavy": "light.weight", "easy": "light.weight"}
RECORDS = [
    {"words": ["the", "light", "was", kind], "lemma": ["", "light", "", ""], "sense": ["", sense, "", ""]}
    for kind, sense in SENSES.items()
] * 4


@pytest.fixture
def spec(tmp_path):
    """A small untrained BERT reads sixteen sentences, the last four of them for the test."""
    parts = ["train"] * 8 + ["dev"] * 4 + ["test"] * 4
    lines = (json.dumps({**record, "split": part}) for record, part in zip(RECORDS, parts, strict=True))
    (tmp_path / "words.jsonl").write_text("\n".join(lines), encoding="utf-8")
    config = {
        "model_type": "bert",
        "hidden_size": 16,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 16,
        "vocab_size": 30522,
    }
    fixed = {"of": "m/vectors", "label": "sense", "group": "lemma", "split": "annotation", "part": "split"}
    return {
        "prosect": 1,
        "models": {"m": {"init": "random", "config": config, "tokenizer": str(minilm_folder())}},
        "corpora": {
            "c": {
                "kind": "jsonl",
                "path": str(tmp_path / "words.jsonl"),
                "word_annotations": ["lemma", "sense"],
                "annotations": ["split"],
            }
        },
        "analyses": {"vectors": {"corpus": "c", "decomposition": "sum_of_factors", "metrics": [], "keep": ["terms"]}},
        "derived": {
            "senses": {"name": "knn_probe", "neighbours": 1, **fixed},
            "again": {"name": "mlp_probe", "epochs": 2, "runs": 2, "subsets": "singletons", "layers": [2], **fixed},
            "agree": {"name": "prediction_agreement", "of": ["derived/again"]},
        },
    }


def test_terms_that_are_kept_are_probed(spec, tmp_path):
    """The same sentences stand in training and test, so the nearest neighbour is the sentence itself."""
    tree = prosect.run(spec, tmp_path / "out.zarr", quiet=True)["derived"]
    senses = tree["senses"].to_dataset()
    # Without attention to its neighbours the word is the same in all four sentences.
    assert (senses.accuracy.sel(layer=2, subset="attention") == 1).all()
    assert senses.gold.values.tolist() == ["light.lamp", "light.lamp", "light.weight", "light.weight"]
    assert senses.sentence.values.tolist() == [12, 13, 14, 15]
    assert tree["again"].accuracy.dims == ("layer", "subset", "run")
    np.testing.assert_allclose(np.diagonal(tree["agree"].prediction_agreement[0]), 1.0)
    for name, variable in senses.data_vars.items():
        assert {"long_name", "units", "reference"} <= set(variable.attrs), name


def test_the_plan_says_that_terms_must_be_kept(spec, tmp_path):
    spec["analyses"]["vectors"] |= {"keep": [], "metrics": ["norm"]}
    with pytest.raises(SpecError, match="terms"):
        prosect.plan(spec, tmp_path / "out.zarr")


def test_wrong_options_are_problems_of_the_plan(spec, tmp_path):
    spec["derived"]["senses"] |= {"fractions": [0.5, 0.5, 0.5], "neighbors": 3}
    with pytest.raises(SpecError) as caught:
        prosect.plan(spec, tmp_path / "out.zarr")
    assert "did you mean 'neighbours'" in str(caught.value)
