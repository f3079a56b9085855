"""Neighbours are exact; samples are drawn as the options say; what has no answer is NaN."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.distance import cdist
from sklearn.metrics import r2_score

import prosect
from prosect.errors import SpecError, UsageError
from prosect_plugins.metrics.geometry import neighbours
from prosect_plugins.metrics.geometry.neighbours import nearest, unique_rows


def brute(points: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Neighbours by sorting all distances, equal ones by place."""
    distances = ((points[:, None] - points) ** 2).sum(axis=-1)
    np.fill_diagonal(distances, np.inf)
    order = np.argsort(distances, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(distances, order, axis=1), order


@settings(deadline=None, max_examples=25)
@given(
    seed=st.integers(0, 10_000),
    number=st.integers(2, 60),
    k=st.integers(1, 12),
    offset=st.sampled_from([0.0, 30.0, 1e4]),
    lattice=st.booleans(),
)
def test_neighbours_are_those_of_a_plain_search(seed, number, k, offset, lattice):
    """With points that are equal, ties, and an offset that swallows digits of expanded distances."""
    generator = np.random.default_rng(seed)
    points = generator.integers(0, 3, (number, 4)).astype(float) if lattice else generator.standard_normal((number, 4))
    points *= generator.choice([1.0, 100.0], size=(number, 1))
    found = nearest(torch.from_numpy(points + offset), k)
    squares, index = brute((points + offset) - (points + offset).mean(axis=0), min(k, number - 1))
    np.testing.assert_allclose(found.squares, squares, rtol=1e-9, atol=1e-12 if offset == 0 else 1e-6)
    if lattice and offset == 0:
        exact = brute(points, min(k, number - 1))[0]
        np.testing.assert_allclose(found.squares, exact, atol=1e-9)
    if not lattice:
        np.testing.assert_array_equal(found.index, index)


def test_a_point_that_the_shortlist_could_miss_is_compared_with_all(monkeypatch):
    """Far outliers make expanded distances so wrong that a shortlist of k could be in error."""
    monkeypatch.setattr(neighbours, "SPARE", 0)
    generator = np.random.default_rng(0)
    points = generator.standard_normal((200, 6)) * 1e-6
    points[0] = 1e6
    found = nearest(torch.from_numpy(points), 5)
    squares = np.sort(cdist(points, points)[1:, 1:] ** 2, axis=1)[:, 1:6]
    np.testing.assert_allclose(found.squares[1:], squares, rtol=1e-4)


def test_many_points_are_looked_at_block_by_block(monkeypatch):
    points = torch.from_numpy(np.random.default_rng(1).standard_normal((100, 5)))
    whole = nearest(points, 7)
    monkeypatch.setattr(neighbours, "BLOCK_BYTES", 3000)
    parts = nearest(points, 7)
    np.testing.assert_array_equal(whole.index, parts.index)
    np.testing.assert_array_equal(whole.squares, parts.squares)


def test_rows_are_equal_by_value():
    rows = torch.tensor([[1.0, 2.0], [0.0, 3.0], [1.0, 2.0], [-0.0, 3.0], [1.0, 2.0000001]], dtype=torch.float64)
    assert unique_rows(rows).tolist() == [0, 1, 4]


@pytest.mark.parametrize("method", ["twonn", "mle", "mom", "mada", "gride"])
@pytest.mark.parametrize(
    "points",
    [
        np.zeros((5, 3)),
        np.eye(6),
        np.arange(6.0)[:, None] * np.ones(2),
        np.array([[0.0, 1.0]]),
        np.array([[0.0, 1.0], [2.0, 1.0]]),
        np.zeros((0, 3)),
    ],
    ids=["equal", "one-hot", "line of equal steps", "one point", "two points", "none"],
)
def test_what_has_no_answer_is_not_a_number(method, points):
    """On a lattice all ratios are 1, and packages say 0, 1, 80 or infinity."""
    found = prosect.measure("intrinsic_dimension", points, method=method)
    if points.shape != (6, 2):
        assert np.isnan(found).all()
    assert not np.isinf(found).any()


@pytest.mark.parametrize("fit", ["linear", "maximum_likelihood", "censored", "bayesian", "llm_microscope"])
def test_a_lattice_has_no_dimension_by_any_fit(fit):
    assert np.isnan(prosect.measure("intrinsic_dimension", np.eye(8), fit=fit))


def test_dimension_does_not_depend_on_scale_place_or_rotation():
    generator = np.random.default_rng(3)
    points = generator.standard_normal((300, 4))
    rotation = np.linalg.qr(generator.standard_normal((4, 4)))[0]
    expected = float(prosect.measure("intrinsic_dimension", points))
    for moved in (points * 1e-5, points @ rotation + 7, np.pad(points, ((0, 0), (0, 6)))):
        assert float(prosect.measure("intrinsic_dimension", moved)) == pytest.approx(expected, rel=1e-8)


def in_sentences(seed: int = 0, sentences: int = 40, length: int = 6):
    generator = np.random.default_rng(seed)
    number = sentences * length
    points = generator.standard_normal((number, 5)) + np.repeat(
        generator.standard_normal((sentences, 5)) * 3, length, 0
    )
    ids = generator.integers(0, 9, number)
    return points, {"sentence": np.repeat(np.arange(sentences), length), "token_id": ids}


def test_a_sample_is_drawn_once_and_kept_as_places():
    points, coordinates = in_sentences()
    stacked = np.stack([points, points**3])
    import xarray as xr

    array = xr.DataArray(stacked, dims=("layer", "token", "hidden"), coords={"layer": [3, 4]})
    array = array.assign_coords({name: ("token", values) for name, values in coordinates.items()})
    found = prosect.measure("intrinsic_dimension", array, sample=50, seed=4)
    again = prosect.measure("intrinsic_dimension", array, sample=50, seed=4)
    other = prosect.measure("intrinsic_dimension", array, sample=50, seed=5)
    assert found.n_used.values.tolist() == [50, 50]
    np.testing.assert_array_equal(found, again)
    assert (found != other).all()


def drawn(**options) -> np.ndarray:
    """Places of the tokens that a plan draws from the small corpus of the kits, shape (batch, sample)."""
    from prosect.plugins.registry import load_registry
    from prosect.testing.accumulators import loaded

    accumulation = loaded(load_registry().find("metrics", "intrinsic_dimension"), options)
    return accumulation.begin().finalise()["intrinsic_dimension_sample"][0]


def test_a_plan_keeps_to_its_numbers():
    assert drawn(sample=20, component="total").shape == (1, 20)
    from prosect.testing.corpus import LENGTHS

    sentence = np.repeat(np.arange(len(LENGTHS)), LENGTHS)
    places = drawn(per_sentence=2, component="total")[0]
    assert np.bincount(sentence[places]).max() == 2
    assert (np.diff(places) > 0).all()


def test_batches_share_no_sentence():
    from prosect.testing.corpus import LENGTHS

    sentence = np.repeat(np.arange(len(LENGTHS)), LENGTHS)
    batches = drawn(error="batches", blocks=3, component="total", sample=None)
    own = [set(sentence[batch[batch >= 0]]) for batch in batches]
    assert sum(map(len, own)) == len(set.union(*own)) == len(LENGTHS)


def test_tokens_that_a_causal_model_cannot_tell_apart_are_drawn_once():
    ids = np.array([1, 2, 3, 1, 2, 4, 1, 2, 3])
    sentence = np.repeat([0, 1, 2], 3)
    points = np.random.default_rng(0).standard_normal((9, 3))
    coordinates = {"sentence": sentence, "token_id": ids}

    def number(duplicates):
        return int(
            prosect.measure("intrinsic_dimension", points, coordinates=coordinates, duplicates=duplicates).n_used
        )

    # 1, 12, 123, 124 are the prefixes; the third sentence is the first one again.
    assert number("prefix") == 4
    assert number("input") == 6
    assert number("value") == number("keep") == 9


def test_neighbours_within_a_sentence_are_counted():
    points, coordinates = in_sentences()
    found = prosect.measure("intrinsic_dimension", points, coordinates=coordinates)
    order = np.argsort(cdist(points, points), axis=1)[:, 1:3]
    own = coordinates["sentence"]
    expected = (own[order] == own[:, None]).any(axis=1).mean()
    np.testing.assert_allclose(found.same_sentence, expected)
    assert 0.3 < expected < 1
    alone = prosect.measure("intrinsic_dimension", points, coordinates=coordinates, per_sentence=1)
    assert alone.same_sentence == 0


def test_the_jackknife_finds_neighbours_anew_without_each_block():
    points, coordinates = in_sentences()
    found = prosect.measure("intrinsic_dimension", points, coordinates=coordinates, error="jackknife", blocks=4)
    block = coordinates["sentence"] % 4
    left = np.array([float(prosect.measure("intrinsic_dimension", points[block != b])) for b in range(4)])
    np.testing.assert_allclose(found.error, np.sqrt(3 / 4 * np.square(left - left.mean()).sum()), rtol=1e-9)


def test_methods_in_a_list_are_what_each_gives_alone():
    points, _ = in_sentences()
    methods = ["mle", "twonn", "mada"]
    found = prosect.measure("intrinsic_dimension", points, method=methods, neighbours=[10, 12])
    assert found.estimator.values.tolist() == methods
    for method in methods:
        alone = prosect.measure("intrinsic_dimension", points, method=method, neighbours=[10, 12])
        assert float(found.sel(estimator=method)) == float(alone)


@pytest.mark.parametrize(
    ("options", "fault"),
    [
        ({"error": "nominal"}, "takes a likelihood"),
        ({"method": ["twonn", "gride"]}, "stands by itself"),
        ({"method": "gride", "decimation": 2}, "without 'decimation'"),
        ({"method": "gride", "scales": [2, 3]}, "even numbers"),
        ({"method": "mle", "neighbours": 2}, "at least 3"),
        ({"error": "bootstrap"}, "expected"),
    ],
)
def test_options_that_make_no_sense_are_refused(options, fault):
    with pytest.raises(SpecError, match=fault):
        prosect.measure("intrinsic_dimension", np.eye(5), **options)


def layered(seed: int = 0):
    import xarray as xr

    generator = np.random.default_rng(seed)
    first = generator.standard_normal((80, 6))
    layers = np.stack([first, first + 0.3 * generator.standard_normal((80, 6)), generator.standard_normal((80, 6))])
    coordinates = {"layer": [0, 1, 2], "pos": ("token", np.where(first[:, 0] > 0, "noun", "verb"))}
    return xr.DataArray(layers, dims=("layer", "token", "hidden"), coords=coordinates)


@pytest.mark.parametrize(
    ("to", "pairs"), [("next", [(0, 1), (1, 2)]), ("last", [(0, 2), (1, 2)]), ("first", [(1, 0), (2, 0)])]
)
def test_the_overlap_is_the_share_of_neighbours_that_two_layers_have_in_common(to, pairs):
    array = layered()
    found = prosect.measure("neighbourhood_overlap", array, neighbours=10, to=to)
    sets = [np.argsort(cdist(layer, layer), axis=1)[:, 1:11] for layer in array.values]
    for one, other in pairs:
        expected = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(sets[one], sets[other], strict=True)])
        np.testing.assert_allclose(found.sel(layer=one), expected)
    left = {0, 1, 2} - {one for one, _ in pairs}
    assert np.isnan(found.sel(layer=left.pop()))
    np.testing.assert_allclose(found.null.sel(layer=pairs[0][0]), 10 / 79)


def test_the_overlap_with_labels_is_the_share_of_neighbours_of_the_same_label():
    array = layered()
    found = prosect.measure("neighbourhood_overlap", array, neighbours=10, to="label", label="pos")
    pos = array.pos.values
    near = np.argsort(cdist(array.values[0], array.values[0]), axis=1)[:, 1:11]
    np.testing.assert_allclose(found[0], (pos[near] == pos[:, None]).mean())
    same = pos[:, None] == pos
    np.testing.assert_allclose(found.null[0], (same.sum() - 80) / (80 * 79))


def test_an_overlap_needs_another_layer_or_a_label():
    with pytest.raises(UsageError, match="compares layers, and this analysis has one"):
        prosect.measure("neighbourhood_overlap", np.eye(4))
    with pytest.raises(SpecError, match="belong together"):
        prosect.measure("neighbourhood_overlap", np.eye(4), label="pos")


def test_a_linear_map_is_scored_as_scikit_learn_scores_it():
    from sklearn.linear_model import LinearRegression

    from prosect_plugins.metrics.geometry.linear_map import least_squares, score

    generator = np.random.default_rng(5)
    read = generator.standard_normal((200, 7)) * np.geomspace(1e-3, 1e3, 7) + 5
    read[:, 3] = read[:, 0] + read[:, 1]
    written = np.tanh(read @ generator.standard_normal((7, 4))) + 0.1 * generator.standard_normal((200, 4))
    model = LinearRegression().fit((read - read.mean(0)) / read.std(0), written)
    predicted = model.predict((read - read.mean(0)) / read.std(0))
    x, y = torch.from_numpy(read - read.mean(0)), torch.from_numpy(written - written.mean(0))
    weights = least_squares(x.T @ x, x.T @ y)
    left, all_ = (y - x @ weights).square().sum(0), y.square().sum(0)
    assert score(left, all_, uniform=True) == pytest.approx(r2_score(written, predicted), rel=1e-9)
    expected = r2_score(written, predicted, multioutput="variance_weighted")
    assert score(left, all_, uniform=False) == pytest.approx(expected, rel=1e-9)
