"""Masking before the forward pass."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prosect.errors import UsageError
from prosect.model.limits import Limits
from prosect.model.masking import MaskTokens, mask_ids, mask_tokens_of
from prosect.model.pieces import offsets_of
from prosect.model.tokenise import tokenise
from prosect.spec.models import CommonCorpusOptions, Mask, Window
from prosect.vocab.corpus import Sentence

MASK_ID = 4
TOKENS = MaskTokens(MASK_ID, np.arange(10, 1000))


def corpus(count=400):
    generator = np.random.default_rng(0)
    words = ["the", "cat", "sat", "on", "unbelievably", "big", "mats", "in", "york"]
    return [Sentence(text=" ".join(generator.choice(words, size=generator.integers(1, 20)))) for _ in range(count)]


def stream(sentences, tokenizer, mask, **common):
    return tokenise(sentences, tokenizer, CommonCorpusOptions(mask=mask, **common), Limits()).source


def test_the_stream_says_what_was_masked_and_what_stood_there(minilm):
    plain = stream(corpus(), minilm, None)
    masked = stream(corpus(), minilm, Mask(rate=0.3, scheme="mask", seed=3))
    chosen = masked.coordinates["masked"]

    assert (masked.ids[chosen] == minilm.mask_token_id).all()
    assert (masked.ids[~chosen] == plain.ids[~chosen]).all()
    assert (masked.coordinates["token_id_original"] == plain.ids).all()
    assert (masked.coordinates["token_id"] == masked.ids).all()
    assert set(masked.coordinates["text"][chosen]) == {"[MASK]"}
    assert chosen.dtype == bool
    for name in ("word", "special", "sentence", "position"):
        assert (masked.coordinates[name] == plain.coordinates[name]).all()


def test_without_a_mask_nothing_is_said_of_it(minilm):
    coordinates = stream(corpus(3), minilm, None).coordinates

    assert "masked" not in coordinates
    assert "token_id_original" not in coordinates


def test_special_tokens_are_never_chosen(minilm):
    coordinates = stream(corpus(), minilm, Mask(rate=1.0)).coordinates

    assert not (coordinates["masked"] & coordinates["special"]).any()
    assert (coordinates["masked"] | coordinates["special"]).all()


def test_every_sentence_has_its_share(minilm):
    masked = stream(corpus(), minilm, Mask(rate=0.15))
    free = np.add.reduceat(~masked.coordinates["special"], masked.offsets[:-1])
    chosen = np.add.reduceat(masked.coordinates["masked"].astype(int), masked.offsets[:-1])

    assert chosen.tolist() == np.floor(0.15 * free + 0.5).astype(int).tolist()


def test_the_scheme_of_bert_masks_replaces_and_keeps(minilm):
    masked = stream(corpus(3000), minilm, Mask(rate=0.5, scheme="bert", seed=1))
    chosen = masked.coordinates["masked"]
    ids, original = masked.ids[chosen], masked.coordinates["token_id_original"][chosen]
    shares = np.array([(ids == minilm.mask_token_id).mean(), (ids == original).mean()])

    np.testing.assert_allclose(shares, [0.8, 0.1], atol=0.015)
    others = ids[(ids != minilm.mask_token_id) & (ids != original)]
    assert not np.isin(others, [0, 101, 102, 103]).any()
    assert len(np.unique(others)) > 0.9 * len(others)


def test_the_seed_decides(minilm):
    first, again, other = (stream(corpus(), minilm, Mask(seed=seed)) for seed in (1, 1, 2))

    assert (first.ids == again.ids).all()
    assert (first.coordinates["masked"] != other.coordinates["masked"]).any()


def test_a_longer_corpus_keeps_the_choices_of_its_start(minilm):
    short, long = (stream(corpus(count), minilm, Mask(seed=1)) for count in (100, 400))

    assert (long.ids[: short.tokens] == short.ids).all()
    assert (long.coordinates["masked"][: short.tokens] == short.coordinates["masked"]).all()


def test_windows_are_masked_each_for_itself(minilm):
    masked = stream(
        [Sentence(text="a b c d e f")], minilm, Mask(rate=0.3, minimum=1), window=Window(tokens=5, stride=2)
    )

    assert masked.sentences == 3
    assert (np.add.reduceat(masked.coordinates["masked"].astype(int), masked.offsets[:-1]) >= 1).all()


def test_random_tokens_stay_inside_the_model(minilm):
    tokens = mask_tokens_of(minilm, frozenset({0, 101, 102}), 2000)

    assert tokens.mask_id == 103
    assert tokens.vocabulary.max() == 1999
    assert not np.isin([0, 101, 102, 103], tokens.vocabulary).any()


def test_ids_can_be_masked_with_a_tokenizer(minilm):
    masked = stream([Sentence(ids=(101, 2000, 2001, 102))], minilm, Mask(rate=1.0, scheme="mask"))

    assert masked.ids.tolist() == [101, 103, 103, 102]


def test_a_mask_needs_a_mask_token(gpt2):
    with pytest.raises(UsageError, match="its tokenizer has no mask token"):
        stream(corpus(2), gpt2, Mask())
    with pytest.raises(UsageError, match="the model has no tokenizer"):
        stream([Sentence(ids=(1, 2))], None, Mask())


@given(
    st.lists(st.lists(st.booleans(), min_size=1, max_size=12), min_size=1, max_size=6),
    st.floats(0.01, 1.0),
    st.integers(0, 4),
    st.sampled_from(["bert", "mask"]),
)
def test_numbers_of_chosen_tokens(sentences, rate, minimum, scheme):
    special = np.array([flag for flags in sentences for flag in flags])
    offsets = offsets_of(np.array([len(flags) for flags in sentences]))
    ids = np.arange(2000, 2000 + len(special), dtype=np.int32)
    mask = Mask(rate=rate, minimum=minimum, scheme=scheme, seed=5)

    fed, chosen = mask_ids(ids, offsets, special, mask, TOKENS)

    assert fed.dtype == ids.dtype
    assert not chosen[special].any()
    assert (fed[~chosen] == ids[~chosen]).all()
    for start, stop in itertools.pairwise(offsets):
        free = int((~special[start:stop]).sum())
        assert chosen[start:stop].sum() == min(free, max(minimum, int(np.floor(rate * free + 0.5))))
    allowed = {MASK_ID} if scheme == "mask" else {MASK_ID, *TOKENS.vocabulary.tolist(), *ids.tolist()}
    assert set(fed[chosen].tolist()) <= allowed


def test_every_free_token_has_the_same_chance():
    sentences = 20_000
    ids, offsets = np.zeros(5 * sentences, dtype=np.int32), np.arange(0, 5 * sentences + 1, 5)
    special = np.tile([True, False, False, False, False], sentences)

    _, chosen = mask_ids(ids, offsets, special, Mask(rate=0.25, scheme="mask"), TOKENS)

    np.testing.assert_allclose(chosen.reshape(-1, 5).mean(axis=0), [0, 0.25, 0.25, 0.25, 0.25], atol=0.015)
