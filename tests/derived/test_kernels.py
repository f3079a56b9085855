"""The arithmetic against independent implementations: scipy, sacrebleu's own functions, and brute force."""

from __future__ import annotations

from itertools import combinations, product
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats

from prosect_plugins.derived.kernels import bootstrap, correlations, drift, pairs, samples, scaling, variance
from prosect_plugins.derived.kernels.warping import warping_distance

RNG = np.random.default_rng(0)
numbers = st.floats(-10, 10, allow_nan=False, width=32)


def curves(longest: int = 7):
    return arrays.arrays(np.float64, st.integers(1, longest), elements=numbers)


class TestWarping:
    """Against the recursion as it is written, and against every monotone path."""

    @staticmethod
    def recursion(a, b, *, cost=abs, diagonal=1.0, window=None):
        table = np.full((len(a) + 1, len(b) + 1), np.inf)
        table[0, 0] = 0
        for i, j in product(range(len(a)), range(len(b))):
            if window is None or abs(i - j) <= window:
                local = cost(a[i] - b[j])
                weight = diagonal if (i, j) != (0, 0) else 1.0
                straight = min(table[i, j + 1], table[i + 1, j]) + local
                table[i + 1, j + 1] = min(straight, table[i, j] + weight * local)
        return table[-1, -1]

    @staticmethod
    def every_path(a, b):
        def cheapest(i, j):
            here = abs(a[i] - b[j])
            if i == j == 0:
                return here
            before = [(i - 1, j), (i, j - 1), (i - 1, j - 1)]
            return here + min(cheapest(*place) for place in before if min(place) >= 0)

        return cheapest(len(a) - 1, len(b) - 1)

    @given(curves(), curves())
    def test_it_is_the_cheapest_of_all_paths(self, a, b):
        assert warping_distance(a, b) == pytest.approx(self.every_path(a, b), abs=1e-12)

    @given(curves(9), curves(9), st.sampled_from(["absolute", "squared"]), st.sampled_from([1.0, 2.0]))
    def test_costs_and_steps(self, a, b, cost, diagonal):
        square = (lambda gap: gap * gap) if cost == "squared" else abs
        pattern = "symmetric1" if diagonal == 1 else "symmetric2"
        expected = self.recursion(a, b, cost=square, diagonal=diagonal)
        assert warping_distance(a, b, cost=cost, pattern=pattern) == pytest.approx(expected, rel=1e-12, abs=1e-12)

    @given(curves(9), curves(9), st.integers(0, 9))
    def test_a_window_leaves_only_cells_near_the_diagonal(self, a, b, window):
        expected = self.recursion(a, b, window=window)
        assert warping_distance(a, b, window=window) == pytest.approx(expected, abs=1e-12)
        assert np.isinf(expected) == (abs(len(a) - len(b)) > window)

    @given(curves())
    def test_a_curve_is_at_no_distance_from_itself_and_from_a_slower_one(self, a):
        assert warping_distance(a, a) == 0
        assert warping_distance(a, np.repeat(a, 3)) == 0

    @given(curves(), curves())
    def test_it_is_symmetric(self, a, b):
        assert warping_distance(a, b) == pytest.approx(float(warping_distance(b, a)), abs=1e-12)

    def test_batches_are_broadcast(self):
        a, b = RNG.normal(size=(3, 1, 6)), RNG.normal(size=(4, 5))
        found = warping_distance(a, b)
        assert found.shape == (3, 4)
        for i, j in np.ndindex(3, 4):
            assert found[i, j] == pytest.approx(self.recursion(a[i, 0], b[j]))

    def test_what_is_not_known_makes_the_distance_unknown(self):
        found = warping_distance(np.array([[1.0, np.nan], [1.0, 2.0]]), np.array([1.0]))
        np.testing.assert_array_equal(found, [np.nan, 1.0])


REFERENCE = {"spearman": stats.spearmanr, "pearson": stats.pearsonr, "kendall": stats.kendalltau}


class TestCorrelations:
    """Against scipy, ties and gaps included."""

    @pytest.mark.parametrize("method", REFERENCE)
    @pytest.mark.parametrize("gaps", [False, True])
    def test_scipy_agrees(self, method, gaps):
        x, y = RNG.integers(0, 6, size=(4, 40)).astype(float), RNG.normal(size=(4, 40)).round(1)
        if gaps:
            x[0, ::3], y[1, ::5] = np.nan, np.nan
        found, number = correlations.correlate(x, y, method)
        for row in range(4):
            known = ~(np.isnan(x[row]) | np.isnan(y[row]))
            assert number[row] == known.sum()
            expected = REFERENCE[method](x[row][known], y[row][known]).statistic
            assert found[row] == pytest.approx(expected, abs=1e-14)

    @pytest.mark.parametrize("method", REFERENCE)
    def test_a_constant_and_too_few_pairs_give_no_number(self, method):
        assert np.isnan(correlations.correlate(np.ones(5), np.arange(5.0), method)[0])
        assert np.isnan(correlations.correlate(np.arange(2.0), np.arange(2.0), method)[0])
        assert correlations.correlate(np.arange(2.0), np.arange(2.0), method, 2)[0] == pytest.approx(1)


class TestScaling:
    """z-scores and differences."""

    @pytest.mark.parametrize("ddof", [0, 1])
    def test_scipy_agrees_on_scores(self, ddof):
        values = RNG.normal(size=(3, 20))
        np.testing.assert_allclose(scaling.z_scores(values, ddof=ddof), stats.zscore(values, axis=-1, ddof=ddof))
        values[0, 3] = np.nan
        expected = stats.zscore(values, axis=-1, ddof=ddof, nan_policy="omit")
        np.testing.assert_allclose(scaling.z_scores(values, ddof=ddof), expected)

    def test_the_sign_turns_them_round(self):
        values = RNG.normal(size=20)
        np.testing.assert_array_equal(scaling.z_scores(values, sign=-1), -scaling.z_scores(values))

    def test_a_constant_has_no_scores(self):
        assert np.isnan(scaling.z_scores(np.full(4, 0.5))).all()
        assert np.isnan(scaling.z_scores(np.full(1, 0.5))).all()

    @given(arrays.arrays(np.float64, 12, elements=numbers), st.integers(1, 3), st.integers(1, 3))
    def test_differences_are_those_of_numpy(self, values, times, lag):
        expected = values
        for _ in range(times):
            expected = expected[lag:] - expected[: len(expected) - lag]
        np.testing.assert_array_equal(scaling.differences(values, times=times, lag=lag), expected)
        np.testing.assert_array_equal(scaling.differences(values, times=times), np.diff(values, n=times))


class TestPairs:
    """Which pairs are drawn."""

    @given(st.integers(0, 9))
    def test_all_pairs_are_the_combinations(self, number):
        assert pairs.all_pairs(number).T.tolist() == [list(pair) for pair in combinations(range(number), 2)]

    @given(st.integers(0, 9), st.integers(1, 9))
    def test_neighbours_are_so_far_apart(self, number, lag):
        assert pairs.lag_pairs(number, lag).T.tolist() == [[i, i + lag] for i in range(number - lag)]

    @given(st.integers(2, 30), st.integers(1, 60), st.integers(0, 5))
    def test_random_pairs_are_different_ones_in_order(self, number, size, seed):
        found = pairs.random_pairs(number, size, seed)
        assert found.shape == (2, min(size, comb(number, 2)))
        assert (found[0] < found[1]).all()
        assert found.max() < number
        assert len({tuple(pair) for pair in found.T.tolist()}) == found.shape[1]
        np.testing.assert_array_equal(found, pairs.random_pairs(number, size, seed))

    def test_every_pair_is_as_likely_as_the_others(self):
        drawn = np.concatenate([pairs.random_pairs(6, 3, seed).T for seed in range(3000)])
        _, counts = np.unique(drawn, axis=0, return_counts=True)
        assert len(counts) == 15
        assert stats.chisquare(counts).pvalue > 1e-3

    def test_groups_part_pairs(self):
        groups, every = np.array([0, 0, 1]), pairs.all_pairs(3)
        assert pairs.grouped(every, groups, "within").tolist() == [True, False, False]
        assert pairs.grouped(every, groups, "across").tolist() == [False, True, True]
        assert pairs.grouped(every, groups, "any").all()


class TestSamples:
    """Against scipy and against counting."""

    @pytest.mark.parametrize("alternative", ["two-sided", "less", "greater"])
    def test_scipy_agrees_on_the_exact_permutation_test(self, alternative):
        for _ in range(5):
            first, second = RNG.normal(size=4), RNG.normal(size=5).round(1)

            def difference(x, y, axis):
                return x.mean(axis=axis) - y.mean(axis=axis)

            expected = stats.permutation_test(
                (first, second), difference, alternative=alternative, n_resamples=np.inf, vectorized=True
            )
            found, p, ways = samples.permutation_test(first, second, alternative=alternative)
            assert (found, ways) == (pytest.approx(expected.statistic), comb(9, 4))
            if alternative == "two-sided":
                values = expected.null_distribution
                assert p == pytest.approx((np.abs(values) >= abs(found) - 1e-12).mean())
            else:
                assert p == pytest.approx(expected.pvalue)

    def test_the_smallest_p_is_one_of_all_ways(self):
        """3 of 15, as for the pairs of runs in the paper: 1 / 455."""
        p = samples.permutation_test(np.array([1.0, 2, 3]), np.arange(4.0, 16), alternative="less")[1]
        assert p == pytest.approx(1 / 455)

    def test_ties_count_as_extreme_however_they_are_summed(self):
        first = np.array([0.1, 0.2, 0.3])
        assert samples.permutation_test(first, first[::-1].copy(), alternative="greater")[1] > 0.5

    def test_random_ways_come_near_the_exact_p(self):
        first, second = RNG.normal(size=6), RNG.normal(1, size=6)
        exact = samples.permutation_test(first, second)[1]
        drawn = samples.permutation_test(first, second, most=10, draws=20_000)
        assert drawn[1] == pytest.approx(exact, abs=0.01)
        assert drawn[2] == 20_001
        assert drawn == samples.permutation_test(first, second, most=10, draws=20_000)

    def test_mann_whitney_counts_pairs(self):
        first, second = RNG.integers(0, 5, size=7).astype(float), RNG.integers(0, 5, size=9).astype(float)
        expected = np.mean([(a > b) + (a == b) / 2 for a, b in product(first, second)])
        u, p, share = samples.mann_whitney(first, second)
        assert share == pytest.approx(expected)
        assert u == pytest.approx(expected * 63)
        assert samples.greater_share(first, second) == pytest.approx(expected)
        assert 0 < p <= 1

    @pytest.mark.parametrize("alternative", ["two-sided", "less", "greater"])
    def test_the_exact_mann_whitney_test_counts_all_ways(self, alternative):
        first, second = RNG.permutation(9.0 * np.arange(9))[:4], None
        second = np.setdiff1d(9.0 * np.arange(9), first)
        pooled = np.concatenate([first, second])
        found = [
            sum(pooled[i] > pooled[j] for i in way for j in range(9) if j not in way)
            for way in combinations(range(9), 4)
        ]
        u, p, _ = samples.mann_whitney(first, second, alternative=alternative, method="exact")
        tails = {"less": np.mean(np.array(found) <= u), "greater": np.mean(np.array(found) >= u)}
        expected = min(1, 2 * min(tails.values())) if alternative == "two-sided" else tails[alternative]
        assert p == pytest.approx(expected)

    @pytest.mark.parametrize("method", ["holm", "benjamini_hochberg"])
    def test_adjusted_p_values(self, method):
        p = np.array([0.01, 0.04, 0.03, np.nan, 0.5])
        if method == "benjamini_hochberg":
            expected = stats.false_discovery_control(p[[0, 1, 2, 4]])
        else:
            expected = np.array([0.04, 0.09, 0.09, 0.5])
        found = samples.adjusted(p, method)
        np.testing.assert_allclose(found[[0, 1, 2, 4]], expected)
        assert np.isnan(found[3])
        np.testing.assert_array_equal(samples.adjusted(p, "none"), p)


class TestVariance:
    """Against the sums of squares of a textbook, and against simulated effects."""

    def test_two_factors_without_repetition(self):
        values = RNG.normal(size=(4, 6))
        mean, rows, columns = values.mean(), values.mean(1), values.mean(0)
        expected = {
            (0,): 6 * ((rows - mean) ** 2).sum(),
            (1,): 4 * ((columns - mean) ** 2).sum(),
            (0, 1): ((values - rows[:, None] - columns + mean) ** 2).sum(),
        }
        found = variance.sums_of_squares(values, (0, 1))
        assert {e: float(s) for e, s in found.items()} == {e: pytest.approx(s) for e, s in expected.items()}

    @given(arrays.arrays(np.float64, (2, 3, 4), elements=numbers))
    def test_parts_sum_to_the_total_for_any_number_of_factors(self, values):
        total = ((values - values.mean()) ** 2).sum()
        assert sum(map(float, variance.sums_of_squares(values, (0, 1, 2)).values())) == pytest.approx(total, abs=1e-9)

    def test_axes_that_are_no_factors_are_batches(self):
        values = RNG.normal(size=(3, 5, 4))
        found = variance.sums_of_squares(values, (0, 2))
        for batch in range(5):
            alone = variance.sums_of_squares(values[:, batch], (0, 1))
            assert found[(0, 2)][batch] == pytest.approx(float(alone[(0, 1)]))

    def test_components_are_those_that_were_simulated(self):
        shape = (60, 400)
        runs, tokens = RNG.normal(0, 2, size=(60, 1)), RNG.normal(0, 3, size=(1, 400))
        values = runs + tokens + RNG.normal(size=shape)
        squares = variance.sums_of_squares(values, (0, 1))
        means = {e: s / variance.degrees_of_freedom(shape, e) for e, s in squares.items()}
        found = variance.variance_components(means, shape, (0, 1))
        # the textbook's estimates of a two-way random model
        assert found[(0, 1)] == pytest.approx(float(means[(0, 1)]))
        assert found[(0,)] == pytest.approx(float(means[(0,)] - means[(0, 1)]) / 400)
        assert found[(1,)] == pytest.approx(float(means[(1,)] - means[(0, 1)]) / 60)
        assert found[(0,)] == pytest.approx(np.var(runs, ddof=1), rel=0.1)

    def test_components_of_three_factors_solve_the_expected_mean_squares(self):
        shape = (3, 4, 5)
        effects = [e for size in (1, 2, 3) for e in combinations(range(3), size)]
        true = {effect: float(1 + place) for place, effect in enumerate(effects)}
        cells = {e: np.prod([n for axis, n in enumerate(shape) if axis not in e]) for e in effects}
        means = {e: np.float64(sum(cells[s] * true[s] for s in effects if set(e) <= set(s))) for e in effects}
        found = variance.variance_components(means, shape, (0, 1, 2))
        assert {e: float(v) for e, v in found.items()} == pytest.approx(true)


class TestBootstrap:
    """Against scipy where clusters are single values, and against drawing sentences by hand."""

    def test_sums_of_clusters(self):
        values, clusters = np.array([1.0, 2, np.nan, 4, 5]), np.array([1, 0, 1, 1, 0])
        sums, counts = bootstrap.cluster_sums(values, clusters)
        np.testing.assert_array_equal(sums, [7, 5])
        np.testing.assert_array_equal(counts, [2, 2])

    def test_resampled_means_have_the_spread_of_means_drawn_by_hand(self):
        values, clusters = RNG.normal(size=90), np.sort(RNG.integers(0, 20, size=90))
        clusters = np.unique(clusters, return_inverse=True)[1]
        found = bootstrap.bootstrap_means(*bootstrap.cluster_sums(values, clusters), resamples=4000, seed=1)
        number = clusters.max() + 1
        rows = [values[clusters == cluster] for cluster in range(number)]
        by_hand = [np.concatenate([rows[i] for i in RNG.integers(0, number, number)]).mean() for _ in range(4000)]
        assert found.std() == pytest.approx(np.std(by_hand), rel=0.06)
        assert found.mean() == pytest.approx(np.mean(by_hand), abs=0.01)

    def test_pieces_of_resamples_do_not_change_their_law(self, monkeypatch):
        sums, counts = RNG.normal(size=(2, 12)), np.ones((2, 12))
        monkeypatch.setattr(bootstrap, "_CELLS", 50)
        found = bootstrap.bootstrap_means(sums, counts, resamples=1001, seed=0)
        assert found.shape == (2, 1001)
        assert found.std(-1) == pytest.approx(sums.std(-1) / np.sqrt(12), rel=0.15)

    @pytest.mark.parametrize("method", ["percentile", "basic", "bca"])
    def test_scipy_agrees_on_intervals(self, method):
        values = RNG.exponential(size=40)
        sums, counts = bootstrap.cluster_sums(values, np.arange(40))
        resampled = bootstrap.bootstrap_means(sums, counts, resamples=40_000, seed=0)
        low, high = bootstrap.interval(
            np.array(values.mean()),
            resampled,
            level=0.9,
            method=method,
            jackknife=lambda: bootstrap.jackknife_means(sums, counts),
        )
        expected = stats.bootstrap(
            (values,), np.mean, confidence_level=0.9, method=method, n_resamples=40_000, rng=np.random.default_rng(5)
        ).confidence_interval
        assert (float(low), float(high)) == (
            pytest.approx(expected.low, abs=0.01),
            pytest.approx(expected.high, abs=0.01),
        )

    def test_the_jackknife_leaves_out_one_cluster(self):
        values, clusters = RNG.normal(size=12), np.repeat(np.arange(4), 3)
        found = bootstrap.jackknife_means(*bootstrap.cluster_sums(values, clusters))
        np.testing.assert_allclose(found, [values[clusters != cluster].mean() for cluster in range(4)])


@settings(max_examples=30)
@given(arrays.arrays(np.float64, (3, 5), elements=numbers), arrays.arrays(np.float64, (3, 5), elements=numbers))
def test_drift_is_that_of_the_definitions(first, second):
    for row in range(3):
        a, b = first[row], second[row]
        size = np.sqrt((a**2).sum() * (b**2).sum())
        expected = (a * b).sum() / size if size > 1e-150 else np.nan
        if size > 1e-150:
            assert drift.cosine(a, b) == pytest.approx(expected, abs=1e-9)
        assert drift.distance(a, b) == pytest.approx(np.sqrt(((a - b) ** 2).sum()), abs=1e-12)
        if np.linalg.norm(a) > 1e-150:
            assert drift.relative_distance(a, b) == pytest.approx(np.linalg.norm(a - b) / np.linalg.norm(a))
    assert np.isnan(drift.cosine(np.zeros(3), np.ones(3)))
    assert np.isnan(drift.relative_distance(np.zeros(3), np.ones(3)))
