"""Estimators of intrinsic dimension on sets of vectors, against values of other people's packages."""

from __future__ import annotations

import numpy as np
import pytest

import prosect
from prosect_plugins.metrics.geometry import neighbours
from support.geometry import SETS, values, vectors

RESTATED, SKDIM, DADAPY = "reference", "skdim-0.5.0", "dadapy-0.3.4"
MICROSCOPE = "llm_microscope-0.0.6"
LIKELIHOOD = {"fit": "maximum_likelihood"}
CASES = {
    (RESTATED, "twonn_linear_unique(keep=0.9)"): ({}, 5e-14),
    (RESTATED, "twonn_linear_unique(keep=0.98)"): ({"keep": 0.98}, 5e-14),
    (RESTATED, "twonn_linear_unique(keep=0.5)"): ({"keep": 0.5}, 5e-14),
    (RESTATED, "twonn_linear_unique(keep=0.2)"): ({"keep": 0.2}, 5e-14),
    (RESTATED, "twonn_ml_unique"): (LIKELIHOOD, 5e-14),
    (RESTATED, "twonn_censored_ml_unique(keep=0.9)"): ({"fit": "censored"}, 5e-14),
    (RESTATED, "microscope_restated(rf=5)"): ({"fit": "llm_microscope", "keep": 0.2}, 1e-13),
    # For points without noise in the last digit of float32, in which the package makes its ranks.
    (MICROSCOPE, "intrinsic_dimension(reduction_factor=5)"): ({"fit": "llm_microscope", "keep": 0.2}, 1e-7),
    (MICROSCOPE, "intrinsic_dimension(reduction_factor=1)"): ({"fit": "llm_microscope", "keep": 1}, 1e-7),
    (RESTATED, "mle_unique(k=20, harmonic)"): ({"method": "mle"}, 3e-15),
    (RESTATED, "mle_unique(k=20, mean)"): ({"method": "mle", "aggregate": "mean"}, 3e-15),
    (RESTATED, "mom_unique(k=20, mean)"): ({"method": "mom"}, 3e-15),
    (RESTATED, "mle_unique(k=4, harmonic)"): ({"method": "mle"}, 3e-15),
    (RESTATED, "mom_unique(k=4, mean)"): ({"method": "mom"}, 3e-15),
    (SKDIM, "TwoNN"): ({}, 5e-14),
    (SKDIM, "TwoNN(method=mle)"): ({"fit": "censored"}, 5e-14),
    (SKDIM, "TwoNN(method=mle,discard_fraction=0)"): (LIKELIHOOD, 5e-14),
    (SKDIM, "MLE(n_neighbors=20,comb=mle)"): ({"method": "mle"}, 3e-15),
    (SKDIM, "MLE(n_neighbors=20,comb=mean)"): ({"method": "mle", "aggregate": "mean"}, 3e-15),
    (SKDIM, "MLE(n_neighbors=20,comb=mean,unbiased)"): (
        {"method": "mle", "aggregate": "mean", "unbiased": True},
        3e-15,
    ),
    (SKDIM, "MLE(n_neighbors=10,comb=mle)"): ({"method": "mle", "neighbours": 10}, 3e-15),
    (SKDIM, "MOM"): ({"method": "mom", "neighbours": 100}, 3e-15),
    (SKDIM, "MOM(n_neighbors=20)"): ({"method": "mom"}, 3e-15),
    (SKDIM, "MADA"): ({"method": "mada"}, 5e-15),
    (DADAPY, "compute_id_2NN(base,mu_fraction=0.9)"): ({}, 2e-9),
    (DADAPY, "compute_id_2NN(ml)"): (LIKELIHOOD, 2e-9),
    (DADAPY, "remove_identical_points+2NN(base)"): ({}, 2e-9),
    (DADAPY, "remove_identical_points+2NN(ml)"): (LIKELIHOOD, 2e-9),
}
#: Packages that leave equal points in, or take out some of them only, are no reference where there are any.
DEDUPLICATED = (RESTATED, MICROSCOPE)


@pytest.fixture(autouse=True, scope="module")
def _one_table_for_all():
    """Search for the neighbours of a set once: 100 of them serve every estimator."""
    search, tables = neighbours.nearest, {}

    def remembered(points, k):
        key = points.numpy().tobytes()
        if key not in tables or tables[key].index.shape[1] < min(k, len(points) - 1):
            tables[key] = search(points, max(k, 100))
        found = tables[key]
        return neighbours.Neighbours(found.squares[:, :k], found.index[:, :k])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neighbours, "nearest", remembered)
        yield


def measured(name, **options):
    return prosect.measure("intrinsic_dimension", vectors(name).astype(np.float64), **options)


@pytest.mark.parametrize(("source", "call"), CASES)
def test_an_estimate_is_that_of_the_reference(source, call):
    options, tolerance = CASES[source, call]
    seen = 0
    for name in SETS:
        expected = values().get(f"{name}|{source}|{call}")
        portable = source in DEDUPLICATED or "remove_identical" in call or name != "dups_d32"
        if isinstance(expected, float) and portable:
            np.testing.assert_allclose(measured(name, **options), expected, rtol=tolerance, err_msg=name)
            seen += 1
    assert seen >= 1


@pytest.mark.parametrize("name", SETS)
def test_nominal_errors_and_the_prior_are_those_of_the_reference(name):
    expected = values()[f"{name}|reference|twonn_ml_unique_stderr"]
    np.testing.assert_allclose(measured(name, error="nominal", **LIKELIHOOD).error, expected, rtol=5e-14)
    prior = values().get(f"{name}|{DADAPY}|compute_id_2NN_wprior[id,err]")
    if isinstance(prior, list) and name != "dups_d32":
        found = measured(name, fit="bayesian", error="nominal")
        np.testing.assert_allclose([found, found.error], prior, rtol=5e-14)


@pytest.mark.parametrize("name", [name for name in SETS if name != "dups_d32"])
@pytest.mark.parametrize(
    ("source", "call", "tolerance"),
    [
        (SKDIM, "GRIDE(multiscale,range_max=64)[ids;errs]", 1e-12),
        (DADAPY, "return_id_scaling_gride(range_max=64)[ids;errs]", 2e-8),
    ],
)
def test_a_profile_over_scales_is_that_of_the_reference(name, source, call, tolerance):
    expected = values().get(f"{name}|{source}|{call}")
    if not isinstance(expected, list):
        pytest.skip("the package raised")
    number = len(expected) // 2
    scales = [2**power for power in range(1, number + 1)]
    found = measured(name, method="gride", error="nominal", scales=scales)
    assert found.scale.values.tolist() == scales
    np.testing.assert_allclose(found, expected[:number], rtol=tolerance)
    np.testing.assert_allclose(found.error, expected[number:], rtol=tolerance)


def test_equal_points_are_removed_and_counted():
    found = measured("dups_d32")
    assert (int(found.n_used), int(found.duplicates), int(found.kept)) == (900, 100, 810)
    kept = measured("dups_d32", duplicates="keep")
    assert (int(kept.n_used), int(kept.duplicates)) == (1000, 0)


def test_the_number_of_ratios_is_a_count_and_not_a_fraction_of_rounding():
    """int(2000 * (1 - 0.8)) is 399."""
    assert int(measured("iso_gauss", keep=0.2).kept) == 400
    assert int(measured("iso_gauss", keep=0.9).kept) == 1800


def test_a_decimation_starts_with_the_value_of_all_points():
    found = measured("iso_gauss", decimation=3)
    assert found.scale.values.tolist() == [1, 2, 4, 8]
    np.testing.assert_allclose(found[0], measured("iso_gauss"), rtol=1e-15)
    # With fewer points the dimension of a Gaussian comes out smaller, as the package's curve says.
    curve = values()[f"iso_gauss|{DADAPY}|return_id_scaling_2NN(n_min=100)[ids;errs] rng_seed=42"][:4]
    np.testing.assert_allclose(found, curve, rtol=0.06)
    assert (np.diff(found.values) < 0.2).all()
