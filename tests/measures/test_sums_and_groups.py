"""Sums of components, selections, groups and errors: every number is that of the vectors it speaks of."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

import prosect
from prosect.errors import SpecError, UsageError

LABELS = ["input", "attention", "feed_forward", "bias"]
TOKENS, HIDDEN = 60, 5


def terms(seed: int = 0, components: int = 4) -> xr.DataArray:
    """Random terms with an offset, two layers, sentences of four tokens, an annotation of three classes."""
    generator = np.random.default_rng(seed)
    values = generator.standard_normal((2, components, TOKENS, HIDDEN)) * generator.uniform(0.2, 3, HIDDEN)
    values += generator.standard_normal((2, components, 1, HIDDEN))
    tokens = np.arange(TOKENS)
    coordinates = {
        "layer": [1, 2],
        "component": LABELS[:components],
        "sentence": ("token", tokens // 4),
        "special": ("token", tokens % 4 == 3),
        "pos": ("token", np.array(["noun", "verb", ""])[tokens % 3]),
        "size": ("token", generator.integers(0, 10, TOKENS).astype(float)),
    }
    return xr.DataArray(values, dims=("layer", "component", "token", "hidden"), coords=coordinates)


def participation_ratio(vectors: np.ndarray) -> float:
    values = np.linalg.eigvalsh(np.cov(vectors.T))
    return values.sum() ** 2 / np.square(values).sum()


def anisotropy(vectors: np.ndarray) -> float:
    values = np.linalg.eigvalsh(np.cov(vectors.T))
    return values[-1] / values.sum()


def held(name: str, labels: list[str]) -> list[str]:
    """Components of a sum, spelt out."""
    if name == "total":
        return labels
    if name.startswith("to "):
        return labels[: labels.index(name[3:]) + 1]
    if name.startswith("all but "):
        return [label for label in labels if label != name[8:]]
    return name.split("+")


@pytest.mark.parametrize("component", ["each", "partial", "leave_one_out", "all", ["total", "input+bias"]])
@pytest.mark.parametrize("components", [2, 3, 4])
def test_every_sum_is_measured_as_its_vectors_are(component, components):
    """Whether one matrix is kept for each sum, or those between all pairs of components."""
    given_ = terms(components=components)
    labels = LABELS[:components]
    component = ["total", "input+attention"] if isinstance(component, list) else component
    found = prosect.measure("participation_ratio", given_, component=component)
    axis = "component" if component == "each" else "subset"
    assert found.dims == ("layer", axis)
    assert len(set(found[axis].values)) == found.sizes[axis]
    for name in found[axis].values:
        for layer in (1, 2):
            vectors = given_.sel(layer=layer, component=held(str(name), labels)).sum("component")
            expected = participation_ratio(vectors.values)
            np.testing.assert_allclose(found.sel({"layer": layer, axis: name}), expected, rtol=1e-11)


def test_all_sums_are_components_partial_sums_leave_one_out_sums_and_the_total():
    found = prosect.measure("isoscore", terms(), component="all")
    assert found.subset.values.tolist() == [
        *LABELS,
        "to attention",
        "to feed_forward",
        *(f"all but {label}" for label in LABELS),
        "total",
    ]
    found = prosect.measure("isoscore", terms(components=2), component="all")
    assert found.subset.values.tolist() == ["input", "attention", "total"]


@pytest.mark.parametrize("component", ["total", "attention", "attention+bias", "to feed_forward", "all but input"])
def test_one_sum_by_name_has_no_dimension(component):
    found = prosect.measure("stable_rank", terms(), component=component)
    vectors = terms().sel(layer=2, component=held(component, LABELS)).sum("component")
    assert found.dims == ("layer",)
    np.testing.assert_allclose(found.sel(layer=2), 1 / anisotropy(vectors.values), rtol=1e-11)


@pytest.mark.parametrize("component", ["attentoin", "attention+", "to", "all but nothing"])
def test_a_component_that_is_not_there_is_named(component):
    with pytest.raises(UsageError, match=r"there is no component.*input, attention, feed_forward, bias"):
        prosect.measure("isoscore", terms(), component=component)


def test_selections_leave_out_what_they_say():
    given_ = terms()
    found = prosect.measure("anisotropy", given_, selection=["all", "no_first", "no_special", "content"])
    tokens = np.arange(TOKENS)
    first, special = tokens % 4 == 0, tokens % 4 == 3
    kept = {"all": first | ~first, "no_first": ~first, "no_special": ~special, "content": ~(first | special)}
    assert found.dims == ("layer", "selection", "component")
    for name, mask in kept.items():
        own = found.sel(selection=name, layer=1, component="bias")
        assert own.n_used == mask.sum()
        vectors = given_.sel(layer=1, component="bias").values[mask]
        np.testing.assert_allclose(own, anisotropy(vectors), rtol=1e-11)
        one = prosect.measure("anisotropy", given_, selection=name).sel(layer=1, component="bias")
        np.testing.assert_allclose(one, own, rtol=1e-12)


def test_groups_are_the_values_of_a_coordinate_and_empty_text_is_none():
    given_ = terms()
    found = prosect.measure(
        "participation_ratio", given_, group="pos", component="total", selection=["all", "no_first"]
    )
    assert found.group.values.tolist() == ["noun", "verb"]
    total = given_.sum("component")
    for value in ("noun", "verb"):
        mask = (total.pos.values == value) & (np.arange(TOKENS) % 4 > 0)
        own = found.sel(group=value, selection="no_first", layer=2)
        assert own.n_used == mask.sum()
        np.testing.assert_allclose(own, participation_ratio(total.sel(layer=2).values[mask]), rtol=1e-11)


def test_numbers_are_cut_into_bins():
    given_ = terms()
    found = prosect.measure("isoscore", given_, group="size", group_bins=[0, 3, 5], component="total")
    assert found.group.values.tolist() == [0, 3]
    sizes = given_["size"].values
    assert found.n_used.isel(layer=0).values.tolist() == [(sizes < 3).sum(), ((sizes >= 3) & (sizes < 5)).sum()]


def test_groups_may_be_named():
    found = prosect.measure("isoscore", terms(), group="pos", group_values=["verb", "noun"], component="total")
    assert found.group.values.tolist() == ["verb", "noun"]
    everything = prosect.measure("isoscore", terms(), group="pos", component="total")
    np.testing.assert_allclose(found.sel(group="noun"), everything.sel(group="noun"))


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"group": "mood"}, "no coordinate 'mood'; it has .*pos"),
        ({"group": "pos", "group_bins": [0, 1]}, "holds text"),
        ({"group": "pos", "group_values": ["adverb"]}, "no token has one of the 'group_values'"),
    ],
)
def test_groups_that_are_not_there_are_named(options, fault):
    with pytest.raises(UsageError, match=fault):
        prosect.measure("isoscore", terms(), **options)


@pytest.mark.parametrize("method", ["spectral", "cosine"])
def test_the_jackknife_leaves_out_one_block_of_sentences_at_a_time(method):
    given_ = terms().sum("component")
    found = prosect.measure("anisotropy", given_, error="jackknife", blocks=3, method=method)
    block = given_.sentence.values % 3
    left = np.array([prosect.measure("anisotropy", given_[:, block != b], method=method) for b in range(3)])
    expected = np.sqrt(2 / 3 * np.square(left - left.mean(axis=0)).sum(axis=0))
    np.testing.assert_allclose(found.error, expected, rtol=1e-8)
    np.testing.assert_allclose(found, prosect.measure("anisotropy", given_, method=method), rtol=1e-12)


def test_batches_are_averaged_over_blocks_that_share_no_sentence():
    given_ = terms().sum("component")
    found = prosect.measure("participation_ratio", given_, error="batches", blocks=3)
    block = given_.sentence.values % 3
    each = np.array([prosect.measure("participation_ratio", given_[:, block == b]) for b in range(3)])
    np.testing.assert_allclose(found, each.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.error, each.std(axis=0, ddof=1) / np.sqrt(3), rtol=1e-9)
    assert (found.n_used == TOKENS).all()


def test_pairs_of_different_sentences_are_those_and_no_others():
    total = terms().sum("component").isel(layer=0)
    found = prosect.measure("anisotropy", total, method="cosine", pairs="different_sentences", selection="no_first")
    kept = np.arange(TOKENS) % 4 > 0
    units = total.values[kept] / np.linalg.norm(total.values[kept], axis=1, keepdims=True)
    sentence = total.sentence.values[kept]
    across = sentence[:, None] != sentence
    np.testing.assert_allclose(found, (units @ units.T)[across].mean(), rtol=1e-12)


def test_scaled_rows_count_alike():
    total = terms().sum("component").isel(layer=0)
    units = total / np.linalg.norm(total, axis=1, keepdims=True)
    found = prosect.measure("anisotropy", total, rows="unit")
    np.testing.assert_allclose(found, prosect.measure("anisotropy", units), rtol=1e-12)


@pytest.mark.slow
@settings(deadline=None, max_examples=8)
@given(st.integers(0, 1000), st.booleans())
def test_splits_over_components_and_coordinates_sum_to_the_anisotropy(seed, center):
    given_ = terms(seed)
    whole = prosect.measure("anisotropy", given_, component="total", center=center)
    over = prosect.measure("anisotropy_split", given_, center=center)
    assert over.dims == ("layer", "component", "other_component")
    np.testing.assert_allclose(over.sum(("component", "other_component")), whole, rtol=1e-9)
    np.testing.assert_allclose(over.variance_split.sum(("component", "other_component")), 1, rtol=1e-9)
    np.testing.assert_allclose(over, over.values.swapaxes(1, 2), atol=1e-9)
    each = prosect.measure("anisotropy_split", given_, over="coordinate", center=center)
    np.testing.assert_allclose(each.sum("hidden"), whole, rtol=1e-11)
    np.testing.assert_allclose(each.variance_split.sum("hidden"), 1, rtol=1e-11)


@pytest.mark.slow
@settings(deadline=None, max_examples=8)
@given(st.integers(0, 1000))
def test_splits_of_the_mean_cosine_sum_to_it(seed):
    given_ = terms(seed)
    whole = prosect.measure("anisotropy", given_, component="total", method="cosine")
    over = prosect.measure("anisotropy_split", given_, method="cosine")
    np.testing.assert_allclose(over.sum(("component", "other_component")), whole, rtol=1e-9, atol=1e-12)
    each = prosect.measure("anisotropy_split", given_, method="cosine", over="coordinate", component="all")
    subsets = prosect.measure("anisotropy", given_, method="cosine", component="all")
    np.testing.assert_allclose(each.sum("hidden"), subsets, rtol=1e-9, atol=1e-12)


def test_a_split_over_pairs_is_the_leading_direction_of_the_sum_in_each():
    given_ = terms().isel(layer=0)
    total = given_.sum("component").values
    values, vectors = np.linalg.eigh(np.cov(total.T))
    scores = (given_.values - given_.values.mean(axis=1, keepdims=True)) @ vectors[:, -1]
    expected = np.cov(scores) / values.sum()
    np.testing.assert_allclose(prosect.measure("anisotropy_split", given_), expected, rtol=1e-10, atol=1e-12)


def test_what_does_not_vary_is_not_a_number():
    constant = np.tile(np.array([0.1, 3.7, -2.2e4]), (50, 1))
    for name in ("anisotropy", "isoscore", "participation_ratio", "effective_rank", "stable_rank"):
        assert np.isnan(prosect.measure(name, constant))
    assert float(prosect.measure("anisotropy", constant, center=False)) == pytest.approx(1)
    assert np.isnan(prosect.measure("rankme", np.zeros((5, 3))))
    assert np.isnan(prosect.measure("mev", constant, coordinates={"token_id": np.zeros(50, int)}))


def test_a_wide_leading_eigenvalue_is_found_without_all_others(monkeypatch):
    """Lanczos' method takes over where solving for all eigenvalues would cost too much."""
    from prosect_plugins.metrics.geometry import covariance

    vectors = np.random.default_rng(0).standard_normal((300, 40)) * np.linspace(1, 4, 40)
    expected = float(prosect.measure("anisotropy", vectors))
    monkeypatch.setattr(covariance, "LANCZOS_WIDTH", 10)
    assert float(prosect.measure("anisotropy", vectors)) == pytest.approx(expected, rel=1e-13)
    assert float(prosect.measure("anisotropy", vectors)) == float(prosect.measure("anisotropy", vectors))


@pytest.mark.parametrize(
    ("name", "options", "fault"),
    [
        ("anisotropy", {"pairs": "different_sentences"}, "'pairs' belongs to 'method: cosine'"),
        ("anisotropy", {"method": "cosine", "center": False}, "belong to 'method: spectral'"),
        ("anisotropy_split", {"component": "all"}, "that of 'component: total'"),
        ("isoscore", {"shrinkage": 1}, "a number below 1"),
        ("isoscore", {"shrinkag": 0.5}, "did you mean 'shrinkage'"),
    ],
)
def test_options_that_do_not_go_together_are_refused(name, options, fault):
    with pytest.raises(SpecError, match=fault):
        prosect.measure(name, np.eye(4), **options)
