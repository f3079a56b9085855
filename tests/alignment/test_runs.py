"""Word alignment from a spec: pieces, words and gold file as a run has them, of a random model."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scipy.stats import spearmanr
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

import prosect
from prosect.testing.models import SHAPES
from prosect_plugins.alignment.links import parse_pharaoh
from support.models import FAMILIES

DATA = Path(__file__).parents[2] / "specs" / "data"
SIDES = [DATA / "parallel.de", DATA / "parallel.en"]
NUMBER = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Make a tokenizer that cuts words into three letters, and marks the start of a word."""
    folder = tmp_path_factory.mktemp("model")
    words = {word for side in SIDES for line in side.read_text("utf-8").splitlines() for word in line.split()}
    pieces = {f"▁{word}"[i : i + 3] for word in words for i in range(0, len(word) + 1, 3)}
    vocabulary = {"</s>": 0, "<unk>": 1, "<pad>": 2, **{piece: n for n, piece in enumerate(sorted(pieces), 3)}}
    merges_nothing = models.WordLevel(vocabulary, unk_token="<unk>")
    tokenizer = Tokenizer(merges_nothing)
    splits = [pre_tokenizers.Metaspace(), pre_tokenizers.FixedLength(3)]
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(splits)
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 0)])
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>", pad_token="<pad>", unk_token="<unk>")
    fast.save_pretrained(folder)
    return folder, len(vocabulary)


@pytest.fixture(scope="module")
def tree(folder, tmp_path_factory):
    tokenizer, size = folder
    config = {**FAMILIES["marian"].config, "vocab_size": size, "decoder_vocab_size": size, "model_type": "marian"}
    config |= {
        "max_position_embeddings": 64,
        "pad_token_id": 2,
        "eos_token_id": 0,
        "decoder_start_token_id": 2,
        "is_encoder_decoder": True,
    }
    norms = {"of": "nmt/maps/cross", "variable": "attention_norm"}
    ranks = tmp_path_factory.mktemp("table") / "ranks.nc"
    xr.Dataset({"rank": ("token_id", np.arange(1.0, 40))}, {"token_id": 3 * np.arange(1, 40)}).to_netcdf(ranks)
    spec = {
        "prosect": 1,
        "models": {"nmt": {"init": "random", "config": config, "tokenizer": str(tokenizer)}},
        "corpora": {"pairs": {"kind": "parallel", "source": str(SIDES[0]), "target": str(SIDES[1]), "limit": NUMBER}},
        "analyses": {"maps": {"corpus": "pairs", "decomposition": "attention_norms"}},
        "derived": {
            "links": {"name": "word_alignment", **norms},
            "marked": {"name": "word_alignment", **norms, "words": "marker"},
            "outputs": {"name": "word_alignment", **norms, "align": "output"},
            "heads": {"name": "word_alignment", "of": "nmt/maps/cross", "variable": "weighted_norm"},
            "both": {"name": "symmetric_alignment", "of": ["derived/links", "derived/links"], "reversed": False},
            "aer": {"name": "alignment_error", "of": "derived/links", "gold": str(DATA / "parallel.talp")},
            "aer_heads": {"name": "alignment_error", "of": "derived/heads", "gold": str(DATA / "parallel.talp")},
            "kinds": {"name": "category_attention", "of": "nmt/maps/cross"},
            "frequency": {"name": "frequency_correlation", "of": "nmt/maps/cross"},
            "weights": {"name": "weight_norm_correlation", "of": "nmt/maps/cross"},
            "ranked": {
                "name": "frequency_correlation",
                "of": "nmt/maps/cross",
                "tables": {"ranks": {"path": str(ranks)}},
            },
        },
        "compute": {"unit_tokens": 64, "device": "cpu"},
    }
    return prosect.run(spec, tmp_path_factory.mktemp("out") / "out.zarr", quiet=True)


@pytest.mark.slow
def test_words_are_those_of_the_files(tree):
    for number, side in enumerate(("source_words", "target_words")):
        lines = SIDES[number].read_text("utf-8").splitlines()[:NUMBER]
        assert tree["derived/links"][side].values.tolist() == [len(line.split()) for line in lines]


def test_stored_words_are_those_that_pieces_mark(tree):
    assert set(tree["nmt/maps/cross"].word.values[:4]) == {-1, 0, 1}
    assert tree["derived/links"].links.equals(tree["derived/marked"].links)


def test_every_link_is_the_largest_of_its_target_word(tree):
    """Rebuilt from the stored map of one sentence, with neither kernels nor offsets."""
    cross = tree["nmt/maps/cross"].to_dataset().load()
    number, layer = 5, 2
    own = cross.sel(layer=layer).isel(token=cross.sentence.values == number)
    source = cross.isel(source_token=cross.source_sentence.values == number)
    columns = own.attention_norm.values[:, : source.sizes["source_token"]]
    expected = set()
    for word in sorted(set(own.word.values) - {-1}):
        row = columns[own.word.values == word].mean(axis=0)
        shares = {int(w): row[source.source_word.values == w].sum() for w in source.source_word.values}
        best = max(shares, key=shares.get)
        expected |= {(best, int(word))} if best >= 0 else set()
    line = str(tree["derived/links"].links.sel(layer=layer, sentence=number).item())
    assert parse_pharaoh(line) == expected


def test_outputs_are_the_inputs_of_the_step_before(tree):
    cross = tree["nmt/maps/cross"].to_dataset().load()
    rows = np.roll(cross.attention_norm.values, 1, axis=1)
    shifted = cross.assign(attention_norm=(cross.attention_norm.dims, rows))
    found = prosect.derive("word_alignment", shifted, words="marker")
    assert found.links.values.tolist() == tree["derived/outputs"].links.values.tolist()


def test_errors_are_rates_of_every_layer_and_head(tree):
    found = tree["derived/aer"]
    assert found.aer.dims == ("layer",)
    assert tree["derived/aer_heads"].aer.dims == ("layer", "head")
    assert ((found.aer >= 0) & (found.aer <= 1)).all()
    assert found.aer.attrs["reference"].startswith("Och & Ney 2003")
    assert found.best_aer == found.aer.min()
    assert "gold" not in found.attrs["derived"]["options"]


def test_an_alignment_with_itself_is_itself(tree):
    assert tree["derived/both"].links.equals(tree["derived/links"].links)


def test_stored_results_are_those_from_python(tree):
    cross = tree["nmt/maps/cross"].to_dataset()
    for name, metric in (("kinds", "category_attention"), ("frequency", "frequency_correlation")):
        found = prosect.derive(metric, cross)
        np.testing.assert_array_equal(tree[f"derived/{name}"][metric].values, found[metric].values)
    np.testing.assert_allclose(tree["derived/kinds"].category_attention.sum("category"), 1, atol=1e-6)
    assert tree["derived/weights"].pairs.sel(category="all") > 0


def test_a_table_of_frequencies_is_joined_by_its_key(tree):
    cross = tree["nmt/maps/cross"].to_dataset().load()
    norms = cross.value_norm.mean(("layer", "head"))
    ranks = [n // 3 if n % 3 == 0 and 0 < n < 120 else 40 for n in cross.source_token_id.values.tolist()]
    theirs = spearmanr(norms, ranks).statistic
    assert tree["derived/ranked"].frequency_correlation.item() == pytest.approx(theirs, abs=1e-6)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Two members of a matrix on sentences of ids, whose tokens belong to no words."""
    spec = {
        "prosect": 1,
        "models": {"m": {"init": "random", "config": SHAPES["marian"], "matrix": {"seed": [1, 2]}}},
        "corpora": {"c": {"kind": "inline", "sentences": [[1, 2, 3], [4, 5]], "targets": [[6, 7], [8, 9, 10]]}},
        "analyses": {"a": {"corpus": "c", "decomposition": "attention_norms", "metrics": ["attention_norm"]}},
        "derived": {
            "both": {"name": "word_alignment", "of": "m/a/cross"},
            "one": {"name": "word_alignment", "of": "m@2/a/cross"},
        },
    }
    return prosect.run(spec, tmp_path_factory.mktemp("two") / "out.zarr", quiet=True)


def test_members_of_a_matrix_are_aligned_together(two):
    """Their maps keep the coordinates of the encoder's tokens, on which no variable stands."""
    both, one = two["derived/both"].ds, two["derived/one"].ds
    assert list(both.model.values) == ["m@1", "m@2"]
    np.testing.assert_allclose(both.mean_norm.sel(model="m@2"), one.mean_norm, rtol=1e-6)


def test_sentences_without_words_have_no_links(two):
    one = two["derived/one"].ds
    assert one.source_words.values.tolist() == one.target_words.values.tolist() == [0, 0]
    assert set(one.links.values.ravel()) == {""}
