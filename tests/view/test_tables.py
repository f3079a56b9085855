"""Small tables for the terminal."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from prosect.errors import UsageError
from prosect.view.tables import token_means


def variable(components=3):
    values = np.arange(2 * components * 4, dtype=np.float32).reshape(2, components, 4)
    values[0, 0, 3] = np.nan
    labels = [f"c{n}" for n in range(components)]
    coords = {"layer": [0, 6], "component": labels}
    return xr.DataArray(values, coords, ("layer", "component", "token"), "importance")


def test_means_over_all_tokens_stand_under_their_labels():
    assert token_means(variable(), title="minilm/factors").splitlines() == [
        "minilm/factors: importance, mean over 4 tokens, special tokens included",
        "layer      c0      c1      c2",
        "    0   1.000   5.500   9.500",
        "    6  13.500  17.500  21.500",
    ]


def test_the_order_of_dimensions_does_not_matter():
    assert token_means(variable().transpose("token", "component", "layer")) == token_means(variable())


def test_more_components_than_fit_are_counted():
    lines = token_means(variable(12), columns=5).splitlines()
    assert lines[1].split() == ["layer", "c0", "c1", "c2", "c3", "c4"]
    assert lines[-1] == "and 7 more components"


def test_a_node_of_a_store_makes_a_table(dataset):
    text = token_means(dataset.importance)
    assert "mean over 27 tokens" in text
    assert text.splitlines()[1].split() == ["layer", "input", "attention.1", "bias"]


def test_other_dimensions_are_refused():
    with pytest.raises(UsageError, match="importance: a table needs layer, component and token, not layer, component"):
        token_means(variable().isel(token=0))
