"""Stored maps are read a few sentences at a time, and refused where they are not whole."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest
import xarray as xr

from prosect import derive
from prosect.api import UsageError
from prosect_plugins.mapstats.stored import StoredMaps
from support.maps import axis, flat, labelled, numbered

LENGTHS = (3, 5, 2, 4)
LEAD = ("layer", "head")


def node(lengths=LENGTHS, *, seed=0):
    rng = np.random.default_rng(seed)
    maps = [rng.random((2, 2, n, n)) for n in lengths]
    sentences = [{"text": [f"t{i}" for i in range(n)], "special": np.zeros(n, dtype=bool)} for n in lengths]
    variables = {
        "weight": labelled((*LEAD, "token", "source"), flat(maps)),
        "value_norm": labelled((*LEAD, "token"), np.concatenate([m[..., 0] for m in maps], axis=-1)),
    }
    return maps, xr.Dataset(variables, {**axis(sentences, "token"), **numbered(2, 2)})


@pytest.mark.parametrize("budget", [1, 400, 2000, 10**6])
def test_every_sentence_comes_whole_whatever_the_budget(budget):
    maps, dataset = node()
    found = list(StoredMaps(dataset).read(["weight", "value_norm"], budget))
    assert [sentence.number for sentence in found] == [0, 1, 2, 3]
    for own, theirs in zip(found, maps, strict=True):
        np.testing.assert_array_equal(own.values["weight"], theirs)
        np.testing.assert_array_equal(own.values["value_norm"], theirs[..., 0])


def test_no_more_is_read_at_a_time_than_the_budget_allows(monkeypatch):
    _, dataset = node(LENGTHS * 20)
    sizes = []
    block = StoredMaps._block

    def watched(self, *args):
        found = block(self, *args)
        sizes.append(found.nbytes)
        return found

    monkeypatch.setattr(StoredMaps, "_block", watched)
    list(StoredMaps(dataset).read(["weight"], 4000))
    assert max(sizes) <= 4000
    assert len(sizes) >= dataset["weight"].nbytes // 8000


def test_memory_does_not_grow_with_the_corpus(monkeypatch):
    """The map of the corpus is 40 times the budget; what is held besides it is a few budgets."""
    monkeypatch.setattr("prosect_plugins.mapstats.stored.BUDGET", 100_000)
    _, dataset = node((40,) * 75)
    assert dataset["weight"].nbytes > 3_500_000
    lazy = dataset.chunk(token=100)
    derive("category_attention", lazy.isel(token=slice(0, 80)))
    tracemalloc.start()
    derive("category_attention", lazy)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_500_000


def test_a_sentence_that_is_not_whole_is_named():
    _, dataset = node()
    for tokens in (slice(1, None), [0, 2, 3, 4]):
        with pytest.raises(UsageError, match="sentence 0 on 'token' is not whole"):
            StoredMaps(dataset.isel(token=tokens))
    with pytest.raises(UsageError, match="not in the order of their sentences"):
        StoredMaps(dataset.isel(token=[3, 4, 0, 1, 2]))
    with pytest.raises(UsageError, match="holds no tokens"):
        StoredMaps(dataset.isel(token=[]))
    with pytest.raises(UsageError, match="no coordinate 'sentence'"):
        StoredMaps(dataset.drop_vars("sentence"))


def test_what_belongs_to_no_token_is_refused():
    _, dataset = node()
    with pytest.raises(UsageError, match="nothing in it belongs to a token"):
        StoredMaps(dataset.assign(scale=("layer", [1.0, 2.0]))).lead("scale")


def test_source_tokens_that_are_missing_are_named():
    _, dataset = node()
    sources = axis([{"text": ["a", "b"]}] * 3, "source_token", "source_")
    with pytest.raises(UsageError, match="no source tokens for sentence 3"):
        _ = StoredMaps(dataset.assign_coords(sources)).source_bounds
