"""Pairs of token types, against loops over all pairs of tokens."""

from __future__ import annotations

import csv
from collections import defaultdict

import numpy as np
import pytest
import xarray as xr
from hypothesis import given
from hypothesis import strategies as st

from prosect import derive
from prosect.api import UsageError
from prosect_plugins.mapstats.labelling import write_pairs
from prosect_plugins.mapstats.pair_categories import CATEGORIES, OTHER, pair_categories, spans
from prosect_plugins.mapstats.pair_types import Occurrences, PairTypes
from support.maps import axis, flat, labelled, numbered

SCOPES = ["attn_res_norm", "ff", "ff_res"]
#: Pieces, their words and entities.
SENTENCES = [
    ("[CLS] new york is new [SEP]", [-1, 0, 1, 2, 3, -1], ["", "B-LOC", "I-LOC", "O", "O", ""]),
    ("[CLS] trans ##former is new [SEP]", [-1, 0, 0, 1, 2, -1], ["", "O", "O", "O", "O", ""]),
    ("[CLS] new york trans ##former [SEP]", [-1, 0, 1, 2, 2, -1], ["", "B-LOC", "I-LOC", "O", "O", ""]),
]


@pytest.fixture
def maps():
    rng = np.random.default_rng(4)
    return [rng.random((3, 2, 6, 6)) for _ in SENTENCES]


def node(maps):
    vocabulary = sorted({piece for text, _, _ in SENTENCES for piece in text.split()})
    sentences = [
        {
            "text": text.split(),
            "token_id": [vocabulary.index(piece) for piece in text.split()],
            "special": [piece.startswith("[") for piece in text.split()],
            "word": words,
            "entity": entities,
        }
        for text, words, entities in SENTENCES
    ]
    values = labelled(("scope", "layer", "token", "source"), flat(maps))
    return xr.Dataset({"norm": values}, {**axis(sentences, "token"), **numbered(2), "scope": SCOPES})


def looped(maps, layer, *, causal=False, special=False, normalise=True):
    """Every pair of types with its differences, token by token."""
    found = defaultdict(list)
    for (text, _, _), own in zip(SENTENCES, maps, strict=True):
        pieces = text.split()
        before, after = (m / m.sum(axis=-1, keepdims=True) if normalise else m for m in own[:2, layer])
        for i, query in enumerate(pieces):
            for j, source in enumerate(pieces[: i + 1 if causal else None]):
                if i != j and (special or not (query + source).count("[")):
                    found[query, source].append(after[i, j] - before[i, j])
    return found


def listed(found, layer):
    at = found.sel(layer=layer)
    return [
        (str(q), str(s), int(n), float(a))
        for q, s, n, a in zip(
            at["query"].values, at["source"].values, at["count"].values, at["amplification"].values, strict=True
        )
    ]


@pytest.mark.parametrize("options", [{}, {"special": True}, {"normalise": "none"}])
def test_pairs_are_ranked_by_the_mean_difference(maps, options):
    found = derive("amplified_pairs", node(maps), minimum=1, top=1000, **options)
    assert found.attrs == {"before": "attn_res_norm", "after": "ff"}
    for layer in (1, 2):
        wanted = {"special": options.get("special", False), "normalise": "normalise" not in options}
        theirs = looped(maps, layer - 1, **wanted)
        ours = listed(found, layer)
        assert {(q, s): n for q, s, n, _ in ours} == {pair: len(values) for pair, values in theirs.items()}
        for query, source, _, mean in ours:
            assert mean == pytest.approx(np.mean(theirs[query, source]), abs=1e-14)
        means = [mean for _, _, _, mean in ours]
        assert means == sorted(means, reverse=True)


def test_rare_pairs_are_left_out_and_the_best_are_kept(maps):
    whole = listed(derive("amplified_pairs", node(maps), minimum=1, top=1000), 1)
    often = [row for row in whole if row[2] >= 2]
    assert 0 < len(often) < len(whole)
    found = derive("amplified_pairs", node(maps), top=4)
    assert listed(found, 1) == often[:4]
    with pytest.raises(UsageError, match="no pair of types occurs 50 times"):
        derive("amplified_pairs", node(maps), minimum=50)


def test_causal_models_have_pairs_with_earlier_tokens_only(maps):
    causal = [np.tril(m) for m in maps]
    found = listed(derive("amplified_pairs", node(causal), minimum=1, top=1000), 2)
    theirs = looped(causal, 1, causal=True)
    assert {(q, s): n for q, s, n, _ in found} == {pair: len(values) for pair, values in theirs.items()}


def test_other_scopes_and_other_types_can_be_asked_for(maps):
    found = derive(
        "amplified_pairs", node(maps), before="ff", after="ff_res", key="entity", minimum=1, normalise="none"
    )
    assert (found.attrs["before"], found.attrs["after"]) == ("ff", "ff_res")
    differences = [m[2, 0, 1, 2] - m[1, 0, 1, 2] for m in (maps[0], maps[2])]
    rows = {(q, s): (n, a) for q, s, n, a in listed(found, 1)}
    assert rows["B-LOC", "I-LOC"] == (2, pytest.approx(np.mean(differences)))
    with pytest.raises(UsageError, match="no scope 'attn'"):
        derive("amplified_pairs", node(maps), before="attn", after="ff")
    with pytest.raises(UsageError, match="given together"):
        derive("amplified_pairs", node(maps), before="ff")


def test_pairs_have_categories(maps):
    found = derive("amplified_pairs", node(maps), minimum=1, top=1000, entity="entity").sel(layer=1)
    kinds = {
        (str(q), str(s)): str(c)
        for q, s, c in zip(found["query"].values, found["source"].values, found["category"].values, strict=True)
    }
    assert kinds["trans", "##former"] == "same_word"
    assert kinds["new", "york"] == "same_entity"
    assert kinds["new", "new"] == "same_token"
    assert kinds["is", "york"] == "adjacent"
    assert kinds["trans", "new"] == "other"
    np.testing.assert_allclose(found["category_share"].sum("pair_category"), 1)
    without = derive("amplified_pairs", node(maps), minimum=1, top=1000).sel(layer=1)
    assert "same_entity" not in without["category"].values


def test_the_category_of_a_pair_of_types_is_that_of_most_occurrences(maps):
    found = derive("amplified_pairs", node(maps), minimum=1, top=1000, entity="entity").sel(layer=1)
    at = (found["query"].values == "york") & (found["source"].values == "new")
    shares = dict(zip(found["pair_category"].values, found["category_share"].values[at][0], strict=True))
    # "york" takes twice from the "new" of its name, and once from the other one.
    assert shares["same_entity"] == pytest.approx(2 / 3)
    assert shares["other"] == pytest.approx(1 / 3)
    strict = derive("amplified_pairs", node(maps), minimum=1, top=1000, entity="entity", share=0.7).sel(layer=1)
    at = (strict["query"].values == "york") & (strict["source"].values == "new")
    assert strict["category"].values[at].tolist() == ["other"]


def test_categories_are_averaged_over_all_their_pairs(maps):
    found = derive("amplified_pairs", node(maps), normalise="none")
    differences = [
        m[1, 0, i, j] - m[0, 0, i, j] for m, a, b in ((maps[1], 1, 2), (maps[2], 3, 4)) for i, j in ((a, b), (b, a))
    ]
    at = found.sel(pair_category="same_word")
    assert at["category_count"].item() == 4
    assert at["category_amplification"].sel(layer=1).item() == pytest.approx(np.mean(differences))
    np.testing.assert_allclose(found["top_share"].sum("pair_category"), 1)


def test_occurrences_are_shown_with_their_context(maps):
    found = derive("amplified_pairs", node(maps), minimum=1, top=1000, examples=2, context=1).sel(layer=1)
    shown = {
        (str(q), str(s)): [str(e) for e in examples]
        for q, s, examples in zip(found["query"].values, found["source"].values, found["examples"].values, strict=True)
    }
    assert shown["new", "york"] == ["[CLS] «new» {york} is …", "… new {york} is «new» [SEP]"]
    assert shown["york", "##former"] == ["… new «york» trans {##former} [SEP]", ""]
    assert "examples" not in derive("amplified_pairs", node(maps), examples=0)


def test_labels_go_out_and_come_back(maps, tmp_path):
    path = tmp_path / "pairs.csv"
    pairs = derive("amplified_pairs", node(maps), top=5)
    write_pairs(pairs, path)
    with pytest.raises(UsageError, match="is there already"):
        write_pairs(pairs, path)
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 10
    assert list(rows[0]) == [
        "layer",
        "rank",
        "amplification",
        "count",
        "query",
        "source",
        "category",
        "label",
        "example_1",
        "example_2",
        "example_3",
    ]
    for row in rows:
        if row["layer"] == "1" and row["rank"] in "12":
            row["label"] = "phrase"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    found = derive("labelled_pairs", pairs, labels=str(path))
    assert found["pair_label"].sel(layer=1).values.tolist() == ["phrase", "phrase", *["unlabelled"] * 3]
    assert found["label_share"].sel(label="phrase").values.tolist() == [0.4, 0.0]
    path.write_text("query,source,label\n" + "\n".join(f"{q},{s},all" for q, s, _, _ in listed(pairs, 2)), "utf-8")
    assert derive("labelled_pairs", pairs, labels=str(path))["label_share"].sel(layer=2, label="all") == 1.0


def test_labels_that_contradict_each_other_are_refused(maps, tmp_path):
    path = tmp_path / "labels.csv"
    pairs = derive("amplified_pairs", node(maps), top=5)
    path.write_text("query,source,label\na,b,x\na,b,y\n", "utf-8")
    with pytest.raises(UsageError, match=r"labels\.csv:3: 'a' and 'b' have two labels"):
        derive("labelled_pairs", pairs, labels=str(path))
    path.write_text("query,label\na,b\n", "utf-8")
    with pytest.raises(UsageError, match="has no column 'source'"):
        derive("labelled_pairs", pairs, labels=str(path))
    with pytest.raises(UsageError, match="nowhere"):
        derive("labelled_pairs", pairs, labels=str(tmp_path / "nowhere"))


@given(st.lists(st.integers(0, 3), min_size=1, max_size=6), st.integers(1, 3))
def test_pairs_are_counted_in_merged_parts(types, minimum):
    takers = np.array(types)
    sentences = [Occurrences(takers, takers[::-1], np.ones((len(types),) * 2, dtype=bool)) for _ in range(3)]
    table = PairTypes.count(sentences, 4, minimum)
    counts = defaultdict(int)
    for first in types:
        for second in types:
            counts[first, second] += 3
    kept = {pair: n for pair, n in counts.items() if n >= minimum}
    sides = zip(*(side.tolist() for side in table.sides(np.arange(len(table.codes)))), strict=True)
    assert dict(zip(sides, table.counts.tolist(), strict=True)) == kept


def test_every_pair_is_in_one_category():
    words, types = np.array([-1, 0, 0, 1, 2, -1]), np.array([0, 1, 2, 1, 3, 0])
    found = dict(zip((*CATEGORIES, OTHER), pair_categories(words, types, np.array([-1, 0, 0, 0, -1, -1])), strict=True))
    assert np.array_equal(sum(found.values()), 1 - np.eye(6))
    assert [found[name][1, place] for name, place in [("same_word", 2), ("same_entity", 3), ("other", 4)]] == [True] * 3
    assert found["same_token"][0, 5]
    assert found["adjacent"][3, 4]


@pytest.mark.parametrize(
    ("labels", "words", "scheme", "expected"),
    [
        (["B-X", "I-X", "O", "B-X"], [0, 1, 2, 3], "bio", [0, 0, -1, 1]),
        (["B-X", "B-X", "I-X"], [0, 0, 1], "bio", [0, 0, 0]),
        (["B-X", "B-X", "I-X"], [0, 1, 2], "bio", [0, 1, 1]),
        (["I-X", "I-Y", "", "I-Y"], [0, 1, 2, 3], "bio", [0, 1, -1, 2]),
        (["a", "a", "", "a", "b"], [0, 1, 2, 3, 4], "runs", [0, 0, -1, 1, 2]),
    ],
)
def test_entities_are_numbered(labels, words, scheme, expected):
    assert spans(np.array(labels, dtype=object), np.array(words), scheme).tolist() == expected
