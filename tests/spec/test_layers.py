"""Layer selections, read with and without a model."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prosect.spec.layers import expand_layers, parse_layers

DEPTH = st.integers(1, 40)


@pytest.mark.parametrize(
    ("selection", "layers"),
    [
        ("all", (0, 1, 2, 3, 4, 5, 6)),
        (0, (0,)),
        ("3", (3,)),
        (-1, (6,)),
        ("-7", (0,)),
        ("4-6", (4, 5, 6)),
        ("-3--1", (4, 5, 6)),
        ("5--1", (5, 6)),
        ([6, "0-2", -1, 1], (0, 1, 2, 6)),
        ([2, "all"], (0, 1, 2, 3, 4, 5, 6)),
        ((1, 2), (1, 2)),
    ],
)
def test_a_selection_means_layers_in_ascending_order_each_once(selection, layers):
    assert expand_layers(selection, 6) == layers


@pytest.mark.parametrize(
    ("selection", "says"),
    [
        (7, "there is no layer 7: L is 6, so layers run from 0 to 6"),
        (-8, "there is no layer -8: L is 6"),
        ("4-9", "there is no layer 9: L is 6"),
        ("5-2", r"the range 5-2 runs backwards \(L is 6\)"),
        ("-1-2", "the range -1-2 runs backwards"),
    ],
)
def test_what_the_model_does_not_have_is_refused_with_its_depth(selection, says):
    with pytest.raises(ValueError, match=says):
        expand_layers(selection, 6)


@pytest.mark.parametrize("selection", ["", "a", "1-", "-", "1.5", "1 2", 1.5, True, None, {}, [[1]], ["x"], "--1"])
def test_what_is_no_selection_is_refused_before_the_model_is_known(selection):
    with pytest.raises(ValueError, match="expected 'all', a number, a range"):
        parse_layers(selection)


def test_an_empty_list_names_no_layer():
    with pytest.raises(ValueError, match="names no layer"):
        parse_layers([])


def test_a_decomposition_that_starts_at_the_first_block_has_no_layer_0():
    assert expand_layers("all", 3, first=1) == (1, 2, 3)
    with pytest.raises(ValueError, match="layers run from 1 to 3"):
        expand_layers(0, 3, first=1)


@given(DEPTH, st.data())
def test_a_negative_number_counts_from_the_end(depth, data):
    layer = data.draw(st.integers(0, depth))
    assert expand_layers(layer - depth - 1, depth) == (layer,)


@given(DEPTH, st.data())
def test_a_list_is_the_union_of_its_items(depth, data):
    items = data.draw(st.lists(st.integers(-depth - 1, depth), min_size=1))
    parts = {layer for item in items for layer in expand_layers(item, depth)}
    assert expand_layers(items, depth) == tuple(sorted(parts))


@given(DEPTH, st.data())
def test_a_range_holds_both_ends(depth, data):
    start = data.draw(st.integers(0, depth))
    stop = data.draw(st.integers(start, depth))
    assert expand_layers(f"{start}-{stop}", depth) == tuple(range(start, stop + 1))
