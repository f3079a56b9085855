"""Sentences and words by offsets equal what xarray's own, slower ways give."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from prosect.errors import UsageError
from prosect.view.select import TokenAxis


def test_a_sentence_by_its_number(dataset, stored):
    found = dataset.prosect.sentence(2)
    assert found.text.values.tolist() == ["t10", "t11", "t12"]
    np.testing.assert_array_equal(found.importance.values, stored.numbers[..., 10:13])
    assert dataset.prosect.offsets.tolist() == stored.stream.offsets.tolist()


def test_numbers_stay_those_of_the_corpus_in_a_selection(dataset):
    part = dataset.isel(token=slice(8, 20))
    assert part.prosect.sentences.tolist() == [1, 2, 3]
    assert part.prosect.sentence(3).position.values.tolist() == [0, 1, 2, 3, 4, 5, 6]
    with pytest.raises(KeyError, match="sentence 0"):
        part.prosect.sentence(0)


@pytest.mark.parametrize("how", ["mean", "sum", "min", "max"])
def test_per_sentence_equals_a_groupby(dataset, how):
    found = dataset.prosect.per_sentence(how)
    options = {"min_count": 1} if how == "sum" else {}
    wanted = getattr(dataset.importance.load().groupby("sentence"), how)(**options)
    assert found.importance.dims == ("layer", "component", "sentence")
    np.testing.assert_allclose(found.importance.values, wanted.transpose(..., "sentence").values, rtol=1e-6)
    assert found.sentence.values.tolist() == [0, 1, 2, 3, 4]
    assert found.importance.attrs == dataset.importance.attrs
    assert "text" not in found.coords
    assert found.block.dims == ("component",)


def test_words_leave_out_tokens_without_a_word(dataset, stored):
    found = dataset.prosect.words("sum")
    sentence, word = stored.stream.coordinates["sentence"], stored.stream.coordinates["word"]
    keys = [(s, w) for s, w in dict.fromkeys(zip(sentence.tolist(), word.tolist(), strict=True)) if w >= 0]
    assert list(zip(found.sentence.values.tolist(), found.word.values.tolist(), strict=True)) == keys
    for n, (s, w) in enumerate(keys):
        here = (sentence == s) & (word == w)
        np.testing.assert_allclose(found.importance.values[1, :, n], stored.numbers[1][:, here].sum(axis=-1), rtol=1e-5)


def test_a_group_of_nothing_but_missing_values_is_missing():
    numbers = np.array([np.nan, np.nan, 1.0, np.nan], dtype=np.float32)
    dataset = xr.Dataset({"x": ("token", numbers)}, {"sentence": ("token", [0, 0, 4, 4])})
    for how in ("mean", "sum", "min", "max"):
        found = TokenAxis(dataset).per_sentence(how).x
        np.testing.assert_array_equal(found.values, [np.nan, 1.0])
        assert found.dtype == np.float32
    assert TokenAxis(dataset).sentences.tolist() == [0, 4]


def test_a_dataset_without_words_gives_no_words():
    dataset = xr.Dataset(
        {"x": ("token", np.ones(3))}, {"sentence": ("token", [0, 0, 0]), "word": ("token", [-1, -1, -1])}
    )
    assert TokenAxis(dataset).words().sizes["word"] == 0


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(1, 5), min_size=1, max_size=8), st.integers(0, 2**32 - 1))
def test_means_of_sentences_weighted_by_their_tokens_give_the_mean(lengths, seed):
    values = np.random.default_rng(seed).standard_normal((2, sum(lengths)))
    sentence = np.repeat(np.arange(len(lengths)), lengths)
    dataset = xr.Dataset({"x": (("layer", "token"), values)}, {"sentence": ("token", sentence)})
    found = TokenAxis(dataset).per_sentence().x.values
    np.testing.assert_allclose((found * lengths).sum(axis=-1) / sum(lengths), values.mean(axis=-1), atol=1e-12)
    np.testing.assert_allclose(TokenAxis(dataset).per_sentence("sum").x.values.sum(-1), values.sum(-1), atol=1e-12)


def test_a_multiindex_only_when_asked_for(dataset):
    assert "token" not in dataset.indexes
    indexed = dataset.prosect.with_multiindex()
    one = indexed.sel(token=(3, 2))
    assert one.text.item() == "t15"


def test_shuffled_sentences_unknown_reductions_and_foreign_datasets_are_refused(dataset):
    with pytest.raises(UsageError, match="not in the order of their sentences"):
        dataset.isel(token=slice(None, None, -1)).prosect.sentence(0)
    with pytest.raises(UsageError, match="'median' is no reduction; choose one of mean, sum, min, max"):
        dataset.prosect.per_sentence("median")
    with pytest.raises(UsageError, match="no coordinate 'sentence'"):
        xr.Dataset({"x": ("token", [1.0])}).prosect.per_sentence()
