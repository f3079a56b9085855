"""Correlations, against scipy and against ranks counted one by one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import pearsonr, spearmanr

from prosect_plugins.mapstats.ranks import BinnedSpearman, ExactSpearman, Pearson, bins, correlate

NUMBERS = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0, -2.0])


def counted_ranks(values):
    """Rank of each value: those below it, and half of its equals."""
    return np.array([np.sum(values < v) + (np.sum(values == v) + 1) / 2 for v in values])


def distinct(*sides):
    return all(np.ptp(side) > 0 for side in sides)


@given(arrays(float, (2, 9), elements=NUMBERS))
def test_spearman_is_pearson_of_counted_ranks(sides):
    assume(distinct(*sides))
    x, y = (counted_ranks(side) for side in sides)
    assert correlate(*sides, "spearman") == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-12)
    assert correlate(*sides, "spearman") == pytest.approx(spearmanr(*sides).statistic, abs=1e-12)
    assert correlate(*sides, "pearson") == pytest.approx(pearsonr(*sides).statistic, abs=1e-12)


def test_many_are_correlated_at_once():
    rng = np.random.default_rng(0)
    x, y = rng.random((2, 3, 4, 20))
    found = correlate(x, y, "spearman")
    assert found.shape == (3, 4)
    assert found[2, 1] == pytest.approx(spearmanr(x[2, 1], y[2, 1]).statistic, abs=1e-12)


def test_cosine_does_not_centre():
    assert correlate([3.0, 4.0], [4.0, 3.0], "cosine") == pytest.approx(24 / 25)


@pytest.mark.parametrize("method", ["spearman", "pearson"])
def test_a_constant_has_no_correlation(method):
    assert np.isnan(correlate([0.1] * 3, [1.0, 2.0, 3.0], method))
    assert np.isnan(correlate([1.0], [1.0], method))
    assert np.isnan(correlate([1.0, np.nan, 2.0], [1.0, 2.0, 3.0], method))


def in_pieces(collected, x, y, *, pieces=7):
    parts = list(zip(np.array_split(x, pieces), np.array_split(y, pieces), strict=True))
    if isinstance(collected, BinnedSpearman):
        for part in parts:
            collected.count(*part)
    for part in reversed(parts):
        collected.add(*part)
    return collected.value()


def pairs(size, dtype=np.float32):
    rng = np.random.default_rng(5)
    x = rng.exponential(size=size) ** 3
    x[: size // 10] = 0.0
    return x.astype(dtype), (1 / (1 + x) + rng.normal(size=size)).astype(dtype)


def test_pieces_give_what_the_whole_gives():
    x, y = pairs(5000)
    assert in_pieces(ExactSpearman(), x, y) == pytest.approx(spearmanr(x, y).statistic, abs=1e-12)
    assert in_pieces(Pearson(), x, y) == pytest.approx(pearsonr(x.astype(float), y.astype(float)).statistic, abs=1e-10)


def test_pearson_in_pieces_bears_a_large_mean():
    x, y = pairs(5000, np.float64)
    found = in_pieces(Pearson(), x + 1e6, y - 1e6)
    assert found == pytest.approx(pearsonr(x, y).statistic, abs=1e-9)


def test_ranks_of_bins_are_close_to_ranks():
    x, y = pairs(200_000)
    assert in_pieces(BinnedSpearman(), x, y) == pytest.approx(spearmanr(x, y).statistic, abs=2e-6)


def test_ranks_of_bins_are_exact_where_bins_hold_one_value_each():
    x = np.array([0.5, 1.0, 2.0, 4.0, 4.0, -1.0, 0.0, -0.0])
    y = np.array([3.0, 1.0, 2.0, 8.0, 16.0, 0.25, -4.0, -4.0])
    assert in_pieces(BinnedSpearman(), x, y, pieces=2) == pytest.approx(spearmanr(x, y).statistic, abs=1e-12)
    assert np.isnan(in_pieces(BinnedSpearman(), np.ones(4), np.arange(4.0)))


@given(st.lists(st.floats(width=32, allow_nan=False), min_size=2, max_size=20))
def test_bins_keep_the_order(values):
    ordered = np.sort(np.array(values, dtype=np.float32))
    assert np.all(np.diff(bins(ordered)) >= 0)
    assert bins(ordered).max() < 2**20
