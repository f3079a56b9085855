"""Corpora that are tokenised into words, and annotations of words, tokens and sentences."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prosect.errors import UsageError
from prosect.model.alignment import typed
from prosect.model.limits import Limits
from prosect.model.tokenise import tokenise
from prosect.spec.models import CommonCorpusOptions
from prosect.vocab.corpus import Sentence

WORDS = ("The", "cat", "'s", "unbelievably", "big", "猫", "saß", ".")


def coordinates(sentences, tokenizer, **common):
    return tokenise(sentences, tokenizer, CommonCorpusOptions(**common), Limits()).source.coordinates


def words_of(coordinates):
    return list(zip(coordinates["text"].tolist(), coordinates["word"].tolist(), strict=True))


@pytest.fixture(params=["minilm", "gpt2", "roberta", "unigram", "llama", "marian", "byt5"])
def tokenizer(request):
    return request.getfixturevalue(request.param)


def test_words_are_tokenised_as_the_running_text_they_make(tokenizer):
    found = coordinates([Sentence(words=WORDS)], tokenizer)

    assert found["token_id"].tolist() == tokenizer(" ".join(WORDS))["input_ids"]


def test_every_piece_belongs_to_its_word(tokenizer):
    """What a word's pieces spell is the word, whatever is inside it."""
    words = ("the", "cats'", "mats", "sat on", "1999", "the")
    found = coordinates([Sentence(words=words)], tokenizer, special_tokens=False)
    spelt = [""] * len(words)
    for piece, word in words_of(found):
        spelt[word] += piece.replace("##", "").replace("▁", " ").replace("Ġ", " ")

    assert [word.replace(" ", "") for word in spelt] == [word.replace(" ", "") for word in words]


def test_gpt2_gets_no_blank_before_the_first_word_and_one_before_the_others(gpt2):
    found = coordinates([Sentence(words=("The", "cat", "The"))], gpt2)

    assert words_of(found)[:2] == [("The", 0), ("Ġcat", 1)]
    assert "".join(found["text"][2:]) == "ĠThe"


def test_a_tokenizer_with_add_prefix_space_keeps_its_habit(byte_level):
    from transformers import RobertaTokenizer

    merges = [tuple(pair) for pair in byte_level["merges"]]
    tokenizer = RobertaTokenizer(vocab=byte_level["vocab"], merges=merges, add_prefix_space=True)

    found = coordinates([Sentence(words=("cat", "cat"))], tokenizer)

    assert words_of(found) == [("<s>", -1), ("Ġcat", 0), ("Ġcat", 1), ("</s>", -1)]


def test_a_word_may_have_blanks_inside(minilm):
    found = coordinates([Sentence(words=("New York", "is", "big"))], minilm)

    assert words_of(found) == [("[CLS]", -1), ("new", 0), ("york", 0), ("is", 1), ("big", 2), ("[SEP]", -1)]


def test_an_empty_word_has_no_piece_but_keeps_its_number(minilm):
    found = coordinates([Sentence(words=("a", "", "b"), word_annotations={"pos": ("A", "B", "C")})], minilm)

    assert words_of(found) == [("[CLS]", -1), ("a", 0), ("b", 2), ("[SEP]", -1)]
    assert found["pos"].tolist() == ["", "A", "C", ""]


def test_a_slow_tokenizer_whose_words_depend_on_their_neighbours_goes_word_by_word(byt5):
    class Clipping(type(byt5)):
        """Writes no blank between b and x: neither word alone tells so."""

        def tokenize(self, text, **options):
            return super().tokenize(text.replace("b x", "bx"), **options)

    found = coordinates([Sentence(words=("ab", "xc", "d"))], Clipping())
    running = coordinates([Sentence(text="ab xc d")], Clipping())

    assert words_of(found) == [("a", 0), ("b", 0), ("x", 1), ("c", 1), ("d", 2), ("</s>", -1)]
    paired = coordinates([Sentence(words=("ab", "xc"), pair="")], Clipping())
    assert words_of(paired)[:4] == [("a", 0), ("b", 0), ("x", 1), ("c", 1)]
    assert set(running["word"].tolist()) == {-1}
    assert "".join(running["text"][:-1]) == "abxc d"


def test_word_annotations_go_to_every_piece_and_not_to_special_tokens(minilm):
    sentence = Sentence(
        words=("unbelievably", "big"),
        word_annotations={"pos": ("ADV", "ADJ"), "parent": (1, 0), "surprisal": (2.5, 1.0), "known": (True, False)},
    )

    found = coordinates([sentence], minilm)

    assert found["word"].tolist() == [-1, 0, 0, 0, 0, 0, 1, -1]
    assert found["pos"].tolist() == ["", *["ADV"] * 5, "ADJ", ""]
    assert found["parent"].tolist() == [-1, *[1] * 5, 0, -1]
    np.testing.assert_array_equal(found["surprisal"], [np.nan, *[2.5] * 5, 1.0, np.nan])
    assert found["known"].tolist() == [-1, *[1] * 5, 0, -1]
    assert [found[name].dtype for name in ("pos", "parent", "surprisal", "known")] == [
        np.dtype(object), np.dtype(np.int64), np.dtype(np.float64), np.dtype(np.int8),
    ]  # fmt: skip


def test_running_text_may_have_annotations_of_its_words(minilm):
    found = coordinates([Sentence(text="big,  cats", word_annotations={"pos": ("ADJ", "NOUN")})], minilm)

    assert found["pos"].tolist() == ["", "ADJ", "ADJ", "NOUN", ""]


def test_sentence_annotations_go_to_all_tokens(minilm):
    corpus = [
        Sentence(text="a b", annotations={"genre": "news", "year": 1999}),
        Sentence(text="c", annotations={"genre": "blog"}),
        Sentence(text="d"),
    ]

    found = coordinates(corpus, minilm)

    assert found["genre"].tolist() == ["news"] * 4 + ["blog"] * 3 + [""] * 3
    assert found["year"].tolist() == [1999] * 4 + [-1] * 6


def test_annotations_stay_with_their_sentence_when_others_are_dropped_or_cut(minilm):
    corpus = [
        Sentence(words=(), word_annotations={"n": ()}, annotations={"s": 0}),
        Sentence(words=("a", "b", "c", "d"), word_annotations={"n": (10, 11, 12, 13)}, annotations={"s": 1}),
        Sentence(words=("e",), annotations={"s": 2}),
        Sentence(words=("f", "g"), word_annotations={"n": (30, 31)}, annotations={"s": 3}),
    ]

    found = tokenise(corpus, minilm, CommonCorpusOptions(), Limits(max_length=4)).source.coordinates

    assert found["sentence"].tolist() == [0] * 4 + [1] * 3 + [2] * 4
    assert found["s"].tolist() == [1] * 4 + [2] * 3 + [3] * 4
    assert found["n"].tolist() == [-1, 10, 11, -1, -1, -1, -1, -1, 30, 31, -1]


def test_token_annotations_come_with_ids():
    corpus = [
        Sentence(ids=(5, 6, 7), token_annotations={"gold": ("x", "y", "z")}),
        Sentence(ids=(8, 9), token_annotations={"gold": ("v", "w")}),
    ]

    assert coordinates(corpus, None)["gold"].tolist() == ["x", "y", "z", "v", "w"]


@pytest.mark.parametrize(
    ("sentence", "message"),
    [
        (Sentence(words=("a", "b"), word_annotations={"pos": ("X",)}), "'pos' has 1 values for 2 words"),
        (Sentence(text="a b c", word_annotations={"pos": ("X", "Y")}), "'pos' has 2 values for 3 words"),
        (Sentence(ids=(1, 2), token_annotations={"gold": (1,)}), "'gold' has 1 values for 2 tokens"),
        (Sentence(ids=(1, 2), word_annotations={"pos": ("X", "Y")}), "'pos' of words needs words, not token ids"),
        (Sentence(text="a", token_annotations={"gold": (1,)}), "'gold' of tokens needs token ids, not text"),
        (Sentence(text="a", annotations={"position": 3}), "cannot be named 'position'"),
        (Sentence(text="a", annotations={"head": 3}), "cannot be named 'head'"),
        (Sentence(text="a", annotations={"unit_position": 3}), "cannot be named 'unit_position'"),
        (Sentence(text="a", annotations={"x/y": 3}), "'x/y' cannot name an annotation"),
    ],
)
def test_annotations_that_do_not_fit_name_the_sentence_and_the_numbers(minilm, sentence, message):
    corpus = [Sentence(text="fine"), sentence]

    with pytest.raises(UsageError, match=message) as caught:
        coordinates(corpus, minilm)
    assert "sentence 1" in str(caught.value)


def test_one_name_means_one_kind_of_annotation(minilm):
    corpus = [Sentence(text="a", annotations={"pos": "X"}), Sentence(words=("a",), word_annotations={"pos": ("X",)})]

    with pytest.raises(UsageError, match=r"sentence 1: .*'pos' is one of words here and one of sentences before"):
        coordinates(corpus, minilm)


@pytest.mark.parametrize(
    ("values", "expected", "dtype"),
    [
        ((1, None, 3), [1, -1, 3, -1], np.int64),
        ((True, None), [1, -1, -1], np.int8),
        (("a", None), ["a", "", ""], object),
        ((1, "a"), ["1", "a", ""], object),
        ((["x", 1], {"é": None}), ['["x", 1]', '{"é": null}', ""], object),
        ((2**70,), [str(2**70), ""], object),
        ((None,), ["", ""], object),
    ],
)
def test_values_are_typed_by_what_they_are(values, expected, dtype):
    found = typed(values)

    assert found.tolist() == expected
    assert found.dtype == dtype


def test_integers_among_fractions_are_fractions():
    np.testing.assert_array_equal(typed((1, 0.5, None)), [1.0, 0.5, np.nan, np.nan])


@settings(max_examples=40, deadline=None)
@given(
    words=st.lists(st.text("abcdeé'.猫 ", min_size=1, max_size=6).filter(str.strip), min_size=1, max_size=6),
    kind=st.sampled_from(["minilm", "gpt2", "unigram", "llama", "byt5"]),
)
def test_words_are_never_mixed_up(request, words, kind):
    """Word numbers rise along a sentence, and an annotation with the word's number equals ``word``."""
    sentence = Sentence(words=tuple(words), word_annotations={"number": tuple(range(len(words)))})
    found = coordinates([sentence], request.getfixturevalue(kind))
    real = found["word"][found["word"] >= 0]

    assert (np.diff(real) >= 0).all()
    assert found["number"].tolist() == found["word"].tolist()
    assert found["token_id"].tolist() == request.getfixturevalue(kind)(" ".join(words))["input_ids"]
