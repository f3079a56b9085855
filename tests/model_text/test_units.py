"""Units of work on a stream's token axis."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prosect.model.pieces import offsets_of
from prosect.model.tokens import TokenStream, Unit
from prosect.model.units import unit_length, units


def stream_of(lengths):
    offsets = offsets_of(np.array(lengths, dtype=np.int64))
    return TokenStream(ids=np.arange(offsets[-1], dtype=np.int32), offsets=offsets)


@pytest.mark.parametrize(
    ("longest", "expected"), [(1, 4096), (512, 4096), (513, 4352), (544, 4352), (545, 4608), (1024, 8192)]
)
def test_a_unit_is_eight_of_the_longest_sentence_and_a_multiple_of_256(longest, expected):
    assert unit_length(stream_of([3, longest])) == expected


def test_a_number_is_taken_as_it_is_down_to_the_longest_sentence():
    stream = stream_of([3, 10])

    assert [unit_length(stream, number) for number in (1, 10, 11, 99999)] == [10, 10, 11, 99999]


def test_sentences_on_a_border_belong_to_both_units():
    assert units(stream_of([4, 4, 4]), 6) == (Unit(0, 0, 6, 0, 2), Unit(1, 6, 12, 1, 3))


def test_sentences_that_end_at_a_border_belong_to_one():
    assert units(stream_of([4, 4, 4]), 4) == (Unit(0, 0, 4, 0, 1), Unit(1, 4, 8, 1, 2), Unit(2, 8, 12, 2, 3))


def test_a_small_corpus_is_one_unit():
    assert units(stream_of([4, 4, 4])) == (Unit(0, 0, 12, 0, 3),)


def test_no_token_no_unit():
    assert units(stream_of([])) == ()


@given(st.lists(st.integers(1, 20), min_size=1, max_size=40), st.integers(1, 60))
def test_units_tile_the_axis_and_hold_the_sentences_they_touch(lengths, tokens):
    stream = stream_of(lengths)
    found = units(stream, tokens)
    length = unit_length(stream, tokens)

    assert [unit.index for unit in found] == list(range(len(found)))
    assert [unit.start for unit in found] == [length * number for number in range(len(found))]
    assert [unit.stop for unit in found] == [*(unit.start for unit in found[1:]), stream.tokens]
    for unit in found:
        touched = [
            number
            for number in range(stream.sentences)
            if stream.offsets[number] < unit.stop and stream.offsets[number + 1] > unit.start
        ]
        assert list(range(unit.first, unit.last)) == touched
    for number in range(stream.sentences):
        assert sum(unit.first <= number < unit.last for unit in found) <= 2
