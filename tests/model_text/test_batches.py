"""Batches of a unit, alone and in pairs, and their halves."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prosect.errors import RunError
from prosect.model.batching import batches, halve, paired_batches
from prosect.model.pieces import offsets_of, positions
from prosect.model.tokens import TokenStream
from prosect.model.units import units

PAD = -7

lengths_of = st.lists(st.integers(1, 20), min_size=1, max_size=40)


def stream_of(lengths, *, types=False, start=1000):
    """Tokens numbered along the axis, so that each tells its place."""
    offsets = offsets_of(np.array(lengths, dtype=np.int64))
    ids = np.arange(start, start + offsets[-1], dtype=np.int32)
    return TokenStream(ids=ids, offsets=offsets, type_ids=positions(offsets) % 2 if types else None)


def owned(batch, unit):
    """Flat places of the tokens that the unit owns in a batch."""
    return (batch.targets + unit.start).tolist()


@given(lengths_of, st.integers(1, 60), st.integers(1, 80))
def test_every_token_is_owned_exactly_once(lengths, unit_tokens, budget):
    stream = stream_of(lengths)
    places = []
    for unit in units(stream, unit_tokens):
        for batch in batches(stream, unit, budget=budget, pad_id=PAD):
            assert (batch.ids[batch.rows, batch.columns] == stream.ids[batch.targets + unit.start]).all()
            places += owned(batch, unit)

    assert sorted(places) == list(range(stream.tokens))


@given(lengths_of, st.integers(1, 60), st.integers(1, 80))
def test_rows_are_whole_sentences_padded_on_the_right(lengths, unit_tokens, budget):
    stream = stream_of(lengths, types=True)
    for unit in units(stream, unit_tokens):
        found = batches(stream, unit, budget=budget, pad_id=PAD)
        assert sorted(np.concatenate([batch.sentences for batch in found])) == list(range(unit.first, unit.last))
        for batch in found:
            assert batch.ids.dtype == batch.mask.dtype == batch.type_ids.dtype == np.int64
            for row, sentence in enumerate(batch.sentences):
                start, stop = stream.offsets[sentence : sentence + 2]
                padding = batch.ids.shape[1] - (stop - start)
                assert batch.ids[row].tolist() == [*stream.ids[start:stop], *[PAD] * padding]
                assert batch.mask[row].tolist() == [1] * (stop - start) + [0] * padding
                assert batch.type_ids[row].tolist() == [*stream.type_ids[start:stop], *[0] * padding]


@given(lengths_of, st.integers(1, 80))
def test_batches_keep_the_budget_and_the_longest_come_first(lengths, budget):
    stream = stream_of(lengths)
    (unit,) = units(stream)
    found = batches(stream, unit, budget=budget, pad_id=PAD)

    assert all(batch.ids.size <= budget or len(batch.sentences) == 1 for batch in found)
    order = np.concatenate([batch.sentences for batch in found])
    assert order.tolist() == sorted(range(len(lengths)), key=lambda sentence: -lengths[sentence])
    for batch, following in itertools.pairwise(found):
        assert (len(batch.sentences) + 1) * batch.ids.shape[1] > budget or len(following.sentences) == 0


def test_a_sentence_on_a_border_is_whole_in_both_units_and_each_owns_its_part():
    stream = stream_of([4, 4])
    first, second = (batches(stream, unit, budget=99, pad_id=PAD)[0] for unit in units(stream, 6))

    assert first.sentences.tolist() == [0, 1]
    assert second.sentences.tolist() == [1]
    assert second.ids.tolist() == [[1004, 1005, 1006, 1007]]
    assert (second.rows.tolist(), second.columns.tolist(), second.targets.tolist()) == ([0, 0], [2, 3], [0, 1])
    assert sorted(first.targets.tolist()) == [0, 1, 2, 3, 4, 5]


def test_streams_without_segments_have_batches_without():
    stream = stream_of([2, 3])

    assert batches(stream, units(stream)[0], budget=9, pad_id=PAD)[0].type_ids is None


def test_the_same_arguments_give_the_same_batches():
    stream = stream_of([3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7, 9])
    first, second = (batches(stream, units(stream)[0], budget=20, pad_id=PAD) for _ in range(2))

    assert [batch.sentences.tolist() for batch in first] == [batch.sentences.tolist() for batch in second]
    assert first[0].sentences.tolist() == [5, 12]


def test_sentences_of_one_length_keep_their_order():
    stream = stream_of([2] * 7)

    found = batches(stream, units(stream)[0], budget=6, pad_id=PAD)

    assert [batch.sentences.tolist() for batch in found] == [[0, 1, 2], [3, 4, 5], [6]]


def rebuilt(parts):
    """What a batch says, row by row and token by token, whatever its padding."""
    rows = [
        (int(sentence), ids[mask == 1].tolist())
        for part in parts
        for sentence, ids, mask in zip(part.sentences, part.ids, part.mask, strict=True)
    ]
    tokens = [
        (int(target), int(part.ids[row, column]))
        for part in parts
        for row, column, target in zip(part.rows, part.columns, part.targets, strict=True)
    ]
    return rows, sorted(tokens)


@given(st.lists(st.integers(1, 20), min_size=2, max_size=12), st.integers(1, 60))
def test_halves_hold_together_what_the_batch_held(lengths, unit_tokens):
    stream = stream_of(lengths, types=True)
    for unit in units(stream, unit_tokens):
        for batch in batches(stream, unit, budget=200, pad_id=PAD):
            if len(batch.sentences) < 2:
                continue
            halves = halve(batch)
            assert rebuilt(halves) == rebuilt([batch])
            assert len(halves[0].sentences) - len(halves[1].sentences) in {0, 1}
            for half in halves:
                assert half.mask.shape == half.ids.shape == half.type_ids.shape
                assert half.ids.shape[1] == half.mask.sum(axis=1).max()


def test_one_sentence_cannot_be_halved():
    stream = stream_of([2, 5])
    batch = batches(stream, units(stream)[0], budget=1, pad_id=PAD)[0]

    with pytest.raises(RunError, match=r"sentence 1 alone \(5 tokens\) does not fit into memory"):
        halve(batch)


@st.composite
def two_sides(draw):
    pairs = draw(st.lists(st.tuples(st.integers(1, 12), st.integers(1, 12)), min_size=1, max_size=25))
    source, target = zip(*pairs, strict=True)
    return stream_of(source, types=True), stream_of(target, start=5000)


@given(two_sides(), st.integers(1, 60), st.integers(2, 120))
def test_pairs_stay_together_and_own_the_tokens_of_the_target(sides, unit_tokens, budget):
    source, target = sides
    places = []
    for unit in units(target, unit_tokens):
        for of_source, of_target in paired_batches(source, target, unit, budget=budget, pad_id=PAD):
            assert (of_source.sentences == of_target.sentences).all()
            assert of_source.ids.size + of_target.ids.size <= budget or len(of_source.sentences) == 1
            assert of_source.rows.size == of_source.columns.size == of_source.targets.size == 0
            assert of_source.type_ids is not None
            assert of_target.type_ids is None
            for side, batch in ((source, of_source), (target, of_target)):
                for (start, stop), ids in zip(
                    zip(side.offsets[batch.sentences], side.offsets[batch.sentences + 1], strict=True),
                    batch.ids,
                    strict=True,
                ):
                    assert ids.tolist()[: stop - start] == side.ids[start:stop].tolist()
            places += owned(of_target, unit)

    assert sorted(places) == list(range(target.tokens))


def test_halves_of_a_pair_are_a_pair():
    source, target = stream_of([3, 9, 2]), stream_of([4, 1, 4], start=5000)
    ((of_source, of_target),) = paired_batches(source, target, units(target)[0], budget=99, pad_id=PAD)

    for first, second in zip(halve(of_source), halve(of_target), strict=True):
        assert first.sentences.tolist() == second.sentences.tolist()


def test_streams_of_different_corpora_do_not_pair():
    target = stream_of([1])

    with pytest.raises(ValueError, match="2 source sentences do not pair with 1 targets"):
        paired_batches(stream_of([1, 1]), target, units(target)[0], budget=9, pad_id=PAD)
