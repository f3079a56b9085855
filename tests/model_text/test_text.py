"""Running text through real tokenizers of every kind."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prosect.errors import UsageError
from prosect.model.limits import Limits
from prosect.model.tokenise import count, tokenise
from prosect.model.word_spans import spans_by_space, spans_of_words
from prosect.spec.models import CommonCorpusOptions
from prosect.vocab.corpus import Sentence

TEXTS = [
    "The cat sat on  the mat's owner 猫 .",
    " New York, unbelievably saß. ",
    "nobody",
    "It's\tnot the\ncats' mats\u00a0that the dogs want",
]
KINDS = ["minilm", "gpt2", "roberta", "unigram", "llama", "marian", "byt5"]


def sentences(texts):
    return [Sentence(text=text) for text in texts]


def stream(texts, tokenizer, common=CommonCorpusOptions(), limits=Limits()):  # noqa: B008 -- frozen
    return tokenise(sentences(texts), tokenizer, common, limits).source


def rows(stream, name):
    values = stream.coordinates[name]
    return [values[start:stop].tolist() for start, stop in zip(stream.offsets, stream.offsets[1:], strict=False)]


@pytest.fixture(params=KINDS)
def tokenizer(request):
    return request.getfixturevalue(request.param)


def test_ids_are_those_of_the_tokenizer(tokenizer):
    expected = [tokenizer(text)["input_ids"] for text in TEXTS]

    assert rows(stream(TEXTS, tokenizer), "token_id") == expected


def test_ids_without_special_tokens_are_those_of_the_tokenizer(tokenizer):
    expected = [tokenizer(text, add_special_tokens=False)["input_ids"] for text in TEXTS]

    found = stream(TEXTS, tokenizer, CommonCorpusOptions(special_tokens=False))

    assert rows(found, "token_id") == expected
    assert not found.coordinates["special"].any()


def test_text_is_the_token_string(tokenizer):
    found = stream(TEXTS, tokenizer)

    assert found.coordinates["text"].dtype == object
    assert found.coordinates["text"].tolist() == tokenizer.convert_ids_to_tokens(found.ids.tolist())


def test_words_put_together_again_are_those_between_white_space(tokenizer):
    """Pieces of a word spell it (but for case, accents and characters that a vocabulary lacks)."""
    text = "The cat sat on the log, bigger than mats"
    found = stream([text], tokenizer, CommonCorpusOptions(special_tokens=False))
    pieces = dict.fromkeys(range(len(text.split())), "")
    for piece, word in zip(found.coordinates["text"], found.coordinates["word"].tolist(), strict=True):
        pieces[word] += piece.strip(" ▁Ġ").removeprefix("##")

    assert [pieces[number].lower() for number in sorted(pieces)] == text.lower().split()


def test_special_tokens_stand_in_no_word(tokenizer):
    coordinates = stream(TEXTS, tokenizer).coordinates

    assert (coordinates["word"][coordinates["special"]] == -1).all()


def test_every_word_number_of_a_sentence_occurs_in_order(tokenizer):
    for text, words in zip(TEXTS, rows(stream(TEXTS, tokenizer), "word"), strict=True):
        real = [word for word in words if word >= 0]
        assert real == sorted(real)
        assert set(real) == set(range(len(text.split())))


def test_fast_and_slow_tokenizers_agree_about_words(gpt2, byt5):
    for text in TEXTS:
        fast, slow = (stream([text], tokenizer).coordinates for tokenizer in (gpt2, byt5))
        first_of_fast = fast["word"][0], fast["word"][-1]
        assert first_of_fast == (slow["word"][0], slow["word"][-2])


def test_white_space_belongs_to_the_word_behind_it_and_to_none_at_the_end(gpt2):
    coordinates = stream([" New  York "], gpt2).coordinates

    assert list(zip(coordinates["text"], coordinates["word"].tolist(), strict=True)) == [
        ("Ġ", 0), ("New", 0), ("Ġ", 1), ("ĠYork", 1), ("Ġ", -1),
    ]  # fmt: skip


def test_sentence_and_position_count_from_zero(minilm):
    found = stream(["a b", "c"], minilm)

    assert found.coordinates["sentence"].tolist() == [0, 0, 0, 0, 1, 1, 1]
    assert found.coordinates["position"].tolist() == [0, 1, 2, 3, 0, 1, 2]
    assert found.offsets.tolist() == [0, 4, 7]
    assert (found.tokens, found.sentences) == (7, 2)
    for name in ("sentence", "position", "token_id", "word"):
        assert found.coordinates[name].dtype == np.int32
    assert found.ids.dtype == np.int32
    assert found.offsets.dtype == np.int64


def test_a_special_token_spelt_out_in_the_text_is_special_and_a_mask_is_a_word(minilm):
    coordinates = stream(["one [SEP] two [MASK]"], minilm).coordinates

    assert coordinates["text"].tolist() == ["[CLS]", "one", "[SEP]", "two", "[MASK]", "[SEP]"]
    assert coordinates["special"].tolist() == [True, False, True, False, False, True]
    assert coordinates["word"].tolist() == [-1, 0, -1, 2, 3, -1]


def test_an_unknown_word_is_no_special_token(minilm):
    coordinates = stream(["a \U0001f9a9 b"], minilm).coordinates

    assert coordinates["text"].tolist()[2] == "[UNK]"
    assert not coordinates["special"][2]
    assert coordinates["word"][2] == 1


def test_truncation_and_padding_in_a_tokenizer_file_are_switched_off(minilm):
    minilm.backend_tokenizer.enable_truncation(128)
    minilm.backend_tokenizer.enable_padding(length=128)

    found = stream(["word " * 300, "short"], minilm)

    assert found.lengths.tolist() == [302, 3]


@pytest.mark.parametrize("kind", ["minilm", "marian"])
def test_long_text_gives_no_warning_though_the_tokenizer_would(request, kind, transformers_log):
    tokenizer, long = request.getfixturevalue(kind), "the cat " * 600
    tokenizer.deprecation_warnings.clear()
    stream([long], tokenizer)
    assert not transformers_log

    tokenizer(long)
    assert len(transformers_log) == 1


def test_type_ids_only_where_the_model_takes_them(minilm):
    without = stream(["a b"], minilm)
    given = stream(["a b"], minilm, limits=Limits(takes_type_ids=True))

    assert without.type_ids is None
    assert "segment" not in without.coordinates
    assert given.type_ids.tolist() == [0, 0, 0, 0]
    assert given.type_ids.dtype == np.int32
    assert given.coordinates["segment"].tolist() == [0, 0, 0, 0]


def test_empty_sentences_are_dropped_and_counted(tokenizer):
    found = tokenise(sentences(["", "the cat", ""]), tokenizer, CommonCorpusOptions(), Limits())

    assert found.source.sentences == 1
    assert found.losses["sentences_dropped"] == 2
    assert set(found.source.coordinates["sentence"]) == {0}


def test_nothing_is_lost_where_nothing_is_lost(minilm):
    losses = tokenise(sentences(["a"]), minilm, CommonCorpusOptions(), Limits()).losses

    assert losses == {"sentences_dropped": 0, "sentences_cut": 0, "tokens_cut": 0}


def test_a_corpus_without_any_token_is_refused(minilm):
    with pytest.raises(UsageError, match=r"no sentence of the corpus has a token of its own: 2 are empty"):
        stream(["", " "], minilm)


def test_a_corpus_without_sentences_is_refused(minilm):
    with pytest.raises(UsageError, match="the corpus has no sentence"):
        stream([], minilm)


def test_a_tokenizer_that_hides_where_its_special_tokens_are_is_refused(byt5):
    class Shouting(type(byt5)):
        def build_inputs_with_special_tokens(self, ids, _=None):
            return [self.eos_token_id, *reversed(ids)]

    with pytest.raises(UsageError, match="encodes a text differently with and without special tokens"):
        stream(["ab"], Shouting())


def test_limit_takes_the_first_units_and_reads_no_further(minilm):
    def endless():
        while True:
            yield Sentence(text="a b")

    found = tokenise(endless(), minilm, CommonCorpusOptions(limit=3), Limits())

    assert found.source.sentences == 3


def test_order_is_kept_over_batches_of_the_tokenizer_and_changes_of_form(minilm):
    corpus = [Sentence(text=f"number {n}") if n % 3 else Sentence(words=("number", str(n))) for n in range(50)]
    corpus += [Sentence(text=f"number {n}") for n in range(50, 5000)]

    found = tokenise(corpus, minilm, CommonCorpusOptions(), Limits()).source

    assert rows(found, "token_id") == minilm([f"number {n}" for n in range(5000)])["input_ids"]


def test_text_needs_a_tokenizer():
    with pytest.raises(UsageError, match="the model has no tokenizer"):
        stream(["a"], None)


def test_half_a_surrogate_pair_is_named(minilm):
    with pytest.raises(UsageError, match="sentence 1 has half of a surrogate pair at character 2"):
        stream(["fine", "a \ud800 b"], minilm)


@pytest.mark.parametrize(("given", "message"), [({}, "none of them"), ({"text": "a", "ids": (1,)}, "text and ids")])
def test_a_sentence_gives_exactly_one_form(minilm, given, message):
    with pytest.raises(UsageError, match=f"sentence 0 .* it gives {message}"):
        tokenise([Sentence(**given)], minilm, CommonCorpusOptions(), Limits())


def test_count_is_what_tokenise_gives(tokenizer):
    common, limits = CommonCorpusOptions(), Limits(max_length=8)

    counted = count(sentences([*TEXTS, ""]), tokenizer, common, limits)
    whole = tokenise(sentences([*TEXTS, ""]), tokenizer, common, limits)

    assert (counted.source, counted.sentences) == (whole.source.tokens, whole.source.sentences)
    assert counted.losses == whole.losses
    assert counted.target is None


def test_the_table_of_white_space_is_complete():
    spaces = {chr(code) for code in range(sys.maxunicode + 1) if chr(code).isspace()}
    word_of = spans_by_space(["".join(f"a{space}" for space in sorted(spaces)) + "a"])

    assert word_of.count.tolist() == [len(spaces) + 1]


any_text = st.text(st.sampled_from(" \t\u3000\x1cab猫\U0001f600"), max_size=12)


@given(st.lists(any_text, min_size=1, max_size=5))
def test_words_by_space_are_those_of_split(texts):
    spans = spans_by_space(texts)

    assert spans.count.tolist() == [len(text.split()) for text in texts]
    for number, text in enumerate(texts):
        for character in range(len(text) + 1):
            before = text[:character]
            starts_new = not before or before[-1].isspace() or character == len(text) or text[character].isspace()
            word = len(before.split()) - (not starts_new)
            expected = word if word < len(text.split()) else -1
            assert spans.at(np.array([number]), np.array([character])).tolist() == [expected]


@given(st.lists(st.lists(st.text("ab 猫", max_size=3), max_size=4), min_size=1, max_size=4))
def test_given_words_own_their_characters_and_the_blank_before_them(texts):
    spans = spans_of_words(texts)

    for number, words in enumerate(texts):
        owners = [word for word, letters in enumerate(words) for _ in " " + letters][1:]
        found = spans.at(np.full(len(owners), number), np.arange(len(owners)))
        assert found.tolist() == owners


@settings(max_examples=30, deadline=None)
@given(texts=st.lists(st.text(max_size=30).filter(lambda text: text.isprintable()), min_size=1, max_size=4))
def test_any_text_keeps_its_ids(gpt2, texts):
    expected = [ids for ids in gpt2(texts)["input_ids"] if ids]
    if not expected:
        return

    assert rows(stream(texts, gpt2), "token_id") == expected
