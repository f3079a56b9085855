"""From maps to words and links, against loops written out."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from prosect_plugins.alignment.extraction import WordMap, as_shares, extract
from prosect_plugins.alignment.symmetry import symmetrise
from prosect_plugins.alignment.words import Merging, merge_map, merge_pieces, words_by_marker

RULES = {"sum": np.sum, "mean": np.mean, "max": np.max, "first": lambda found: found[0]}


def word_map(values, nulls=None):
    values = np.asarray(values, dtype=float)
    return WordMap(values, np.zeros((*values.shape[:-1], 0)) if nulls is None else np.asarray(nulls, dtype=float))


@pytest.mark.parametrize("rule", RULES)
@given(data=st.data())
def test_pieces_are_merged_word_by_word(rule, data):
    words = np.array(data.draw(st.lists(st.integers(-1, 4), min_size=1, max_size=8)))
    values = data.draw(arrays(float, (2, len(words)), elements=st.floats(0, 1)))
    found = merge_pieces(values, words, rule, 6)
    for word in range(6):
        own = words == word
        if own.any():
            np.testing.assert_allclose(found[:, word], [RULES[rule](row[own]) for row in values], rtol=1e-14)
        else:
            assert np.isnan(found[:, word]).all()


@pytest.mark.parametrize("pieces", [["▁the", "▁ho", "use", "▁."], ["the", "▁ho", "use", "▁."]])
def test_the_first_piece_starts_a_word_whether_it_is_marked_or_not(pieces):
    special = np.array([True, False, False, False, False, True])
    assert words_by_marker(np.array(["<s>", *pieces, "</s>"]), special, "▁").tolist() == [-1, 0, 1, 1, 2, -1]


def test_a_step_stands_for_its_input_or_for_what_it_predicts():
    values = np.arange(12.0).reshape(4, 3)
    targets, sources = np.array([-1, 0, 1, 1]), np.array([0, 1, -1])
    inputs = merge_map(values, targets, sources, Merging("input"))
    outputs = merge_map(values, targets, sources, Merging("output"))
    np.testing.assert_array_equal(inputs.values, [values[1, :2], values[2:, :2].mean(axis=0)])
    np.testing.assert_array_equal(outputs.values, [values[0, :2], values[1:3, :2].mean(axis=0)])
    np.testing.assert_array_equal(outputs.nulls, [values[0, 2:], values[1:3, 2:].mean(axis=0)])


def test_a_target_word_goes_to_the_largest_source_word_unless_a_null_is_larger():
    found = extract(word_map([[0.2, 0.5], [0.1, 0.3], [0.4, 0.4]], [[0.3], [0.6], [0.2]]), "argmax")
    assert found.tolist() == [[False, True], [False, False], [True, False]]


def test_nothing_competes_where_there_are_no_nulls():
    assert extract(word_map([[0.1, 0.3]]), "argmax").tolist() == [[False, True]]


def test_a_word_without_pieces_gets_no_link():
    values = [[np.nan, np.nan], [0.3, np.nan]]
    for method in ("argmax", "argmax_source", "union", "intersection"):
        assert extract(word_map(values), method).tolist() == [[False, False], [True, False]]


def test_a_source_word_goes_to_the_largest_target_word():
    found = extract(word_map([[0.2, 0.5], [0.6, 0.3]]), "argmax_source")
    assert found.tolist() == [[False, True], [True, False]]


def test_the_threshold_is_a_share_of_the_row_with_its_nulls():
    shares = as_shares(word_map([[2.0, 1.0]], [[1.0]]))
    assert extract(shares, "threshold", 0.5).tolist() == [[True, False]]
    assert extract(shares, "threshold", 0.25).tolist() == [[True, True]]
    assert np.isnan(as_shares(word_map([[0.0, 0.0]])).values).all()


@given(arrays(float, (3, 4, 5), elements=st.floats(0, 1)))
def test_many_maps_at_once_are_as_good_as_one_by_one(values):
    for method in ("argmax", "argmax_source", "intersection", "union", "grow_diag", "grow_diag_final_and"):
        together = extract(word_map(values), method)
        assert np.array_equal(together, np.stack([extract(word_map(one), method) for one in values]))


class Koehn:
    """Grow-diag(-final(-and)) on sets, after the description in the manual of Moses."""

    def __init__(self, forward, backward):
        self.sides, self.found = (forward, backward), forward & backward

    def free(self, link):
        return [all(other[side] != word for other in self.found) for side, word in enumerate(link)]

    def grow(self):
        before, union = None, self.sides[0] | self.sides[1]
        while before != self.found:
            before = set(self.found)
            for target, source in np.ndindex(7, 7):
                for down, right in [(-1, 0), (0, -1), (1, 0), (0, 1), (-1, -1), (-1, 1), (1, -1), (1, 1)]:
                    new = (target + down, source + right)
                    if (target, source) in self.found and new in union and any(self.free(new)):
                        self.found.add(new)

    def finish(self, enough):
        for link in [link for side in self.sides for link in sorted(side)]:
            if enough(self.free(link)):
                self.found.add(link)


@pytest.mark.parametrize(
    ("how", "final"), [("grow_diag", None), ("grow_diag_final", any), ("grow_diag_final_and", all)]
)
@given(sides=arrays(bool, (2, 6, 7)))
def test_growing_is_that_of_koehn(how, final, sides):
    reference = Koehn(*[{(int(t), int(s)) for t, s in np.argwhere(side)} for side in sides])
    reference.grow()
    if final is not None:
        reference.finish(final)
    assert {(int(t), int(s)) for t, s in np.argwhere(symmetrise(*sides, how))} == reference.found


@given(sides=arrays(bool, (2, 3, 4, 5)))
def test_the_combinations_lie_within_each_other(sides):
    found = {how: symmetrise(*sides, how) for how in ("intersection", "grow_diag", "grow_diag_final", "union")}
    for smaller, larger in zip(found.values(), list(found.values())[1:], strict=False):
        assert np.all(larger | ~smaller)
    np.testing.assert_array_equal(found["intersection"], sides[0] & sides[1])
    np.testing.assert_array_equal(found["union"], sides[0] | sides[1])
