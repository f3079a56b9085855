"""The decoder's side of encoder-decoders."""

from dataclasses import replace

import numpy as np
import pytest

from prosect.errors import ModelError, UsageError
from prosect.model.limits import Limits, limits_of
from prosect.model.targets import Generation, generate_targets
from prosect.model.tokenise import count, tokenise, with_targets
from prosect.spec.models import CommonCorpusOptions, Window
from prosect.vocab.corpus import Sentence

START = 3
LIMITS = Limits(has_decoder=True, decoder_start_id=START, vocab_size=500)
CORPUS = [
    Sentence(text="the cat sat", targets=("the dog sat on", "a dog")),
    Sentence(text="a mat", targets=("a log",), annotations={"genre": "g"}),
]


def run(sentences, tokenizer, limits=LIMITS, decoder_input="shifted", **common):
    return tokenise(sentences, tokenizer, CommonCorpusOptions(**common), limits, decoder_input)


def per_sentence(stream, values=None):
    values = stream.ids if values is None else values
    return [values[start:stop].tolist() for start, stop in zip(stream.offsets, stream.offsets[1:], strict=False)]


@pytest.mark.parametrize("kind", ["unigram", "marian"])
def test_targets_are_tokenised_as_targets_and_fed_as_given_when_asked(request, kind):
    tokenizer = request.getfixturevalue(kind)
    expected = [tokenizer(text_target=sentence.targets[0])["input_ids"] for sentence in CORPUS]

    found = run(CORPUS, tokenizer, decoder_input="as_given")

    assert per_sentence(found.target) == expected
    assert per_sentence(found.source) == [tokenizer(sentence.text)["input_ids"] for sentence in CORPUS]


def test_marian_has_other_pieces_for_targets(marian):
    assert marian("the dog sat on")["input_ids"] != marian(text_target="the dog sat on")["input_ids"]


def test_two_vocabularies_give_either_side_its_own_strings(marian_of_two_vocabularies):
    tokenizer = marian_of_two_vocabularies
    found = run([Sentence(text="the cat", targets=("tac eht",))], tokenizer, decoder_input="as_given")

    assert "".join(found.source.coordinates["text"]) == "▁the▁cat</s>"
    assert "".join(found.target.coordinates["text"]) == "▁tac▁eht</s>"


@pytest.mark.parametrize("kind", ["unigram", "marian"])
def test_a_shifted_input_is_the_one_of_hugging_face(request, kind):
    import torch
    from transformers.models.marian.modeling_marian import shift_tokens_right

    tokenizer = request.getfixturevalue(kind)
    labels = [tokenizer(text_target=sentence.targets[0])["input_ids"] for sentence in CORPUS]
    expected = [shift_tokens_right(torch.tensor([ids]), 0, START)[0].tolist() for ids in labels]

    assert per_sentence(run(CORPUS, tokenizer).target) == expected


def test_coordinates_describe_the_tokens_that_are_fed(unigram):
    target = run(CORPUS, unigram).target
    coordinates = target.coordinates

    assert coordinates["token_id"].tolist() == target.ids.tolist()
    assert coordinates["text"].tolist() == unigram.convert_ids_to_tokens(target.ids.tolist())
    assert [words[0] for words in per_sentence(target, coordinates["word"])] == [-1, -1]
    assert [words[-1] for words in per_sentence(target, coordinates["word"])] == [3, 1]
    assert [flags[0] for flags in per_sentence(target, coordinates["special"])] == [True, True]
    assert coordinates["special"].sum() == 2
    assert coordinates["position"][target.offsets[:-1]].tolist() == [0, 0]


def test_a_target_as_given_ends_with_the_closing_token(unigram):
    coordinates = run(CORPUS, unigram, decoder_input="as_given").target.coordinates

    assert coordinates["special"].sum() == 2
    assert (coordinates["text"][coordinates["special"]] == "</s>").all()


def test_a_decoder_takes_no_type_ids(unigram):
    limits = Limits(has_decoder=True, decoder_start_id=START, takes_type_ids=True)

    found = run(CORPUS, unigram, limits)

    assert found.source.type_ids is not None
    assert found.target.type_ids is None


def test_sentence_annotations_reach_the_target_and_those_of_words_do_not(unigram):
    corpus = [
        Sentence(
            words=("the", "cat"), targets=("a log on",), word_annotations={"pos": ("D", "N")}, annotations={"n": 7}
        ),
        Sentence(words=("a",), targets=("the",)),
    ]

    found = run(corpus, unigram)

    assert "pos" not in found.target.coordinates
    assert [set(values) for values in per_sentence(found.target, found.target.coordinates["n"])] == [{7}, {-1}]


def test_all_references_are_kept_and_the_first_is_fed(unigram):
    assert run(CORPUS, unigram).references == (("the dog sat on", "a dog"), ("a log",))


def test_a_long_target_is_cut_and_counted(unigram):
    limits = Limits(has_decoder=True, decoder_start_id=START, decoder_max_length=4)
    whole = run(CORPUS, unigram)

    found = run(CORPUS, unigram, limits)

    assert found.target.lengths.max() == 4
    assert per_sentence(found.target)[0] == per_sentence(whole.target)[0][:4]
    assert found.losses["target_sentences_cut"] == int((whole.target.lengths > 4).sum())
    assert found.losses["target_tokens_cut"] == whole.target.tokens - found.target.tokens
    assert found.losses["tokens_cut"] == 0


def test_a_sentence_with_one_side_empty_is_dropped_on_both(unigram):
    corpus = [Sentence(text="a", targets=("",)), *CORPUS, Sentence(text="", targets=("the",))]

    found = run(corpus, unigram)

    assert found.losses["sentences_dropped"] == 2
    assert per_sentence(found.target) == per_sentence(run(CORPUS, unigram).target)
    assert found.source.sentences == found.target.sentences == len(found.references) == 2
    assert {"genre", "sentence"} <= set(found.target.coordinates)


def test_decoder_ids_are_always_fed_as_given():
    corpus = [Sentence(ids=(5, 6), decoder_ids=(3, 7, 8)), Sentence(ids=(9,), decoder_ids=(3,))]

    for decoder_input in ("shifted", "as_given"):
        found = run(corpus, None, decoder_input=decoder_input)
        assert per_sentence(found.target) == [[3, 7, 8], [3]]
        assert found.target.coordinates["text"].tolist() == ["3", "7", "8", "3"]


def test_decoder_ids_beyond_the_vocabulary_are_named():
    with pytest.raises(UsageError, match="sentence 0 has the token id 500"):
        run([Sentence(ids=(5,), decoder_ids=(500,))], None)


def test_without_targets_there_is_no_target_yet(unigram):
    found = run([Sentence(text="the cat")], unigram)

    assert found.target is None
    assert found.references == ()
    assert "target_tokens_cut" not in found.losses


def test_targets_for_some_sentences_only_are_refused(unigram):
    with pytest.raises(UsageError, match="sentence 2 has nothing as its target, the sentence before it text"):
        run([*CORPUS, Sentence(text="odd")], unigram)


def test_a_model_without_decoder_keeps_references_and_feeds_none(unigram):
    found = run(CORPUS, unigram, Limits())

    assert found.target is None
    assert found.references[1] == ("a log",)


def test_shifting_needs_a_start_token(unigram):
    with pytest.raises(UsageError, match="`decoder_start_token_id`; use `decoder_input: as_given`"):
        run(CORPUS, unigram, Limits(has_decoder=True))

    assert run(CORPUS, unigram, Limits(has_decoder=True), "as_given").target is not None


def test_counts_of_both_sides(unigram):
    counted = count(CORPUS, unigram, CommonCorpusOptions(), LIMITS)
    whole = run(CORPUS, unigram)

    assert (counted.source, counted.target) == (whole.source.tokens, whole.target.tokens)
    assert counted.losses == whole.losses


@pytest.fixture(scope="module")
def translator():
    """A small random Marian model with its head."""
    import torch
    from transformers import MarianConfig, MarianMTModel

    torch.manual_seed(0)
    config = MarianConfig(
        vocab_size=60, d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, max_position_embeddings=32,
        pad_token_id=59, eos_token_id=0, decoder_start_token_id=59, forced_eos_token_id=0, max_length=32,
    )  # fmt: skip
    model = MarianMTModel(config).eval()
    torch.nn.init.normal_(model.final_logits_bias, std=0.3)
    return model


def source_of(translator, rows):
    limits = limits_of(translator.config.to_dict())
    return tokenise([Sentence(ids=tuple(row)) for row in rows], None, CommonCorpusOptions(), limits), limits


def random_rows(count):
    generator = np.random.default_rng(0)
    return [generator.integers(1, 58, size=generator.integers(1, 9)).tolist() for _ in range(count)]


@pytest.mark.parametrize("beams", [1, 3])
def test_generated_targets_are_those_of_hugging_face_sentence_by_sentence(translator, beams):
    import torch

    rows = random_rows(6)
    tokenised, limits = source_of(translator, rows)

    found = generate_targets(translator, tokenised.source, limits, Generation(beams=beams, max_new_tokens=5))

    assert len(found) == len(rows)
    for row, target in zip(rows, found, strict=True):
        expected = translator.generate(torch.tensor([row]), num_beams=beams, do_sample=False, max_new_tokens=5)[0, 1:]
        ends = (expected == 0).nonzero()
        expected = expected[: int(ends[0]) + 1] if len(ends) else expected
        assert target.tolist() == expected.tolist()
        assert target.dtype == np.int32


def test_generation_is_the_same_in_other_batches_and_says_nothing(translator, transformers_log):
    tokenised, limits = source_of(translator, [[5, 6], [7, 8], [9, 10, 11], [5, 6]])

    one, two = (
        generate_targets(translator, tokenised.source, limits, Generation(max_new_tokens=4, batch_tokens=budget))
        for budget in (1, 4096)
    )

    assert [target.tolist() for target in one] == [target.tolist() for target in two]
    assert one[0].tolist() == one[3].tolist()
    assert not transformers_log


def test_a_target_is_as_long_as_the_decoder_allows(translator):
    tokenised, limits = source_of(translator, [[5, 6]])

    (target,) = generate_targets(translator, tokenised.source, replace(limits, decoder_max_length=3))

    assert len(target) <= 3


def test_generated_targets_are_fed_like_those_of_a_corpus(translator):
    tokenised, limits = source_of(translator, random_rows(5))
    targets = generate_targets(translator, tokenised.source, limits, Generation(beams=1, max_new_tokens=6))

    shifted = with_targets(tokenised, targets, None, limits)
    given = with_targets(tokenised, targets, None, limits, "as_given")

    assert per_sentence(given.target) == [target.tolist() for target in targets]
    assert per_sentence(shifted.target) == [[59, *target.tolist()[:-1]] for target in targets]
    assert shifted.source is tokenised.source
    assert shifted.losses["target_tokens_cut"] == 0
    assert [flags[0] for flags in per_sentence(shifted.target, shifted.target.coordinates["special"])] == [True] * 5


def test_generated_targets_get_what_is_constant_in_their_sentence():
    corpus = [
        Sentence(ids=(5, 6), annotations={"genre": "a", "score": 0.5}, token_annotations={"gold": (1, 2)}),
        Sentence(ids=(7, 8), annotations={"genre": "b"}, token_annotations={"gold": (1, 1)}),
    ]
    tokenised = run(corpus, None)

    target = with_targets(tokenised, [np.array([4]), np.array([4, 5, 6])], None, LIMITS, "as_given").target

    assert target.coordinates["genre"].tolist() == ["a", "b", "b", "b"]
    np.testing.assert_array_equal(target.coordinates["score"], [0.5, np.nan, np.nan, np.nan])
    assert "gold" not in target.coordinates
    assert target.coordinates["sentence"].tolist() == [0, 1, 1, 1]


def test_windows_go_with_generated_targets(unigram):
    tokenised = run([Sentence(text="the cat sat on the mat")], unigram, window=Window(tokens=6))

    found = with_targets(tokenised, [np.array([4, 1])] * tokenised.source.sentences, unigram, LIMITS)

    assert found.target.sentences == tokenised.source.sentences > 1


def test_generated_targets_must_be_one_per_sentence_and_not_empty():
    tokenised = run([Sentence(ids=(1,)), Sentence(ids=(2,))], None)

    with pytest.raises(UsageError, match="1 targets for 2 sentences"):
        with_targets(tokenised, [np.array([1])], None, LIMITS)
    with pytest.raises(UsageError, match="the target of sentence 1 has no token"):
        with_targets(tokenised, [np.array([1]), np.array([], dtype=int)], None, LIMITS)


def test_a_model_without_head_cannot_generate(translator):
    tokenised, limits = source_of(translator, [[5, 6]])

    with pytest.raises(ModelError, match="MarianModel cannot generate targets: load the model with its head"):
        generate_targets(translator.model, tokenised.source, limits)
