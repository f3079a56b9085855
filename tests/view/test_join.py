"""Data joined by the labels that it shares."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from prosect.api.results import holds, join, labels_of, select
from prosect.errors import UsageError
from prosect.vocab.filters import Range

TOKENS = xr.Dataset(
    {"norm": (("layer", "token"), np.arange(12.0).reshape(2, 6))},
    {"layer": [0, 1], "sentence": ("token", [0, 0, 1, 1, 1, 3]), "text": ("token", list("abcabc"))},
)


def test_a_value_per_sentence_goes_to_its_tokens():
    table = xr.Dataset({"score": ("sentence", [5.0, 6.0, 7.0])}, {"sentence": [1, 0, 2]})
    found = join(TOKENS, table)
    np.testing.assert_array_equal(found.score, [6, 6, 5, 5, 5, np.nan])
    assert found.score.dims == ("token",)
    xr.testing.assert_identical(found.drop_vars("score"), TOKENS)


def test_text_is_joined_too_and_empty_where_nothing_is_said():
    table = xr.Dataset({"genre": ("sentence", np.array(["x", "y"], dtype=object))}, {"sentence": [0, 1]})
    assert join(TOKENS, table).genre.values.tolist() == ["x", "x", "y", "y", "y", ""]


def test_texts_of_any_kind_are_the_same_key():
    stored = TOKENS.assign_coords(text=("token", np.array(list("abcabc"), dtype=np.dtypes.StringDType())))
    table = xr.Dataset({"frequency": ("text", [1.0, 2.0, 3.0])}, {"text": np.array(["c", "b", "a"], dtype=object)})
    assert join(stored, table).frequency.values.tolist() == [3, 2, 1, 3, 2, 1]


def test_two_keys_on_two_dimensions():
    table = xr.Dataset({"s": (("layer", "sentence"), [[1.0, 2], [3, 4]])}, {"layer": [1, 0], "sentence": [0, 1]})
    found = join(TOKENS, table)
    np.testing.assert_array_equal(found.s.sel(layer=1), [1, 1, 2, 2, 2, np.nan])


def test_a_dimension_of_the_table_alone_stays():
    table = xr.Dataset({"s": (("sentence", "rater"), np.ones((2, 3)))}, {"sentence": [0, 1], "rater": list("abc")})
    found = join(TOKENS, table)
    assert found.s.dims == ("token", "rater")
    assert found.rater.values.tolist() == ["a", "b", "c"]


def test_variables_without_a_key_and_scalar_labels_do_no_harm():
    table = xr.Dataset({"total": ((), 3.0), "s": ("sentence", [1.0])}, {"sentence": [0], "model": "m"})
    found = join(TOKENS.assign_coords(model="other"), table)
    assert float(found.total) == 3
    assert found.model.item() == "other"


def test_a_scalar_label_picks_one_entry():
    one = TOKENS.assign_coords(step=20)
    table = xr.Dataset({"bleu": ("step", [1.0, 2.0])}, {"step": [10, 20]})
    assert float(join(one, table).bleu) == 2


@pytest.mark.parametrize(
    ("table", "says"),
    [
        (xr.Dataset({"norm": ("sentence", [1.0])}, {"sentence": [0]}), "both datasets have 'norm'; rename one"),
        (
            xr.Dataset({"s": ("sentence", [1.0, 2.0])}, {"sentence": [0, 0]}),
            "the table has the same 'sentence' several",
        ),
        (
            xr.Dataset({"s": ("sentence", [1.0])}, {"sentence": ["zero"]}),
            "no 'sentence' of one dataset is one of the oth",
        ),
    ],
)
def test_what_does_not_fit_is_said(table, says):
    with pytest.raises(UsageError, match=says):
        join(TOKENS, table)


class TestSelect:
    @pytest.mark.parametrize(
        ("where", "exclude", "left"),
        [
            ({"sentence": 1}, {}, [2, 3, 4]),
            ({"sentence": (0, 3)}, {}, [0, 1, 5]),
            ({"sentence": Range(min=1)}, {}, [2, 3, 4, 5]),
            ({"sentence": Range(max=1)}, {"text": "a"}, [1, 2, 4]),
            ({}, {"text": ("a", "b")}, [2, 5]),
            ({"token": (0, 4)}, {}, [0, 4]),
        ],
    )
    def test_tokens_by_their_labels(self, where, exclude, left):
        found = select(TOKENS, where, exclude)
        np.testing.assert_array_equal(found.norm[0], left)

    def test_labels_of_several_dimensions_leave_gaps(self):
        found = select(TOKENS, {"norm": Range(min=6)})
        np.testing.assert_array_equal(found.norm, np.where(TOKENS.norm < 6, np.nan, TOKENS.norm))

    def test_truth_values(self):
        data = TOKENS.assign_coords(special=("token", [True, False] * 3))
        assert holds(data, "special", False).values.tolist() == [False, True] * 3

    def test_nothing_left_and_no_such_label_are_said(self):
        with pytest.raises(UsageError, match="nothing is left by the condition on 'sentence': 9"):
            select(TOKENS, {"sentence": 9})
        with pytest.raises(UsageError, match="there is no coordinate, dimension or variable 'pos'; there are layer"):
            labels_of(TOKENS, "pos")
