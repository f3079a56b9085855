"""What categories of tokens give and take, against loops written out."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from prosect import derive
from prosect.api import UsageError
from prosect_plugins.mapstats.attention import reduce_map
from support.maps import axis, flat, labelled, numbered

SENTENCES = [["[CLS]", "a", ",", "b", "[SEP]"], ["[CLS]", "c", "d", "[SEP]"], ["[CLS]", ".", ",", "e", "f", "[SEP]"]]
LEAD = ("layer", "head")
KINDS = {"cls": ["[CLS]"], "sep": ["[SEP]"], "punctuation": [",", "."], "other": list("abcdef")}


def tokens(texts):
    special = [text.startswith("[") for text in texts]
    return {"text": texts, "special": special, "token_id": [ord(text[-2:][0]) for text in texts]}


@pytest.fixture
def maps():
    rng = np.random.default_rng(2)
    return [rng.random((2, 3, len(texts), len(texts))) for texts in SENTENCES]


@pytest.fixture
def node(maps):
    variables = {
        "weighted_norm": labelled((*LEAD, "token", "source"), flat(maps), "embedding units"),
        "value_norm": labelled((*LEAD, "token"), np.concatenate([m[..., 0] for m in maps], axis=-1)),
    }
    return xr.Dataset(variables, {**axis([tokens(texts) for texts in SENTENCES], "token"), **numbered(2, 3)})


@pytest.fixture
def crossing(maps):
    """Targets are the first three tokens, sources the whole sentences."""
    variables = {
        "weight": labelled((*LEAD, "token", "source"), flat([m[..., :3, :] for m in maps])),
        "value_norm": labelled((*LEAD, "source_token"), np.concatenate([m[..., 0] for m in maps], axis=-1)),
    }
    target = axis([tokens(texts[:3]) for texts in SENTENCES], "token")
    source = axis([tokens(texts) for texts in SENTENCES], "source_token", "source_")
    return xr.Dataset(variables, {**target, **source, **numbered(2, 3)})


def looped(maps, kind, *, queries=None, within=np.sum):
    """Mean over sentences of the mean over queries of what the keys of a kind give, key by key."""
    sentences = []
    for texts, values in zip(SENTENCES, maps, strict=True):
        keys = [place for place, text in enumerate(texts) if text in KINDS[kind]]
        rows = range(values.shape[-2]) if queries is None else [i for i, t in enumerate(texts) if t in KINDS[queries]]
        given = [within([values[1, 2, row, key] for key in keys]) for row in rows if keys or within is np.sum]
        if given:
            sentences.append(np.mean(given))
    return np.mean(sentences)


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_category_receives_is_that_of_the_paper(node, maps, kind):
    found = derive("category_attention", node, variable="weighted_norm")
    assert found["category_attention"].dims == ("layer", "head", "category")
    assert found["category_attention"].attrs["units"] == "embedding units"
    assert found["category_attention"].sel(layer=2, head=2, category=kind).item() == pytest.approx(looped(maps, kind))


@pytest.mark.parametrize("kind", KINDS)
def test_a_sentence_without_the_category_counts_in_a_sum_but_not_in_a_mean(node, maps, kind):
    found = derive("category_attention", node, variable="weighted_norm", within="mean")
    at = found.sel(layer=2, head=2, category=kind)
    assert at["category_attention"].item() == pytest.approx(looped(maps, kind, within=np.mean))
    assert at["sentences"].item() == (2 if kind == "punctuation" else 3)
    assert set(derive("category_attention", node, variable="weighted_norm")["sentences"].to_numpy().flat) == {3}


def test_norms_of_values_are_averaged_over_the_category(node, maps):
    found = derive("category_attention", node, variable="value_norm").sel(layer=1, head=0)
    theirs = [
        np.mean([m[0, 0, i, 0] for i, t in enumerate(texts) if t in ",."])
        for texts, m in zip(SENTENCES[::2], maps[::2], strict=True)
    ]
    assert found["category_attention"].sel(category="punctuation").item() == pytest.approx(np.mean(theirs))


def test_all_categories_together_receive_everything(node, maps):
    found = derive("category_attention", node, variable="weighted_norm")["category_attention"].sum("category")
    np.testing.assert_allclose(found, np.mean([m.sum(axis=-1).mean(axis=-1) for m in maps], axis=0))


def test_both_sides_can_be_told_apart(node, maps):
    found = derive("category_attention", node, variable="weighted_norm", direction="both")
    at = found["category_attention"].sel(layer=2, head=2)
    for taker in KINDS:
        for giver in ("cls", "punctuation"):
            ours = at.sel(category=taker, source_category=giver).item()
            assert ours == pytest.approx(looped(maps, giver, queries=taker))
    given = derive("category_attention", node, variable="weighted_norm", direction="given")["category_attention"]
    xr.testing.assert_allclose(given, found["category_attention"].sum("source_category"))


def test_sentences_can_stand_side_by_side(node):
    each = derive("category_attention", node, variable="weighted_norm", sentences="each")["category_attention"]
    assert each.dims == ("layer", "head", "category", "sentence")
    mean = derive("category_attention", node, variable="weighted_norm")["category_attention"]
    np.testing.assert_allclose(each.mean("sentence"), mean)


def test_in_cross_attention_sources_have_categories_of_their_own(crossing, maps):
    found = derive("category_attention", crossing, direction="both", categories={"first": {"position": [0]}})
    at = found["category_attention"].sel(layer=1, head=1, category="other", source_category="first")
    assert at.item() == pytest.approx(np.mean([m[0, 1, 1:3, 0].mean() for m in maps]))
    norms = derive("category_attention", crossing, variable="value_norm")["category_attention"]
    assert norms.sel(layer=1, head=1, category="cls").item() == pytest.approx(np.mean([m[0, 1, 0, 0] for m in maps]))


def test_a_sum_over_takers_is_asked_for():
    values = np.arange(6.0).reshape(2, 3)
    one = np.ones((1, 2), dtype=bool)
    givers = np.array([[True, False, True], [False, False, False]])
    np.testing.assert_array_equal(reduce_map(values, one, givers, over="sum"), [[10.0, 0.0]])
    np.testing.assert_array_equal(reduce_map(values, one, givers, within="mean", over="mean"), [[2.5, np.nan]])


def test_a_category_that_needs_what_is_not_there_is_refused(node):
    with pytest.raises(UsageError, match="no coordinate 'pos' on 'token'; it has position"):
        derive("category_attention", node, variable="value_norm", categories={"noun": {"annotation": "pos"}})
