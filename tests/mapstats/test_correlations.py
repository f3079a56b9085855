"""Correlations of weights, norms and frequency, against scipy on pairs collected one by one."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy.stats import pearsonr, rankdata, spearmanr

from prosect import derive
from prosect.api import UsageError
from prosect_plugins.mapstats.frequency import count_ranks, join_table
from support.maps import axis, flat, labelled, numbered

LENGTHS = (5, 7, 4)
LEAD = ("layer", "head")


def tokens(length, seed):
    special = np.zeros(length, dtype=bool)
    special[[0, -1]] = True
    ids = np.where(special, 0, np.random.default_rng(seed).integers(1, 6, length))
    return {"special": special, "token_id": ids, "text": [f"t{i}" for i in ids]}


@pytest.fixture
def parts():
    rng = np.random.default_rng(3)
    weights = [rng.dirichlet(np.ones(n), size=(2, 3, n)) for n in LENGTHS]
    return weights, [rng.random((2, 3, n)) for n in LENGTHS]


@pytest.fixture
def node(parts):
    weights, norms = parts
    variables = {
        "weight": labelled((*LEAD, "token", "source"), flat(weights)),
        "value_norm": labelled((*LEAD, "token"), np.concatenate(norms, axis=-1)),
        "mixing_ratio": labelled(("layer", "token"), np.concatenate([n[:, 0] for n in norms], axis=-1)),
    }
    sentences = [tokens(length, seed) for seed, length in enumerate(LENGTHS)]
    return xr.Dataset(variables, {**axis(sentences, "token"), **numbered(2, 3)})


def pairs(parts, layers, heads, keys):
    """Every (weight, norm) of some heads and keys, one by one."""
    found = [
        (w[layer, head, i, j], f[layer, head, j])
        for w, f in zip(*parts, strict=True)
        for layer in layers
        for head in heads
        for i in range(w.shape[-1])
        for j in keys(w.shape[-1])
    ]
    return np.array(found).T


FIRST = {"all": range, "cls": lambda n: [0], "sep": lambda n: [n - 1], "other": lambda n: range(1, n - 1)}


@pytest.mark.parametrize("category", FIRST)
@pytest.mark.parametrize("method", ["spearman", "pearson"])
def test_all_pairs_of_all_heads_go_together(node, parts, category, method):
    found = derive("weight_norm_correlation", node, method=method).sel(category=category)
    theirs = pairs(parts, range(2), range(3), FIRST[category])
    reference = spearmanr(*theirs) if method == "spearman" else pearsonr(*theirs)
    assert found["weight_norm_correlation"].item() == pytest.approx(reference.statistic, abs=1e-12)
    assert found["pairs"].item() == theirs.shape[1]


def test_layers_and_heads_can_be_told_apart(node, parts):
    by_layer = derive("weight_norm_correlation", node, each="layer")["weight_norm_correlation"]
    by_head = derive("weight_norm_correlation", node, each="head")["weight_norm_correlation"]
    assert (by_layer.dims, by_head.dims) == (("layer", "category"), ("layer", "head", "category"))
    theirs = spearmanr(*pairs(parts, [1], range(3), range)).statistic
    assert by_layer.sel(layer=2, category="all").item() == pytest.approx(theirs, abs=1e-12)
    theirs = spearmanr(*pairs(parts, [0], [2], FIRST["cls"])).statistic
    assert by_head.sel(layer=1, head=2, category="cls").item() == pytest.approx(theirs, abs=1e-12)


def test_pairs_that_are_too_many_are_ranked_by_bins(node):
    exact = derive("weight_norm_correlation", node)
    binned = derive("weight_norm_correlation", node, exact_pairs=40)
    np.testing.assert_allclose(
        binned["weight_norm_correlation"], exact["weight_norm_correlation"], atol=2e-3, equal_nan=True
    )
    assert binned["pairs"].equals(exact["pairs"])


def test_a_category_without_tokens_has_no_correlation(node):
    found = derive("weight_norm_correlation", node).sel(category="punctuation")
    assert np.isnan(found["weight_norm_correlation"])
    assert found["pairs"] == 0


def table(**values):
    return xr.Dataset(
        {"rank": ("token_id", np.array(list(values.values()), dtype=float))},
        {"token_id": [int(key[1:]) for key in values]},
    )


RANKS = table(i1=5, i2=1, i3=9, i4=2)


def expected(node, values, unseen, keep):
    known = {int(key): rank for key, rank in zip(RANKS["token_id"].values, RANKS["rank"].values, strict=True)}
    ranks = np.array([known.get(int(i), unseen) for i in node["token_id"].values])
    keep = keep & ~np.isnan(ranks)
    return spearmanr(values[keep], ranks[keep]).statistic


def test_norms_go_with_the_ranks_of_a_table(node):
    found = derive("frequency_correlation", node, RANKS)
    values = node["value_norm"].mean(("layer", "head")).values
    theirs = expected(node, values, 10.0, np.ones(16, dtype=bool))
    assert found["frequency_correlation"].item() == pytest.approx(theirs, abs=1e-12)
    assert found["tokens"] == 16


def test_a_map_stands_for_what_a_token_gives(node, parts):
    given = np.concatenate([w.mean(axis=(0, 1, 2)) for w in parts[0]])
    found = derive(
        "frequency_correlation", node, RANKS, variable="weight", unseen="drop", without={"s": {"special": "all"}}
    )
    theirs = expected(node, given, np.nan, ~node["special"].values)
    assert found["frequency_correlation"].item() == pytest.approx(theirs, abs=1e-12)


def test_layers_can_be_told_apart_in_frequency_too(node):
    found = derive("frequency_correlation", node, RANKS, variable="mixing_ratio", average="heads", unseen=3)
    for layer in (1, 2):
        theirs = expected(node, node["mixing_ratio"].sel(layer=layer).values, 3.0, np.ones(16, dtype=bool))
        assert found["frequency_correlation"].sel(layer=layer).item() == pytest.approx(theirs, abs=1e-12)
    every = derive("frequency_correlation", node, RANKS, average="none")["frequency_correlation"]
    assert every.dims == LEAD


def test_without_a_table_the_node_counts_itself(node):
    found = derive("frequency_correlation", node)
    counts = {i: np.sum(node["token_id"].values == i) for i in range(6)}
    often = np.array([counts[int(i)] for i in node["token_id"].values])
    values = node["value_norm"].mean(("layer", "head")).values
    # Of ranks from the most frequent one the order is the other way round, and types of equal counts are equal.
    assert found["frequency_correlation"].item() == pytest.approx(-spearmanr(values, often).statistic, abs=1e-12)


def test_a_table_may_have_words_for_keys(node):
    words = xr.Dataset({"rank": ("word", [1.0, 2.0])}, {"word": ["t1", "t2"]})
    by_text = derive("frequency_correlation", node, words, key="text")
    by_id = derive("frequency_correlation", node, table(i1=1, i2=2))
    assert by_text.equals(by_id)


def test_tables_that_do_not_fit_are_refused(node):
    with pytest.raises(UsageError, match="keys of the table are text"):
        derive("frequency_correlation", node, xr.Dataset({"r": ("token_id", [1.0])}, {"token_id": ["a"]}))
    with pytest.raises(UsageError, match="name the column of the table: it has a, b"):
        derive("frequency_correlation", node, RANKS.assign(a=RANKS["rank"], b=RANKS["rank"]).drop_vars("rank"))
    with pytest.raises(UsageError, match="one key, and has x, y"):
        derive("frequency_correlation", node, xr.Dataset({"r": (("x", "y"), [[1.0]])}))
    with pytest.raises(UsageError, match="the key 1 stands twice"):
        join_table(np.array([1]), np.array([1, 1]), np.array([1.0, 2.0]), "drop")
    with pytest.raises(UsageError, match="must be a map"):
        derive("weight_norm_correlation", node, weight="value_norm")


def test_types_are_ranked_by_how_often_they_occur():
    types = np.array(["a", "b", "a", "c", "b", "a"], dtype=object)
    assert count_ranks(types).tolist() == [1, 2, 1, 3, 2, 1]
    tied = np.array([7, 7, 8, 8, 9])
    assert count_ranks(tied).tolist() == (rankdata([-2, -2, -1], "min")[[0, 0, 1, 1, 2]]).tolist()


def test_an_empty_table_gives_everything_the_unseen_value():
    empty = np.array([], dtype=np.int64)
    assert join_table(np.array([1, 2]), empty, empty.astype(float), "last").tolist() == [1.0, 1.0]
