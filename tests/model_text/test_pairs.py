"""Two segments in one sentence."""

import functools
import operator

import numpy as np
import pytest

from prosect.errors import UsageError
from prosect.model.limits import Limits
from prosect.model.tokenise import tokenise
from prosect.spec.models import CommonCorpusOptions
from prosect.vocab.corpus import Sentence

PAIR = CommonCorpusOptions(pair=True)
TYPED = Limits(takes_type_ids=True)


def run(sentences, tokenizer, common=PAIR, limits=TYPED):
    return tokenise(sentences, tokenizer, common, limits)


def test_a_given_second_segment_is_encoded_as_the_tokenizer_does(minilm):
    found = run([Sentence(text="a big cat", pair="a log"), Sentence(text="x", pair="y")], minilm).source
    expected = minilm(["a big cat", "x"], ["a log", "y"])

    assert found.ids.tolist() == functools.reduce(operator.iadd, expected["input_ids"], [])
    assert found.type_ids.tolist() == functools.reduce(operator.iadd, expected["token_type_ids"], [])
    assert found.coordinates["segment"].tolist() == found.type_ids.tolist()


def test_words_of_the_second_segment_go_on_counting(minilm):
    coordinates = run([Sentence(text="a big cat", pair="a log")], minilm).source.coordinates

    assert coordinates["word"].tolist() == [-1, 0, 1, 2, -1, 3, 4, -1]


@pytest.mark.parametrize("kind", ["minilm", "roberta", "unigram", "llama", "marian", "byt5", "gpt2"])
def test_consecutive_units_make_pairs(request, kind):
    tokenizer = request.getfixturevalue(kind)
    found = run([Sentence(text=text) for text in ("the cat", "the dog", "a mat", "a log")], tokenizer).source

    expected = [tokenizer("the cat", "the dog")["input_ids"], tokenizer("a mat", "a log")["input_ids"]]
    assert [found.ids[: found.offsets[1]].tolist(), found.ids[found.offsets[1] :].tolist()] == expected
    assert found.coordinates["word"].max() == 3


def test_an_odd_last_unit_is_dropped_and_counted(minilm):
    found = run([Sentence(text="a"), Sentence(text="b"), Sentence(text="c")], minilm)

    assert found.source.sentences == 1
    assert found.losses["sentences_dropped"] == 1


def test_limit_counts_units_before_they_are_paired(minilm):
    corpus = [Sentence(text=letter) for letter in "abcdef"]

    assert run(corpus, minilm, CommonCorpusOptions(pair=True, limit=4)).source.sentences == 2


def test_a_model_without_segments_still_says_which_is_which(roberta):
    found = run([Sentence(text="the cat", pair="the dog")], roberta, PAIR, Limits()).source

    assert found.type_ids is None
    texts, segments = found.coordinates["text"].tolist(), found.coordinates["segment"].tolist()
    middle = texts.index("</s>") + 2
    assert texts[middle - 2 : middle] == ["</s>", "</s>"]
    assert segments == [0] * middle + [1] * (len(texts) - middle)


def test_a_slow_tokenizer_says_which_is_which(marian):
    found = run([Sentence(text="the cat", pair="the dog")], marian, PAIR, Limits()).source
    first = marian("the cat", add_special_tokens=False)["input_ids"]

    assert found.coordinates["segment"].tolist() == [0] * len(first) + [1] * (found.tokens - len(first))


def test_a_second_segment_is_fed_without_being_asked_for(minilm):
    corpus = [Sentence(text="a", pair="b"), Sentence(text="c")]

    found = run(corpus, minilm, CommonCorpusOptions()).source

    assert found.lengths.tolist() == [5, 3]
    assert found.coordinates["segment"].tolist() == [0, 0, 0, 1, 1, 0, 0, 0]


def test_annotations_come_from_the_unit_of_the_token(minilm):
    corpus = [
        Sentence(words=("the", "cat"), word_annotations={"pos": ("D", "N")}, annotations={"line": 1}),
        Sentence(words=("big",), word_annotations={"pos": ("A",)}, annotations={"line": 2}),
    ]

    coordinates = run(corpus, minilm).source.coordinates

    assert coordinates["pos"].tolist() == ["", "D", "N", "", "A", ""]
    assert coordinates["line"].tolist() == [1, 1, 1, 1, 2, 2]


def test_annotations_of_one_unit_only(minilm):
    corpus = [Sentence(text="the cat"), Sentence(words=("big", "dog"), word_annotations={"pos": ("A", "N")})]

    coordinates = run(corpus, minilm).source.coordinates

    assert coordinates["pos"].tolist() == ["", "", "", "", "A", "N", ""]


def test_a_second_segment_as_text_beside_words_has_words_but_no_annotations(minilm):
    sentence = Sentence(
        words=("the", "cat"), pair="sat  on", word_annotations={"pos": ("D", "N")}, annotations={"s": 1}
    )

    coordinates = run([sentence], minilm).source.coordinates

    assert coordinates["word"].tolist() == [-1, 0, 1, -1, 2, 3, -1]
    assert coordinates["pos"].tolist() == ["", "D", "N", "", "", "", ""]
    assert set(coordinates["s"].tolist()) == {1}


def test_an_annotation_of_the_second_unit_that_does_not_fit_names_that_unit(minilm):
    corpus = [Sentence(words=("a",)), Sentence(words=("b", "c"), word_annotations={"pos": ("X",)})]

    with pytest.raises(UsageError, match="sentence 1: the annotation 'pos' has 1 values for 2 words"):
        run(corpus, minilm)


def test_a_pair_is_empty_only_if_both_segments_are(minilm):
    found = run([Sentence(text="", pair=""), Sentence(text="", pair="b"), Sentence(text="c", pair="")], minilm)

    assert found.losses["sentences_dropped"] == 1
    assert found.source.coordinates["text"].tolist() == [
        "[CLS]", "[SEP]", "b", "[SEP]", "[CLS]", "c", "[SEP]", "[SEP]",
    ]  # fmt: skip
    assert found.source.coordinates["word"].tolist() == [-1, -1, 0, -1, -1, 0, -1, -1]


def test_ids_cannot_be_paired():
    with pytest.raises(UsageError, match=r"sentence 0 .* cannot be paired"):
        run([Sentence(ids=(1,)), Sentence(ids=(2,))], None)


def test_targets_cannot_be_paired(minilm):
    with pytest.raises(UsageError, match=r"sentence 1 .* has targets"):
        run([Sentence(text="a"), Sentence(text="b", targets=("c",))], minilm)


def test_pairs_may_be_cut_and_keep_their_end(minilm):
    found = run([Sentence(text="a b c", pair="d e f")], minilm, PAIR, Limits(max_length=7, takes_type_ids=True))

    assert found.source.coordinates["text"].tolist() == ["[CLS]", "a", "b", "c", "[SEP]", "d", "[SEP]"]
    assert found.source.type_ids.tolist() == [0, 0, 0, 0, 0, 1, 1]
    assert found.losses["tokens_cut"] == 2
    np.testing.assert_array_equal(found.source.coordinates["segment"], found.source.type_ids)
