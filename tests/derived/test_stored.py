"""Metrics over results as a store gives them: arrays that are not loaded, and labels of numpy's text type."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

import prosect
from support.stored import curve, tokens

SCORE = xr.Dataset({"bleu": ("step", np.arange(12.0) ** 2 % 7)}, {"step": 100 * np.arange(1, 13)})


def stored(dataset: xr.Dataset) -> xr.Dataset:
    """Give a dataset the types that it has when it is read from a store."""
    texts = {
        name: (c.dims, np.array([str(text) for text in c.values], dtype=np.dtypes.StringDType()))
        for name, c in dataset.coords.items()
        if c.dtype.kind in "OUT"
    }
    return dataset.assign_coords(texts).chunk()


@pytest.mark.parametrize(
    ("name", "datasets", "options"),
    [
        ("summary", [tokens()], {}),
        ("summary", [tokens()], {"by": "sentence"}),
        ("correlation", [tokens(), tokens(1)], {}),
        ("bootstrap", [tokens(), tokens(1)], {"resamples": 20}),
        ("mann_whitney", [tokens(), tokens(1)], {"over": ["token"]}),
        ("permutation_test", [tokens(), tokens(1)], {"over": ["token"], "draws": 50}),
        ("sentence_agreement", [tokens(), tokens(1)], {}),
        ("z_scores", [curve()], {}),
        ("differences", [curve()], {}),
        ("pair_differences", [curve()], {"pairs": "all"}),
        ("pair_correlation", [curve(), SCORE], {"against": "bleu", "number": 20, "scale": "value_minus_mean"}),
        ("dynamic_time_warping", [curve(), curve(seed=1, run="s")], {}),
    ],
)
def test_a_result_is_the_same_of_stored_and_of_loaded_data(name, datasets, options):
    expected = prosect.derive(name, *datasets, **options)
    found = prosect.derive(name, *map(stored, datasets), **options)
    for variable, values in expected.data_vars.items():
        assert found[variable].dims == values.dims
        np.testing.assert_allclose(found[variable], values, rtol=1e-12, atol=1e-14)
        for dim in set(values.dims) & set(values.coords):
            assert list(map(str, found[dim].values)) == list(map(str, values[dim].values))


def test_a_group_without_a_known_value_has_no_mean_and_raises_no_warning():
    data = tokens()
    data.importance[0, 1] = np.nan
    found = prosect.derive("summary", stored(data), variables=["importance"]).isel(variable=0)
    assert np.isnan(found["mean"].values).sum() == np.isnan(found.standard_deviation.values).sum() == 1
    assert int(found.number.sel(layer=0, component="attention")) == 0
