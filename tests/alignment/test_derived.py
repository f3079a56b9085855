"""Word alignment on labelled data: what comes out, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr

from prosect import derive
from prosect.api import UsageError
from prosect_plugins.alignment.writing import write_links
from support.maps import axis, flat, labelled, numbered

LENGTHS = [(4, 3), (3, 5), (6, 4)]
GOLD = ["1-1 2p1", "1-2 2-1 3p2", "1-1 2-4 2p3"]


def side(length: int, *, special: int) -> dict[str, object]:
    """Words of one piece each, but for the second, which has two; one token belongs to none."""
    inner = [0, 1, 1, *range(2, length - 2)][: length - 1]
    words = np.insert(inner, special if special >= 0 else len(inner), -1)
    return {"word": words, "special": words < 0, "text": [f"t{word}" for word in words]}


@pytest.fixture
def node() -> xr.Dataset:
    rng = np.random.default_rng(0)
    decoder = axis([side(length, special=0) for length, _ in LENGTHS], "token")
    encoder = axis([side(length, special=-1) for _, length in LENGTHS], "source_token", "source_")
    maps = [rng.random((2, 3, *pair)) for pair in LENGTHS]
    dims = ("layer", "head", "token", "source")
    variables = {
        "weight": labelled(dims, flat([m / m.sum(axis=-1, keepdims=True) for m in maps])),
        "weighted_norm": labelled(dims, flat(maps), "embedding units"),
        "attention_norm": labelled(("layer", "token", "source"), flat([m.sum(axis=1) for m in maps])),
    }
    return xr.Dataset(variables, {**decoder, **encoder, **numbered(2, 3)})


@pytest.fixture
def gold(tmp_path):
    path = tmp_path / "gold.talp"
    path.write_text("\n".join(GOLD) + "\n", "utf-8")
    return str(path)


def from_zero(link: str) -> str:
    return "-".join(str(int(word) - 1) for word in link.replace("p", "-").split("-"))


def sets(dataset: xr.Dataset, **at) -> list[set[str]]:
    return [set(str(line).split()) for line in dataset["links"].sel(at).to_numpy()]


def test_links_have_the_axes_of_the_map_and_sentences(node):
    found = derive("word_alignment", node, variable="weight")
    assert found["links"].dims == ("layer", "head", "sentence")
    assert found["layer"].to_numpy().tolist() == [1, 2]
    assert found["target_words"].to_numpy().tolist() == [2, 2, 4]
    assert found["source_words"].to_numpy().tolist() == [2, 3, 2]


def test_heads_can_be_averaged_first(node):
    mean = node.assign(mean=node["weight"].mean("head"))
    found = derive("word_alignment", node, variable="weight", heads="mean")
    assert found["links"].dims == ("layer", "sentence")
    assert found["links"].equals(derive("word_alignment", mean, variable="mean")["links"])


def test_axes_in_any_order_and_further_axes_are_kept(node):
    plain = derive("word_alignment", node, variable="weight")
    turned = node.assign(weight=node["weight"].transpose("source", "head", "token", "layer"))
    assert (
        derive("word_alignment", turned, variable="weight")["links"]
        .transpose(*plain["links"].dims)
        .equals(plain["links"])
    )
    stacked = xr.concat(
        [node, node.assign(weight=node["weight"].copy(data=node["weight"].values[:, ::-1]))], "model", data_vars="all"
    )
    found = derive("word_alignment", stacked, variable="weight")
    assert found["links"].isel(model=0).equals(plain["links"])
    assert np.array_equal(found["links"][1, :, 0], plain["links"][:, 2])


def test_only_some_sentences_are_read_at_a_time(node, monkeypatch):
    whole = derive("word_alignment", node, variable="weight")
    monkeypatch.setattr("prosect_plugins.mapstats.stored.BUDGET", 1)
    assert derive("word_alignment", node.chunk(token=5), variable="weight").equals(whole)


def test_a_selection_of_sentences_keeps_their_numbers(node, gold):
    whole = derive("word_alignment", node)
    some = derive("word_alignment", node.isel(token=node["sentence"] > 0))
    assert some["sentence"].to_numpy().tolist() == [1, 2]
    assert some["links"].equals(whole["links"].isel(sentence=[1, 2]))
    counts = derive("alignment_error", some, gold=gold)["links_made"]
    assert counts.equals(derive("alignment_error", whole, gold=gold)["links_made"].isel(sentence=[1, 2]))


def test_ignoring_the_end_token_only_adds_links(node):
    without = derive("word_alignment", node, variable="weight", end_token="ignored")
    for layer in (1, 2):
        for fewer, more in zip(
            sets(derive("word_alignment", node, variable="weight"), layer=layer, head=0),
            sets(without, layer=layer, head=0),
            strict=True,
        ):
            assert fewer <= more
    assert all(len(str(line).split()) == n for line, n in zip(without["links"][0, 0].values, [2, 2, 4], strict=True))


def test_rates_are_those_of_sets(node, gold):
    links = derive("word_alignment", node)
    found = derive("alignment_error", links, gold=gold)
    for layer in (1, 2):
        made = {(n, link) for n, line in enumerate(sets(links, layer=layer)) for link in line}
        parsed = [(n, link) for n, line in enumerate(GOLD) for link in line.split()]
        sure = {(n, from_zero(link)) for n, link in parsed if "-" in link}
        possible = {(n, from_zero(link)) for n, link in parsed}
        precision, recall = len(made & possible) / len(made), len(made & sure) / len(sure)
        at = found.sel(layer=layer)
        assert at["aer"].item() == pytest.approx(
            1 - (len(made & sure) + len(made & possible)) / (len(made) + len(sure))
        )
        assert (at["precision"].item(), at["recall"].item()) == pytest.approx((precision, recall))
        assert at["f1"].item() == pytest.approx(2 * precision * recall / (precision + recall) if made & sure else 0)


def test_a_perfect_alignment_has_no_error(node, gold):
    links = derive("word_alignment", node)
    perfect = xr.full_like(links["links"], "")
    for number, line in enumerate(GOLD):
        sure = [link for link in line.split() if "-" in link]
        perfect[:, number] = " ".join(map(from_zero, sure))
    found = derive("alignment_error", links.assign(links=perfect), gold=gold)
    assert found["aer"].to_numpy().tolist() == [0.0, 0.0]
    nothing = derive("alignment_error", links.assign(links=xr.full_like(perfect, "")), gold=gold)
    assert nothing["aer"].to_numpy().tolist() == [1.0, 1.0]
    assert np.isnan(nothing["precision"]).all()


def test_the_interval_holds_the_rate_and_depends_on_the_seed_only(node, gold):
    links = derive("word_alignment", node, variable="weight")
    found = derive("alignment_error", links, gold=gold, bootstrap=5, seed=1)
    assert found["aer_low"].dims == ("layer", "head")
    assert found.equals(derive("alignment_error", links, gold=gold, bootstrap=5, seed=1))
    assert not found.equals(derive("alignment_error", links, gold=gold, bootstrap=5, seed=2))
    many = derive("alignment_error", links, gold=gold, bootstrap=500)
    assert np.all((many["aer_low"] <= many["aer"]) & (many["aer"] <= many["aer_high"]))


def test_each_model_of_a_stack_has_its_own_best_layer(node, gold):
    models = [node, node.isel(layer=[1, 0]).assign_coords(layer=[1, 2])]
    stacked = xr.concat(models, xr.Variable("model", ["a", "b"]), data_vars="all")
    found = derive("alignment_error", derive("word_alignment", stacked), gold=gold)
    assert found["best_layer"].dims == ("model",)
    assert found["largest_norm_layer"].to_numpy().sum() == 3
    assert found["best_aer"][0] == found["best_aer"][1]


def test_alignments_of_opposite_direction_are_combined(node):
    forward = derive("word_alignment", node, variable="weight", end_token="ignored")
    turned = [
        " ".join("-".join(link.split("-")[::-1]) for link in str(line).split()) for line in forward["links"].values.flat
    ]
    backward = forward.rename(source_words="target_words", target_words="source_words")
    backward["links"] = (forward["links"].dims, np.reshape(np.array(turned, dtype=object), forward["links"].shape))
    found = derive("symmetric_alignment", forward, backward)
    assert found["links"].equals(forward["links"])
    some = derive("symmetric_alignment", forward, backward, layers=[1, 2], heads=[0, 1], method="intersection")
    assert some["links"].dims == ("sentence",)
    for one, other, both in zip(
        sets(forward, layer=1, head=0), sets(forward, layer=2, head=1), sets(some), strict=True
    ):
        assert both == one & other
    with pytest.raises(UsageError, match="there is no layer 7 in alignment 2"):
        derive("symmetric_alignment", forward, backward, layers=[1, 7])
    with pytest.raises(UsageError, match="not of the same sentences, or one of them is not reversed"):
        derive("symmetric_alignment", forward, forward)


def test_what_cannot_be_aligned_is_refused(node):
    alone = node.drop_dims("source_token")
    with pytest.raises(UsageError, match="give the node 'cross'"):
        derive("word_alignment", alone)
    with pytest.raises(UsageError, match="has no variable 'norm'"):
        derive("word_alignment", node, variable="norm")
    with pytest.raises(UsageError, match="no coordinate 'word' on 'token'"):
        derive("word_alignment", node.drop_vars("word"))
    with pytest.raises(UsageError, match="sentence 0 on 'token' is not whole"):
        derive("word_alignment", node.isel(token=slice(1, None)))
    with pytest.raises(UsageError, match="belong together"):
        derive("word_alignment", node, threshold=0.5)


def test_a_gold_file_that_does_not_fit_is_refused(node, gold, tmp_path):
    links = derive("word_alignment", node)
    with pytest.raises(UsageError, match=r"gold.talp:1 links 2-1 .* 2 source and 2 target words; check gold_first"):
        derive("alignment_error", links, gold=gold, gold_first=0)
    short = tmp_path / "short.talp"
    short.write_text("1-1\n", "utf-8")
    with pytest.raises(UsageError, match="has 1 lines, and the corpus has a sentence 3"):
        derive("alignment_error", links, gold=str(short))


def test_one_alignment_is_written_as_a_pharaoh_file(node, tmp_path):
    found = derive("word_alignment", node, variable="weight")
    write_links(found, tmp_path / "links", layer=2, head=1)
    lines = (tmp_path / "links").read_text("utf-8").splitlines()
    assert lines == [str(line) for line in found["links"].sel(layer=2, head=1).values]
    with pytest.raises(UsageError, match="say which one: head"):
        write_links(found, tmp_path / "links", layer=2)
    with pytest.raises(UsageError, match="there is no alignment at"):
        write_links(found, tmp_path / "links", layer=7, head=1)
    with pytest.raises(UsageError, match="nowhere"):
        write_links(found, tmp_path / "nowhere" / "links", layer=2, head=1)
