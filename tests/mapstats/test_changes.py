"""How much maps change, against the published definition computed by explicit vectors, and scipy row by row."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from scipy.stats import pearsonr, spearmanr

from prosect import derive
from prosect.api import UsageError
from prosect_plugins.mapstats.changes import default_changes
from support.maps import axis, flat, labelled, numbered

GOLDEN = Path(__file__).parents[1] / "data" / "kobayashi" / "bert" / "changes_f64.npz"
SCOPES = ["attn_res_norm", "ff", "ff_res", "ff_res_norm"]
NAMES = {"attn_res_norm": "attnresln_n", "ff": "atbff_n", "ff_res": "atbffres_n", "ff_res_norm": "atbffresln_n"}
CHANGES = {
    "attn_res_norm to ff": "change_ff",
    "ff to ff_res": "change_res",
    "ff_res to ff_res_norm": "change_ln",
    "attn_res_norm to ff_res_norm": "change_ffb",
}


def node(maps, scopes=SCOPES, special=None) -> xr.Dataset:
    """Maps (scope, layer, token, source) of several sentences."""
    marks = special or [np.zeros(m.shape[-1], dtype=bool) for m in maps]
    coordinates = axis([{"special": mark} for mark in marks], "token")
    values = labelled(("scope", "layer", "token", "source"), flat(maps), "embedding units")
    return xr.Dataset({"norm": values}, {**coordinates, **numbered(maps[0].shape[1]), "scope": list(scopes)})


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN) as found:
        return dict(found)


@pytest.fixture
def random():
    rng = np.random.default_rng(1)
    return [rng.random((4, 2, length, length)) for length in (5, 7, 2)]


def test_changes_are_those_of_the_golden(golden):
    maps = np.stack([[golden[f"L{layer}.{NAMES[scope]}"] for layer in range(3)] for scope in SCOPES])
    found = derive("map_change", node([maps]))["map_change"]
    assert found.dims == ("change", "layer")
    for change, name in CHANGES.items():
        theirs = [golden[f"L{layer}.{name}"] for layer in range(3)]
        np.testing.assert_allclose(found.sel(change=change), theirs, rtol=0, atol=1e-14)


def test_changes_are_averaged_over_sentences(random):
    each = derive("map_change", node(random), sentences="each")["map_change"]
    assert each.dims == ("change", "layer", "sentence")
    for number, maps in enumerate(random):
        theirs = 1 - spearmanr(maps[1, 0].ravel(), maps[2, 0].ravel()).statistic
        assert each.sel(change="ff to ff_res", layer=1, sentence=number).item() == pytest.approx(theirs, abs=1e-12)
    np.testing.assert_allclose(derive("map_change", node(random))["map_change"], each.mean("sentence"), atol=1e-14)


@pytest.mark.parametrize(
    ("entries", "keep"),
    [
        ("off_diagonal", lambda n, m: ~np.eye(n, m, dtype=bool)),
        ("lower_triangle", lambda n, m: np.tri(n, m, dtype=bool)),
        ("lower_off_diagonal", lambda n, m: np.tri(n, m, -1, dtype=bool)),
    ],
)
def test_only_some_entries_can_count(random, entries, keep):
    found = derive("map_change", node(random), entries=entries, method="pearson", sentences="each")["map_change"]
    for number, maps in enumerate(random[:2]):
        before, after = (m[keep(*m.shape)] for m in maps[:2, 1])
        ours = found.sel(change="attn_res_norm to ff", layer=2, sentence=number).item()
        assert ours == pytest.approx(1 - pearsonr(before, after).statistic, abs=1e-12)


def test_rows_can_be_correlated_one_by_one(random):
    found = derive("map_change", node(random), rows="each", entries="lower_triangle", sentences="each")["map_change"]
    maps = random[1][:2, 0]
    rows = [spearmanr(maps[0, i, : i + 1], maps[1, i, : i + 1]).statistic for i in range(1, 7)]
    assert found.sel(layer=1, sentence=1)[0].item() == pytest.approx(1 - np.mean(rows), abs=1e-12)


def test_maps_of_causal_models_are_compared_where_a_token_looks(random):
    causal = [np.tril(m) for m in random]
    found = derive("map_change", node(causal))
    assert found.equals(derive("map_change", node(causal), entries="lower_triangle"))
    assert found.equals(derive("map_change", node(random), entries="lower_triangle"))
    whole = derive("map_change", node(causal), entries="all")
    assert np.all(whole["map_change"] < found["map_change"])


def test_special_tokens_can_be_left_out(random):
    special = [np.arange(m.shape[-1]) == 0 for m in random]
    found = derive("map_change", node(random, special=special), special=False)
    assert found["map_change"].equals(derive("map_change", node([m[..., 1:, 1:] for m in random]))["map_change"])
    # A sentence of two has one entry left, which has no correlation.
    assert set(found["sentences"].to_numpy().flat) == {2}


def test_rows_as_shares_change_the_order_of_the_whole_map_only(random):
    plain = {rows: derive("map_change", node(random), rows=rows) for rows in ("flat", "each")}
    shares = {rows: derive("map_change", node(random), rows=rows, normalise="row") for rows in ("flat", "each")}
    xr.testing.assert_allclose(plain["each"], shares["each"], atol=1e-12)
    assert not np.allclose(plain["flat"]["map_change"], shares["flat"]["map_change"])
    xr.testing.assert_allclose(plain["flat"], derive("map_change", node(random), normalise="global"), atol=1e-12)


def test_the_same_map_does_not_change(random):
    same = [np.broadcast_to(m[:1], m.shape) for m in random]
    for method in ("spearman", "pearson", "cosine"):
        np.testing.assert_allclose(derive("map_change", node(same), method=method)["map_change"], 0, atol=1e-14)


@pytest.mark.parametrize(
    ("scopes", "block"),
    [
        (["attn", "attn_res", "attn_res_norm", "ff", "ff_res", "ff_res_norm"], ("attn_res_norm", "ff_res_norm")),
        (["attn", "attn_res", "attn_res_norm", "ff", "ff_res"], ("attn_res", "ff_res")),
        (
            ["attn", "attn_norm", "attn_norm_res", "attn_norm_res_norm", "ff", "ff_norm", "ff_norm_res"],
            ("attn_norm_res", "ff_norm_res"),
        ),
        (["attn", "attn_ff", "attn_ff_res"], None),
        (["attn_res", "ff_res"], None),
    ],
)
def test_the_block_starts_from_what_its_residual_carries(scopes, block):
    assert default_changes(scopes)[len(scopes) - 1 :] == ([block] if block else [])


def test_changes_can_be_named_and_unknown_ones_are_refused(random):
    found = derive("map_change", node(random), changes=[["ff", "ff_res_norm"]])
    assert found["change"].to_numpy().tolist() == ["ff to ff_res_norm"]
    assert (found["before"].item(), found["after"].item()) == ("ff", "ff_res_norm")
    with pytest.raises(UsageError, match="no scope 'attn'; it has attn_res_norm, ff"):
        derive("map_change", node(random), changes=[["attn", "ff"]])
    with pytest.raises(UsageError, match="maps at several scopes"):
        derive("map_change", node(random).isel(scope=0, drop=True))
