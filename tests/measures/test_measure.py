"""`prosect.measure`: plain arrays in, a labelled value out."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr

import prosect
from prosect.errors import PluginError, UsageError

VECTORS = np.random.default_rng(1).standard_normal((30, 4))


def test_one_matrix_gives_one_number_with_its_companions():
    found = prosect.measure("anisotropy", VECTORS, error="batches", blocks=3)
    assert (found.name, found.dims) == ("anisotropy", ())
    assert set(found.coords) == {"n_used", "null", "error"}
    assert found.n_used == 30
    assert set(found.attrs) == {"long_name", "units", "reference"}


@pytest.mark.parametrize("kind", [np.asarray, torch.from_numpy, xr.DataArray])
def test_arrays_of_any_kind_are_taken(kind):
    assert float(prosect.measure("isoscore", kind(VECTORS))) == float(prosect.measure("isoscore", VECTORS))


def test_bfloat16_and_integers_are_measured_in_float64():
    half = torch.from_numpy(VECTORS).to(torch.bfloat16)
    assert float(prosect.measure("isoscore", half)) == float(prosect.measure("isoscore", half.double()))
    whole = np.arange(12).reshape(4, 3) ** 2
    assert float(prosect.measure("isoscore", whole)) == float(prosect.measure("isoscore", whole.astype(float)))


def test_further_axes_are_measured_one_by_one_and_keep_their_labels():
    stacked = xr.DataArray(
        np.stack([VECTORS, 2 * VECTORS, VECTORS**3]), dims=("run", "token", "hidden"), coords={"run": ["a", "b", "c"]}
    )
    found = prosect.measure("participation_ratio", stacked)
    assert found.dims == ("run",)
    assert found.run.values.tolist() == ["a", "b", "c"]
    assert float(found.sel(run="c")) == float(prosect.measure("participation_ratio", VECTORS**3))


def test_dims_in_any_order_are_found_by_name():
    array = xr.DataArray(VECTORS.T, dims=("hidden", "token"))
    assert float(prosect.measure("isoscore", array)) == float(prosect.measure("isoscore", VECTORS))


def test_layers_and_components_of_terms_are_axes_of_the_result():
    terms = xr.DataArray(np.stack([VECTORS, VECTORS**2])[None], dims=("layer", "component", "token", "hidden"))
    assert prosect.measure("anisotropy", terms).dims == ("layer", "component")
    total = prosect.measure("anisotropy", terms, component="total")
    assert float(total[0]) == pytest.approx(float(prosect.measure("anisotropy", VECTORS + VECTORS**2)))


def test_metrics_of_tokens_are_measured_too():
    found = prosect.measure("norm", VECTORS)
    assert found.dims == ("token",)
    np.testing.assert_allclose(found, np.linalg.norm(VECTORS, axis=1))


def test_the_terms_of_decompose_can_be_measured_as_a_spec_would():
    from support.models import random_module

    rows = [[5, 6, 7, 8], [9, 10, 3], [11, 12, 13], [4, 2, 8, 1, 9]]
    metrics = ["norm", {"name": "anisotropy", "component": "all"}, {"name": "dispersion", "selection": "no_first"}]
    found = prosect.decompose(random_module("bert"), None, rows, metrics=metrics, terms=True)
    again = prosect.measure("anisotropy", found.terms, component="all")
    np.testing.assert_allclose(again, found.anisotropy, rtol=1e-6)
    again = prosect.measure("dispersion", found.terms, selection="no_first")
    np.testing.assert_allclose(again, found.dispersion, rtol=1e-6)


@pytest.mark.parametrize(
    ("array", "more", "fault"),
    [
        (np.zeros(3), {}, r"shape \(token, hidden\)"),
        (np.array([[1.0, np.nan]]), {}, "not finite"),
        (VECTORS, {"coordinates": {"sentence": [1, 2]}}, "one value for each of the 30 tokens"),
        (VECTORS, {"coordinates": {"sentence": np.arange(30) % 2}}, "must stand together"),
        (VECTORS, {"coordinates": {"token_id": np.array(["a"] * 30)}}, "'token_id' are whole numbers"),
    ],
)
def test_arrays_that_cannot_be_measured_are_refused(array, more, fault):
    with pytest.raises(UsageError, match=fault):
        prosect.measure("isoscore", array, **more)


def test_an_unknown_measure_is_named_with_the_nearest():
    with pytest.raises(PluginError, match="did you mean 'isoscore'"):
        prosect.measure("isoscor", VECTORS)


def test_metrics_of_results_and_of_heads_are_sent_elsewhere():
    with pytest.raises(UsageError, match=r"call prosect\.derive"):
        prosect.measure("correlation", VECTORS)
