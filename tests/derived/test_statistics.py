"""Tests of samples, parts of variance, intervals; and plain arrays for every metric."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy import stats

import prosect
from prosect.errors import UsageError
from support.stored import SENTENCES, curve, tokens, value

RNG = np.random.default_rng(3)


class TestSamples:
    def test_two_samples(self):
        first, second = tokens(), tokens(5).isel(token=slice(9))
        found = prosect.derive("mann_whitney", first, second, over=["token"], variables=["norm"])
        expected = stats.mannwhitneyu(first.norm[1, 0], second.norm[1, 0])
        assert value(found.mann_whitney, layer=6, component="input") == pytest.approx(expected.pvalue)
        assert value(found.u_statistic, layer=6, component="input") == expected.statistic
        p = found.mann_whitney.values.ravel()
        holm = np.minimum(1, np.maximum.accumulate(np.sort(p) * np.arange(6, 0, -1)))
        np.testing.assert_allclose(np.sort(found.adjusted_p.values.ravel()), holm)

    def test_pairs_of_runs_of_one_family_against_the_rest(self):
        """As in the paper: distances within one language pair, and all others."""
        runs = [curve(6, seed, run) for seed, run in enumerate("abcd")]
        distances = prosect.derive("dynamic_time_warping", xr.concat(runs, "model"))
        family = {"run": ["a", "b"], "other_run": ["a", "b"]}
        found = prosect.derive("permutation_test", distances, first=family, alternative="less")
        values = distances.dynamic_time_warping.sel(variable="importance", component="bias").values
        assert value(found.ways, component="bias") == 6
        assert value(found.permutation_test, component="bias") == pytest.approx((values <= values[0]).mean())
        assert value(found.difference_of_means, component="bias") == pytest.approx(values[0] - values[1:].mean())

    def test_samples_can_be_named_both(self):
        found = prosect.derive(
            "permutation_test",
            tokens(),
            over=["token"],
            first={"sentence": 0},
            second={"sentence": [1, 3]},
            variables=["norm"],
        )
        assert value(found.ways, layer=0, component="input") == 20

    @pytest.mark.parametrize(
        ("options", "says"),
        [
            ({}, "'first' must say"),
            ({"first": {"sentence": 0}}, "say with 'over'"),
            ({"first": {"layer": 0, "sentence": 0}, "over": ["token"]}, "speaks of several dimensions"),
            ({"first": {"sentence": {"min": 0}}, "over": ["token"]}, "nothing is left for the second sample"),
        ],
    )
    def test_what_is_wrong_is_said(self, options, says):
        with pytest.raises(UsageError, match=says):
            prosect.derive("mann_whitney", tokens(), **options)

    def test_agreement_by_sentence_needs_no_common_tokens(self):
        first, second = tokens(), tokens(2).isel(token=RNG.permutation(len(SENTENCES))[:20])
        found = prosect.derive("sentence_agreement", first, second, variables=["norm"])
        agreements = []
        for sentence in range(8):
            a = first.norm.values[1, 0][sentence == SENTENCES]
            b = second.norm.values[1, 0][second.sentence.values == sentence]
            if len(b):
                share = np.mean([(x > y) + 0.5 * (x == y) for x in a for y in b])
                agreements.append(1 - abs(2 * share - 1))
        where = {"layer": 6, "component": "input"}
        assert value(found.sentence_agreement, **where) == pytest.approx(np.mean(agreements))
        assert value(found.number, **where) == len(agreements)

    def test_a_run_agrees_with_itself(self):
        found = prosect.derive("sentence_agreement", tokens(), tokens())
        np.testing.assert_allclose(found.sentence_agreement, 1)


class TestVariance:
    def test_shares_between_runs_and_tokens(self):
        models = xr.concat([tokens(seed) for seed in range(4)], "model")
        found = prosect.derive("variance_decomposition", models)
        assert found.effect.values.tolist() == ["model", "token", "model:token"]
        np.testing.assert_allclose(found.variance_decomposition.sum("effect"), 1)
        assert value(found.number, variable="importance", layer=0, component="attention") == len(SENTENCES) - 1
        table = models.norm.values[:, 1, 2]
        between = ((table.mean(1) - table.mean()) ** 2).sum() * table.shape[1]
        where = {"variable": "norm", "layer": 6, "component": "bias"}
        total = ((table - table.mean()) ** 2).sum()
        assert value(found.variance_decomposition, effect="model", **where) == pytest.approx(between / total)

    def test_labels_of_models_are_factors_too(self):
        models = xr.concat([tokens(seed) for seed in range(6)], "model")
        models = models.assign_coords(seed=("model", [0, 0, 0, 1, 1, 1]), step=("model", [1, 2, 3] * 2))
        found = prosect.derive("variance_decomposition", models, factors=["seed", "step", "token"])
        assert found.sizes["effect"] == 7
        assert "seed:step" in found.effect.values
        np.testing.assert_allclose(found.variance_decomposition.sum("effect"), 1)

    def test_what_is_wrong_is_said(self):
        with pytest.raises(UsageError, match="the factor 'model' is neither a dimension nor a coordinate"):
            prosect.derive("variance_decomposition", tokens())
        one = xr.concat([tokens()], "model")
        with pytest.raises(UsageError, match="'model' has one level only"):
            prosect.derive("variance_decomposition", one)


class TestBootstrap:
    def test_the_interval_is_that_of_resampled_sentences(self):
        data = tokens()
        found = prosect.derive("bootstrap", data, resamples=3000, level=0.9)
        where = {"variable": "norm", "layer": 6, "component": "input"}
        values = data.norm.values[1, 0]
        assert value(found.bootstrap, **where) == pytest.approx(values.mean())
        rows = [values[sentence == SENTENCES] for sentence in range(8)]
        means = [np.concatenate([rows[i] for i in RNG.integers(0, 8, 8)]).mean() for _ in range(3000)]
        low, high = np.quantile(means, [0.05, 0.95])
        assert value(found.lower, **where) == pytest.approx(low, abs=0.03)
        assert value(found.upper, **where) == pytest.approx(high, abs=0.03)
        assert value(found.clusters, **where) == 8
        assert found.attrs["seed"] == 0

    def test_undefined_values_are_left_out(self):
        data = tokens().isel(layer=0, component=1)
        found = prosect.derive("bootstrap", data, variables=["importance"])
        assert float(found.bootstrap.squeeze()) == pytest.approx(float(data.importance.mean()))

    def test_a_difference_draws_the_same_sentences_in_both(self):
        data = tokens()
        shifted = data.assign(norm=data.norm + 1)
        found = prosect.derive("bootstrap", data, shifted, variables=["norm"], interval="bca")
        np.testing.assert_allclose(found.bootstrap, 1)
        np.testing.assert_allclose(found.standard_error, 0, atol=1e-12)
        np.testing.assert_allclose(found.lower, 1)

    def test_values_by_themselves(self):
        found = prosect.derive("bootstrap", tokens(), cluster="none", variables=["norm"])
        assert int(found.clusters.values.flat[0]) == len(SENTENCES)
        with pytest.raises(UsageError, match="'layer' must lie on 'token'"):
            prosect.derive("bootstrap", tokens(), cluster="layer")


ARRAYS = [
    ("correlation", 2, {"over": ["x"]}),
    ("summary", 1, {"over": ["x"]}),
    ("z_scores", 1, {}),
    ("differences", 1, {}),
    ("pair_differences", 1, {}),
    ("dynamic_time_warping", 2, {}),
    ("permutation_test", 2, {}),
    ("mann_whitney", 2, {}),
    ("bootstrap", 1, {"over": "x", "cluster": "none"}),
]


@pytest.mark.parametrize(("name", "number", "options"), ARRAYS, ids=[case[0] for case in ARRAYS])
def test_plain_arrays_without_a_name_or_a_coordinate_will_do(name, number, options):
    given = [xr.DataArray(RNG.normal(size=7), dims="x") for _ in range(number)]
    found = prosect.derive(name, *given, **options)
    assert isinstance(found, xr.DataArray)
    assert "variable" not in found.dims
    assert found.name == ("mean" if name == "summary" else name)
    assert found.notnull().any()


def test_a_cell_without_values_is_undefined_whatever_stands_in_the_first():
    """Layer 0 has no norm of attention: its distances are NaN, and its neighbours are tested all the same."""
    values = xr.DataArray([[1.0, 2.0, 5.0], [np.nan] * 3], dims=("layer", "pair"), name="distance")
    labelled = values.assign_coords(kind=("pair", ["a", "a", "b"]))
    for name in ("permutation_test", "mann_whitney"):
        found = prosect.derive(name, labelled, first={"kind": "a"})
        assert np.isnan(found.values).tolist() == [False, True]
