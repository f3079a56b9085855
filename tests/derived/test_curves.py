"""Metrics over checkpoints: scores, differences, pairs, warping."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy import stats

import prosect
from prosect.errors import UsageError
from support.stored import COMPONENTS, curve, tokens, value

RNG = np.random.default_rng(3)


class TestScaling:
    def test_scores_of_curves(self):
        found = prosect.derive("z_scores", curve())
        np.testing.assert_allclose(
            found.z_scores.sel(variable="importance"), stats.zscore(curve().importance, axis=0, ddof=1)
        )
        assert found.step.values.tolist() == curve().step.values.tolist()
        flipped = prosect.derive("z_scores", curve(), sign="mean_minus_value")
        np.testing.assert_array_equal(flipped.z_scores, -found.z_scores)

    def test_differences_stand_at_the_later_checkpoint_in_the_order_of_steps(self):
        mixed = curve().isel(model=RNG.permutation(12))
        found = prosect.derive("differences", mixed, lag=2).differences.sel(variable="importance")
        assert found.step.values.tolist() == curve().step.values[2:].tolist()
        np.testing.assert_allclose(found, curve().importance.values[2:] - curve().importance.values[:-2])

    def test_too_few_items_are_said(self):
        with pytest.raises(UsageError, match="12 items along 'model' are too few for differences over 12"):
            prosect.derive("differences", curve(), times=12)


class TestPairs:
    SCORE = xr.Dataset({"bleu": ("step", RNG.random(12).cumsum())}, {"step": 100 * np.arange(1, 13)})

    def test_a_score_may_be_read_from_a_store_when_it_is_needed(self):
        lazy = prosect.derive("pair_correlation", curve().chunk(), self.SCORE.chunk(), against="bleu", pairs="all")
        plain = prosect.derive("pair_correlation", curve(), self.SCORE, against="bleu", pairs="all")
        xr.testing.assert_allclose(lazy.pair_correlation, plain.pair_correlation)

    def test_all_pairs_correlate_as_counted_by_hand(self):
        found = prosect.derive("pair_correlation", curve(), self.SCORE, against="bleu", pairs="all")
        first, second = np.triu_indices(12, 1)
        delta = curve().importance.values[second] - curve().importance.values[first]
        score = self.SCORE.bleu.values[second] - self.SCORE.bleu.values[first]
        rho = found.pair_correlation.sel(variable="importance")
        for place, component in enumerate(COMPONENTS):
            assert value(rho, component=component) == pytest.approx(stats.spearmanr(delta[:, place], score).statistic)
        assert value(rho, component="l1") == pytest.approx(stats.spearmanr(abs(delta).sum(1), score).statistic)
        assert (found.number == 66).all()
        assert np.isnan(found.resampling_deviation).all()

    def test_random_pairs_come_near_all_of_them_and_their_seeds_are_recorded(self):
        data, score = curve(60), xr.Dataset({"bleu": ("step", RNG.random(60))}, {"step": 100 * np.arange(1, 61)})
        every = prosect.derive("pair_correlation", data, score, against="bleu", pairs="all").pair_correlation
        found = prosect.derive("pair_correlation", data, score, against="bleu", number=500, seed=7)
        assert found.attrs["seeds"] == list(range(7, 17))
        assert float(abs(found.pair_correlation - every).max()) < 0.06
        assert (found.resampling_deviation > 0).all()
        again = prosect.derive("pair_correlation", data, score, against="bleu", number=500, seed=7)
        xr.testing.assert_identical(found, again)

    def test_checkpoints_without_a_score_are_not_drawn(self):
        score = self.SCORE.isel(step=slice(2, 8))
        found = prosect.derive("pair_correlation", curve(), score, against="bleu", pairs="all")
        assert (found.number == 15).all()

    def test_neighbours_alone(self):
        found = prosect.derive("pair_correlation", curve(), self.SCORE, against="bleu", pairs="lag", lag=3)
        delta = curve().importance.values[3:, 0] - curve().importance.values[:-3, 0]
        score = np.asarray(self.SCORE.bleu[3:]) - np.asarray(self.SCORE.bleu[:-3])
        assert value(found.pair_correlation, component="input") == pytest.approx(
            stats.spearmanr(delta, score).statistic
        )

    def test_the_sign_of_scores_turns_correlations_round_but_for_sums(self):
        def rho(scale):
            found = prosect.derive("pair_correlation", curve(), self.SCORE, against="bleu", pairs="all", scale=scale)
            return found.pair_correlation.squeeze().values

        np.testing.assert_allclose(rho("mean_minus_value")[:3], -rho("value_minus_mean")[:3])
        np.testing.assert_allclose(rho("mean_minus_value")[3], rho("value_minus_mean")[3])

    def test_differences_themselves_have_the_labels_of_their_items(self):
        found = prosect.derive("pair_differences", curve(5), pairs="all", delta="absolute")
        assert found.pair_differences.dims == ("variable", "pair", "component")
        assert found["first"].values[0] == "r@step100"
        assert found["second"].values[-1] == "r@step500"
        plain = curve(5).importance.values
        np.testing.assert_allclose(found.pair_differences[0, 0, :3], abs(plain[1] - plain[0]))
        np.testing.assert_allclose(found.pair_differences[0, 0, 3], abs(plain[1] - plain[0]).sum())

    def test_pairs_within_and_across_sentences(self):
        data = prosect.derive("summary", tokens(), by="sentence")
        data = data.assign_coords(group=("sentence", [0, 0, 1, 1, 2, 2, 2, 2]))
        options = {"over": "sentence", "pairs": "all", "variables": ["mean"]}
        within = prosect.derive("pair_differences", data, within="group", **options)
        across = prosect.derive("pair_differences", data, across="group", **options)
        assert within.sizes["pair"] == 1 + 1 + 6
        assert across.sizes["pair"] == 28 - 8
        drawn = prosect.derive("pair_differences", data, across="group", over="sentence", number=5, variables=["mean"])
        assert drawn.sizes["pair"] == 5

    def test_no_pair_of_the_kind_is_said(self):
        with pytest.raises(UsageError, match="2 items along 'model' give no pair of this kind"):
            prosect.derive("pair_differences", curve(2), pairs="lag", lag=5)
        with pytest.raises(UsageError, match="the coordinate 'component' must lie on 'model'"):
            prosect.derive("pair_differences", curve(3), within="component")


class TestWarping:
    def test_curves_of_a_sweep_go_along_their_steps_whatever_their_order(self):
        first, second = curve(run="a"), curve(9, seed=1, run="b")
        expected = prosect.derive("dynamic_time_warping", first, second)
        mixed = prosect.derive("dynamic_time_warping", first.isel(model=RNG.permutation(12)), second)
        xr.testing.assert_allclose(mixed, expected)
        assert expected.dynamic_time_warping.dims == ("variable", "component")

    def test_runs_of_one_dataset_are_told_apart_by_a_label(self):
        runs = [curve(6, seed, run) for seed, run in enumerate("abc")]
        found = prosect.derive("dynamic_time_warping", xr.concat(runs, "model"))
        assert [*zip(found.run.values, found.other_run.values, strict=True)] == [("a", "b"), ("a", "c"), ("b", "c")]
        alone = prosect.derive("dynamic_time_warping", runs[0], runs[2]).dynamic_time_warping
        np.testing.assert_allclose(found.dynamic_time_warping[:, 1], alone)

    def test_scores_before_a_cut_differ_from_scores_after_it(self):
        def distance(scale):
            return prosect.derive("dynamic_time_warping", curve(), curve(9, 1), scale=scale, until="common")

        assert not np.allclose(distance("before").dynamic_time_warping, distance("after").dynamic_time_warping)

    def test_it_can_be_divided_by_the_lengths(self):
        plain, divided = (
            prosect.derive("dynamic_time_warping", curve(), curve(9, 1), normalise=how).dynamic_time_warping
            for how in ("none", "length")
        )
        np.testing.assert_allclose(divided, plain / 21)

    @pytest.mark.parametrize(
        ("options", "says"),
        [
            ({"window": 1}, "the window of 1 is too narrow"),
            ({"over": "time"}, "there is no dimension 'time'"),
            ({"over": "component", "until": 3}, "'until' needs a numeric coordinate"),
        ],
    )
    def test_what_is_wrong_is_said(self, options, says):
        with pytest.raises(UsageError, match=says):
            prosect.derive("dynamic_time_warping", curve(), curve(9, 1), **options)

    def test_one_run_is_no_pair(self):
        with pytest.raises(UsageError, match="there is only one run, 'r'"):
            prosect.derive("dynamic_time_warping", curve())


def test_labels_of_terms_may_be_text_as_a_store_gives_it():
    """Variable-width text, which NumPy casts to no other kind."""
    labels = np.array(["input", "bias"], dtype=np.dtypes.StringDType())
    curves = xr.DataArray(
        np.arange(8.0).reshape(4, 2) ** 2, {"component": labels}, dims=("step", "component"), name="mean"
    )
    found = prosect.derive("pair_differences", curves, pairs="lag")
    assert [str(label) for label in found.component.values] == ["input", "bias", "l1"]
    np.testing.assert_array_equal(found.sel(component="l1"), abs(curves.diff("step")).sum("component"))
