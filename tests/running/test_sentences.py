"""The texts of an encoder-decoder's sentences, kept beside what was measured on them."""

from __future__ import annotations

import numpy as np
import pytest

import prosect
from prosect.cli import main
from prosect.model.streams import Reader
from prosect.model.texts import texts_of
from prosect.model.tokenise import tokenise
from prosect.model.tokens import Texts
from prosect.results.sentences import sentences_node
from prosect.spec.models import CommonCorpusOptions
from prosect.vocab.corpus import Sentence
from support.models import DATA


def node(summary, name="m"):
    return prosect.open(summary.store)[f"{name}/a/sentences"].to_dataset().load()


def test_ids_are_written_as_numbers_without_a_tokenizer(spec, carry_out):
    source = spec("marian", number=5)
    found = node(carry_out(source))
    assert dict(found.sizes) == {"sentence": 5}
    assert found.attrs["targets"] == "corpus"
    rows = source["corpora"]["c"]
    for name, given in (("source", rows["sentences"]), ("target", rows["targets"])):
        expected = [" ".join(str(i) for i in row if i not in (0, 59)) for row in given]
        assert found[name].values.tolist() == expected


def test_what_a_model_wrote_is_kept_with_the_references_of_the_corpus(spec, carry_out):
    source = spec("marian", number=4)
    del source["corpora"]["c"]["targets"]
    source["models"]["m"] = {"load": str(DATA / "mickus" / "marian"), "head": "own"}
    source["analyses"]["a"]["decomposition"] = {"name": "sum_of_factors", "target": "generated", "max_new_tokens": 4}
    summary = carry_out(source)
    found = node(summary)
    assert found.attrs["targets"] == "generated"
    assert "reference" not in found
    decoder = prosect.open(summary.store)["m/a/decoder"].to_dataset()
    first = decoder.isel(token=(decoder.sentence == 0) & ~decoder.special)
    assert found.target.values[0].split() == [text for text in first.text.values.tolist() if text]


def test_it_is_shown_and_exported(spec, carry_out, tmp_path, capsys):
    store = carry_out(spec("marian", number=3)).store
    assert main(["show", str(store)]) == 0
    assert "m/a/sentences  finished, " in capsys.readouterr().out
    assert main(["export", str(store), str(tmp_path / "x.nc")]) == 0


def test_models_of_one_stream_have_none(spec, carry_out):
    with prosect.open(carry_out(spec("bert", number=3)).store) as tree:
        assert "sentences" not in tree["m/a"].children


class Words:
    """A tokenizer of whole words: id n is the nth letter."""

    all_special_ids = (0,)

    def decode(self, ids: list[int]) -> str:
        return "".join(chr(ord("a") + one) for one in ids)


class TestTexts:
    """Texts come from the corpus where it gives text, else from ids."""

    @pytest.fixture
    def tokens(self):
        from prosect.model.limits import Limits

        limits = Limits(has_decoder=True, decoder_start_id=9, special_ids=frozenset({0}))
        sentences = [Sentence(ids=(1, 2), decoder_ids=(3, 0)), Sentence(ids=(4,), decoder_ids=(5, 6, 0))]
        return tokenise(sentences, None, CommonCorpusOptions(), limits, texts=True), limits

    def test_ids_are_decoded_without_special_tokens(self, tokens):
        found, limits = tokens
        texts = texts_of(found, None, Reader(Words(), limits))
        assert texts == Texts(source=("bc", "e"), target=("d", "fg"), references=(), generated=False)

    def test_written_ids_go_before_targets(self, tokens):
        found, limits = tokens
        texts = texts_of(found, [np.array([7, 0]), np.array([8])], Reader(None, limits))
        assert (texts.target, texts.generated) == (("7", "8"), True)


def test_sentences_with_fewer_references_have_empty_ones():
    texts = Texts(source=("a", "b"), target=("c", "d"), references=(("c", "x"), ("d",)), generated=False)
    layout, data = sentences_node("m/a/sentences", texts, {})
    assert data["reference"].tolist() == [["c", "x"], ["d", ""]]
    assert layout.sizes == {"sentence": 2, "alternative": 2}
