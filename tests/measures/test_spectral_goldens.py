"""Measures of a spectrum and of cosines on sets of vectors, against values of other people's packages."""

from __future__ import annotations

import numpy as np
import pytest

import prosect
from support.geometry import SETS, arrays, reference, values, vectors

SPECTRAL = {
    "anisotropy": ("anisotropy", {}, 3e-15),
    "anisotropy_uncentred": ("anisotropy", {"center": False}, 3e-15),
    "participation_ratio": ("participation_ratio", {}, 2e-12),
    "isoscore=(PR-1)/(d-1)": ("isoscore", {}, 2e-12),
    "stable_rank(=1/anisotropy)": ("stable_rank", {}, 3e-15),
    "erank_singular_centred": ("effective_rank", {}, 1e-12),
    "erank_variance_centred": ("effective_rank", {"spectrum": "variance"}, 1e-12),
    "rankme_paper(uncentred,singular,eps1e-7)": ("rankme", {}, 1e-12),
}


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("key", SPECTRAL)
def test_a_spectrum_is_measured_as_the_reference_does(name, key):
    metric, options, tolerance = SPECTRAL[key]
    found = prosect.measure(metric, vectors(name), **options)
    np.testing.assert_allclose(found, reference(name, key), rtol=tolerance)
    assert found.dims == ()
    assert found.n_used == reference(name, "n")


@pytest.mark.parametrize("name", SETS)
def test_the_mean_cosine_is_that_of_all_pairs(name):
    found = prosect.measure("anisotropy", vectors(name), method="cosine")
    np.testing.assert_allclose(found, reference(name, "avg_cosine"), rtol=0, atol=2e-15)


@pytest.mark.parametrize("name", SETS)
def test_the_mean_cosine_of_centred_vectors_is_that_of_the_reference(name):
    wide = vectors(name).astype(np.float64)
    found = prosect.measure("anisotropy", wide - wide.mean(axis=0), method="cosine")
    np.testing.assert_allclose(found, reference(name, "avg_cosine_centred"), rtol=0, atol=2e-14)


PACKAGES = {
    ("skdim-0.5.0", "lPCA(participation_ratio)"): ("participation_ratio", {}, 2e-12),
    ("IsoScore-1.0", "IsoScore(points d x N)"): ("isoscore", {}, 2e-12),
    # It takes the square root of the number of coordinates in float32.
    ("IsoScore-2.0.1", "IsoScore(points N x d, float64)"): ("isoscore", {}, 1e-4),
    ("IsoScore-2.0.1", "IsoScore_star(C0=I,zeta=0.2)"): ("isoscore", {"shrinkage": 0.2}, 1e-4),
    ("IsoScore-2.0.1", "IsoScore_star(C0=I,zeta=0.75)"): ("isoscore", {"shrinkage": 0.75}, 1e-4),
    ("sklearn-1.9.1", "PCA explained_variance_ratio_[0]"): ("anisotropy", {}, 3e-15),
    ("sklearn-1.9.1", "mean off-diagonal cosine"): ("anisotropy", {"method": "cosine"}, 1e-11),
    ("llm_microscope-0.0.6", "calculate_anisotropy_torch(float64)"): ("anisotropy", {}, 3e-14),
    # Centred and of the variance, in float32, with 1e-7 added to every share.
    ("reptrix-0.1.0", "get_rankme"): ("effective_rank", {"spectrum": "variance"}, 1e-4),
}


@pytest.mark.slow
@pytest.mark.parametrize(("source", "call"), PACKAGES)
def test_packages_measure_the_same(source, call):
    metric, options, tolerance = PACKAGES[source, call]
    seen = 0
    for name in SETS:
        value = values().get(f"{name}|{source}|{call}")
        if isinstance(value, float):
            found = prosect.measure(metric, vectors(name).astype(np.float64), **options)
            np.testing.assert_allclose(found, value, rtol=tolerance, err_msg=name)
            seen += 1
    assert seen >= 3


def in_context(metric, **options):
    found = arrays("token_context")
    places = {"sentence": found["sentence"], "token_id": found["type"]}
    return prosect.measure(metric, found["X"], coordinates=places, **options)


def test_words_in_context_are_measured_as_the_reference_does():
    context = "token_context"
    found = in_context("self_similarity", baseline="all")
    np.testing.assert_allclose(found, reference(context, "self_similarity_mean_over_types"), atol=2e-15)
    np.testing.assert_allclose(found - found.baseline, reference(context, "self_similarity_adjusted"), atol=2e-15)
    each = in_context("self_similarity", each_type=True)
    np.testing.assert_allclose(each, reference(context, "self_similarity_per_type"), atol=2e-15)
    np.testing.assert_allclose(
        each.baseline, reference(context, "baseline_cosine_pairs_from_different_sentences"), atol=2e-15
    )
    found = in_context("intra_sentence_similarity", baseline="all")
    np.testing.assert_allclose(found, reference(context, "intra_sentence_similarity_mean"), atol=2e-15)
    np.testing.assert_allclose(found - found.baseline, reference(context, "intra_sentence_adjusted"), atol=2e-15)
    every = {"types": None, "occurrences": None}
    np.testing.assert_allclose(in_context("mev", **every), reference(context, "mev_centred_mean"), rtol=3e-15)
    np.testing.assert_allclose(
        in_context("mev", center=False, **every), reference(context, "mev_uncentred_mean"), rtol=3e-15
    )


def test_half_precision_that_overflows_when_squared_is_measured_wide():
    half, wide = arrays("fp16_overflow")["X"], arrays("fp16_overflow")["X64"]
    with np.errstate(over="ignore"):
        assert np.isinf(np.square(half)).any()
    assert float(prosect.measure("anisotropy", half)) == float(prosect.measure("anisotropy", wide))
