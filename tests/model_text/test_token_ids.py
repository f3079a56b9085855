"""Corpora of token ids: fed as they are."""

import numpy as np
import pytest

from prosect.errors import UsageError
from prosect.model.limits import Limits
from prosect.model.tokenise import tokenise
from prosect.spec.models import CommonCorpusOptions
from prosect.vocab.corpus import Sentence

CORPUS = [Sentence(ids=(101, 7592, 102)), Sentence(ids=(101, 2088, 999, 102), type_ids=(0, 0, 1, 1))]


def run(sentences, tokenizer=None, **limits):
    return tokenise(sentences, tokenizer, CommonCorpusOptions(), Limits(**limits))


def test_ids_are_fed_as_they_are_and_need_no_tokenizer():
    found = run(CORPUS).source

    assert found.ids.tolist() == [101, 7592, 102, 101, 2088, 999, 102]
    assert found.offsets.tolist() == [0, 3, 7]
    assert found.type_ids is None
    assert found.coordinates["text"].tolist() == ["101", "7592", "102", "101", "2088", "999", "102"]
    assert set(found.coordinates["word"].tolist()) == {-1}
    assert not found.coordinates["special"].any()


def test_special_ids_come_from_the_config():
    found = run(CORPUS, special_ids=frozenset({101, 102}))

    assert found.source.coordinates["special"].tolist() == [True, False, True, True, False, False, True]


def test_a_tokenizer_gives_strings_and_special_tokens_and_adds_nothing(minilm):
    found = run(CORPUS, minilm).source

    assert found.coordinates["text"].tolist() == ["[CLS]", "hello", "[SEP]", "[CLS]", "world", "!", "[SEP]"]
    assert found.coordinates["special"].tolist() == [True, False, True, True, False, False, True]


def test_type_ids_are_fed_as_given_and_zero_where_none_are():
    found = run(CORPUS, takes_type_ids=True).source

    assert found.type_ids.tolist() == [0, 0, 0, 0, 0, 1, 1]
    assert found.coordinates["segment"].tolist() == [0, 0, 0, 0, 0, 1, 1]
    assert found.type_ids.dtype == np.int32


def test_type_ids_must_be_as_many_as_ids():
    with pytest.raises(UsageError, match="sentence 1 has 1 type ids for 2 token ids"):
        run([Sentence(ids=(1,)), Sentence(ids=(1, 2), type_ids=(0,))], takes_type_ids=True)


@pytest.mark.parametrize("wrong", [-1, 100, 2**40])
def test_ids_that_the_model_lacks_are_named(wrong):
    with pytest.raises(UsageError, match=f"sentence 1 has the token id {wrong}, but ids go from 0 to 99"):
        run([Sentence(ids=(1, 99)), Sentence(ids=(5, wrong))], vocab_size=100)


def test_without_a_known_vocabulary_ids_must_still_be_numbers_of_tokens():
    with pytest.raises(UsageError, match="has the token id -3"):
        run([Sentence(ids=(-3,))])


def test_an_id_beyond_the_tokenizer_is_its_own_name(unigram, marian):
    for tokenizer in (unigram, marian):
        found = run([Sentence(ids=(1, 5000))], tokenizer).source

        assert found.coordinates["text"].tolist() == [tokenizer.convert_ids_to_tokens(1), "5000"]


def test_empty_ids_are_dropped():
    found = run([Sentence(ids=()), Sentence(ids=(4,))])

    assert found.losses["sentences_dropped"] == 1
    assert found.source.sentences == 1
