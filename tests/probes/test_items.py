"""Annotated items: found, dealt out, and given vectors."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prosect.errors import UsageError
from prosect_plugins.probes.items import DEV, TEST, TRAIN, _dealt, read_items
from prosect_plugins.probes.options import ItemOptions
from prosect_plugins.probes.vectors import pooled


def options(**given):
    return ItemOptions.model_validate({"label": "sense", **given})


def test_items_are_the_words_that_have_a_class(stored, by_hand):
    dataset = stored()
    items, table = read_items(dataset, options(group="lemma")), by_hand(dataset, "sum")[0]
    assert items.sentence.tolist() == table.sentence.tolist()
    assert items.word.tolist() == table.word.tolist()
    assert [items.labels[code] for code in items.label] == table.sense.tolist()
    assert items.groups == 3
    same = items.group[:, None] == items.group
    np.testing.assert_array_equal(same, table.lemma.to_numpy()[:, None] == table.lemma.to_numpy())


@pytest.mark.parametrize("how", ["sum", "mean", "first", "last"])
def test_vectors_of_words_are_pooled_from_their_pieces(stored, by_hand, how):
    dataset = stored()
    items = read_items(dataset, options())
    expected = by_hand(dataset, how)[1]
    for layer in range(2):
        found = pooled(dataset.terms.isel(layer=layer), items, how).vectors
        np.testing.assert_allclose(found, expected[layer], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("how", ["sum", "mean", "first", "last"])
def test_terms_are_read_a_part_at_a_time(stored, monkeypatch, how):
    """Words whose pieces lie in two parts are put together all the same."""
    dataset = stored()
    items = read_items(dataset, options())
    whole = pooled(dataset.terms[0], items, how).vectors
    monkeypatch.setattr("prosect_plugins.probes.vectors.READ_BYTES", 7 * 4 * 6 * 4)
    np.testing.assert_allclose(pooled(dataset.terms[0].chunk(token=5), items, how).vectors, whole, rtol=1e-5, atol=1e-6)


@given(
    number=st.integers(1, 300),
    train=st.floats(0.1, 0.9),
    rest=st.floats(0.0, 1.0),
    seed=st.integers(0, 100),
)
@settings(max_examples=60, deadline=None)
def test_things_are_dealt_out_once_and_in_the_shares_asked_for(number, train, rest, seed):
    dev = (1 - train) * rest * 0.9
    chosen = options(fractions=(train, dev, 1 - train - dev), seed=seed)
    part = _dealt(number, chosen)
    sizes = [int((part == which).sum()) for which in (TRAIN, DEV, TEST)]
    assert sum(sizes) == number
    for size, share in zip(sizes, chosen.fractions, strict=True):
        assert abs(size - share * number) <= 1
    assert np.array_equal(part, _dealt(number, chosen))


def test_whole_sentences_stay_together_where_they_are_dealt_out(stored):
    items = read_items(stored(), options(split="sentence"))
    for sentence in np.unique(items.sentence):
        assert len(set(items.part[items.sentence == sentence])) == 1
    assert {TRAIN, DEV, TEST} == set(items.part)
    torn = read_items(stored(), options())
    assert any(len(set(torn.part[torn.sentence == sentence])) > 1 for sentence in np.unique(torn.sentence))


def test_an_annotation_may_say_the_part(stored, by_hand):
    dataset = stored()
    items, table = read_items(dataset, options(split="annotation", part="part")), by_hand(dataset, "sum")[0]
    assert [("train", "dev", "test")[which] for which in items.part] == table.part.tolist()


def test_the_first_labels_are_those_of_the_training_part(stored):
    """So a probe has no weights for classes that it never sees."""
    dataset = stored(sentences=12)
    items = read_items(dataset, options(split="annotation", part="part"))
    seen = set(items.label[items.part == TRAIN])
    assert seen == set(range(len(seen)))


def test_other_units_and_kinds_of_labels(stored):
    dataset = stored()
    assert len(read_items(dataset, options(label="mood", unit="sentence"))) == 40
    tokens = read_items(dataset, options(label="position", unit="token", where={"special": True}))
    assert len(tokens) == 80
    numbers = read_items(dataset, options(label="number"))
    assert len(numbers) == int((dataset.number.groupby(["sentence", "word"]).first() >= 0).sum())
    moody = options(label="tag", where={"mood": "bad"})
    assert set(read_items(dataset, moody).sentence % 2) == {1}


def test_classes_that_mean_nothing_are_left_out(stored):
    dataset = stored()
    items = read_items(dataset, options(label="tag", ignore=["O"]))
    assert set(items.labels) == {"B-x", "I-x", "B-y"}


def test_groups_of_few_classes_may_be_left_out(stored, by_hand):
    dataset = stored(sentences=6)
    table = by_hand(dataset, "sum")[0]
    number = table.groupby("lemma").sense.nunique()
    for least in (2, 3):
        kept = table[table.lemma.map(number) >= least]
        items = read_items(dataset, options(group="lemma", minimum_classes=least, fractions=(0.5, 0.0, 0.5)))
        assert list(zip(items.sentence, items.word, strict=True)) == list(zip(kept.sentence, kept.word, strict=True))
    with pytest.raises(UsageError, match="no word has a class"):
        read_items(dataset, options(group="lemma", minimum_classes=4))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"label": "sens"}, "no annotation 'sens'; they have"),
        ({"label": "sense", "group": "stem"}, "no annotation 'stem'"),
        ({"label": "sense", "where": {"lemma": "river"}}, "no word has a class in 'sense'"),
        ({"label": "sense", "split": "annotation", "part": "mood"}, "'mood' says 'bad', which is none of 'parts'"),
        ({"label": "sense", "split": "annotation", "part": "lemma", "parts": ["bank", "spring", "x"]}, "'light'"),
    ],
)
def test_what_does_not_fit_is_named(stored, given, message):
    with pytest.raises(UsageError, match=message):
        read_items(stored(), options(**given))


def test_an_empty_part_is_named(stored):
    dataset = stored(sentences=1).isel(token=slice(0, 3))
    dataset["sense"] = ("token", np.array(["", "a", "a"], dtype=object))
    dataset["word"] = ("token", [-1, 0, 1])
    with pytest.raises(UsageError, match="the test part of 'sense' is empty: 2 items are too few"):
        read_items(dataset, options(fractions=(0.9, 0.05, 0.05)))


@pytest.mark.parametrize(
    "given",
    [{"split": "annotation"}, {"part": "part"}, {"fractions": (0.5, 0.1, 0.1)}, {"fractions": (1.0, 0.0, 0.0)}],
)
def test_options_that_contradict_each_other_are_refused(given):
    with pytest.raises(ValueError, match=r"part|shares"):
        options(**given)
