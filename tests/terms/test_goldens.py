"""The papers' own code, value for value."""

import json

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from prosect.api import Options
from prosect.model.forward import Feed
from prosect.model.load import wrap_module
from prosect.terms.reading import Reading
from prosect_plugins.architectures import bert, marian
from prosect_plugins.metrics import token
from prosect_plugins.metrics.options import ShareOptions
from support.models import DATA, minilm_folder
from support.replays import Replayed, run_replay

AUTHORS_ORDER = ("input", "cross_attention", "attention", "feed_forward", "bias")
METRICS = {"spim": token.importance, "cosine": token.cosine, "l2": token.distance, "norm_ratio": token.norm_ratio}


@pytest.fixture(scope="module")
def golden():
    return np.load(DATA / "mickus" / "marian" / "authors_f64.npz")


@pytest.fixture(scope="module")
def decoder(golden) -> Replayed:
    model = wrap_module(AutoModel.from_pretrained(DATA / "mickus" / "marian", dtype=torch.float64), None)
    ids, target = torch.tensor(golden["src_ids"]), torch.tensor(golden["decoder_input_ids"])
    fed = Feed(
        {"input_ids": ids, "attention_mask": torch.ones_like(ids)},
        {"decoder_input_ids": target, "decoder_attention_mask": torch.ones_like(target)},
    )
    return run_replay(model, marian.describe(model.config), "decoder", fed, limit=1e-9)


def places(replayed: Replayed) -> list[int]:
    labels = [component.label for component in replayed.terms[0].components]
    return [labels.index(label) for label in AUTHORS_ORDER]


def test_terms_of_a_marian_decoder_are_those_of_the_authors(golden, decoder):
    terms = np.stack([decoder.terms[layer].dense()[places(decoder)][:, 0].numpy() for layer in range(4)])
    assert np.abs(terms.transpose(0, 2, 1, 3) - golden["mickus"]).max() < 1e-10


@pytest.mark.parametrize("name", METRICS)
def test_indicators_of_a_marian_decoder_are_those_of_the_authors(golden, decoder, name):
    reference = golden[f"sims.{name}"]
    for layer in range(4):
        reading = Reading(decoder.terms[layer], decoder.states[layer])
        values = METRICS[name](reading, reading.total, ShareOptions())[places(decoder)][:, 0].numpy().T
        np.testing.assert_allclose(values, reference[layer], rtol=0, atol=1e-10)


def test_the_authors_left_no_cosine_of_an_absent_term_either(golden):
    assert np.isnan(golden["sims.cosine"][0][:, 1:]).all()


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-8), (torch.float32, 5e-5)])
def test_importance_on_minilm_is_that_of_the_authors(dtype, tolerance):
    reference = json.loads((DATA / "mickus" / "minilm_importance.json").read_text(encoding="utf-8"))
    model = wrap_module(AutoModel.from_pretrained(minilm_folder(), dtype=dtype), None)
    tokenizer = AutoTokenizer.from_pretrained(minilm_folder())
    for sentence in reference["sentences"]:
        fed = Feed(dict(tokenizer(sentence["text"], return_tensors="pt")), {})
        replayed = run_replay(model, bert.describe(model.config), "main", fed, limit=5e-6)
        assert [c.label for c in replayed.terms[0].components] == reference["components"]
        for layer, expected in enumerate(sentence["importance"]):
            reading = Reading(replayed.terms[layer], replayed.states[layer])
            values = token.importance(reading, reading.total, Options())[:, 0].T.double().numpy()
            assert np.abs(values - np.array(expected)).max() < tolerance
