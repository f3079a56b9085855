"""Values on their way into a store."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from prosect.errors import RunError
from prosect.results.values import compact, jsonable, narrow, storable

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@settings(deadline=None, max_examples=60)
@given(JSON)
def test_what_is_json_already_stays_as_it_is(value):
    assert jsonable(value) == value
    json.dumps(jsonable(value), allow_nan=False)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (np.float32(0.5), 0.5),
        (np.bool_(True), True),
        (np.array([[1, 2], [3, 4]]), [[1, 2], [3, 4]]),
        ((1, (2, None)), [1, [2, None]]),
        (Path("a/b"), "a/b"),
        (datetime(2030, 1, 2, tzinfo=UTC), "2030-01-02T00:00:00+00:00"),
        ({1: float("nan")}, {"1": "NaN"}),
        ([float("inf"), -np.inf], ["Infinity", "-Infinity"]),
    ],
)
def test_other_values_get_a_json_form(value, expected):
    assert jsonable(value) == expected


def test_a_value_without_json_form_is_refused():
    with pytest.raises(TypeError, match="object has no JSON form"):
        jsonable({"a": [object()]})


@settings(deadline=None, max_examples=60)
@given(hnp.arrays(np.int64, st.integers(0, 20)))
def test_compact_never_changes_a_number(values):
    found = compact(values)
    assert np.array_equal(found, values)
    assert found.dtype == (np.int64 if np.any(np.abs(values.astype(float)) > 2**31) else found.dtype)


def test_compact_halves_what_fits_and_leaves_the_rest():
    assert compact(np.array([2**31 - 1, -(2**31)])).dtype == np.int32
    assert compact(np.array([2**31])).dtype == np.int64
    assert compact(np.array([1], dtype=np.int8)).dtype == np.int8
    assert compact(np.array([1.0])).dtype == np.float64


@settings(deadline=None, max_examples=60)
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]))))
def test_text_of_any_kind_becomes_variable_length_text(texts):
    for array in (np.array(texts, dtype=object), np.array(texts, dtype=np.dtypes.StringDType())):
        found = storable(array)
        assert found.dtype == np.dtypes.StringDType()
        assert found.tolist() == texts


def test_narrow_keeps_what_fits():
    values = np.array([1.0, -65504.0, np.nan, np.inf], dtype=np.float32)
    found = narrow(values, "float16", "terms")
    assert found.dtype == np.float16
    np.testing.assert_array_equal(found.astype(np.float32), values)


def test_narrow_refuses_massive_activations():
    with pytest.raises(RunError, match=r"terms: 7e\+04 does not fit into float16"):
        narrow(np.array([1.0, -7e4], dtype=np.float32), "float16", "terms")
