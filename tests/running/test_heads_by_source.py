"""`sum_of_factors` by source, from a spec to results: what each head moved from each attended token."""

import numpy as np
import pytest

import prosect
from prosect.errors import SpecError
from prosect.planning.build import make_plan
from support.models import random_module

ROWS = [[5, 9, 7, 3, 8, 40], [6, 6, 11], [20, 4, 30, 12, 9, 9, 10, 2]]
STREAMS = [
    ("bert", "main"),
    ("gpt2", "main"),
    ("llama", "main"),
    ("marian", "encoder"),
    ("marian", "decoder"),
    ("marian", "cross"),
]


def decomposed(family, stream, by, **arguments):
    module = random_module(family).double()
    targets = {} if stream == "main" else {"targets": [row[::-1][: len(row) - 1] for row in ROWS]}
    return prosect.decompose(module, None, ROWS, "sum_of_factors", by=by, stream=stream, **targets, **arguments)


@pytest.mark.parametrize(("family", "stream"), STREAMS)
def test_shares_of_the_sources_sum_to_the_share_of_the_head(family, stream):
    split = decomposed(family, stream, "source", metrics=["importance"])
    whole = decomposed(family, "decoder" if stream == "cross" else stream, "head", metrics=["importance"], terms=False)
    kind = "cross_attention" if stream == "cross" else "attention"
    heads = whole.isel(component=whole["kind"].values == kind)
    assert split["importance"].dims == ("layer", "component", "token", "source")
    assert list(split["component"].values) == list(heads["component"].values)
    assert list(split["head"].values) == list(heads["head"].values)
    np.testing.assert_allclose(
        split["importance"].sum("source"), heads["importance"], atol=1e-6 if family == "llama" else 1e-10
    )


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_something_is_moved_where_there_is_a_weight_and_nowhere_else(family):
    ds = decomposed(family, "main", "source", metrics=["norm"], layers=[1])
    module = random_module(family).double()
    weights = prosect.decompose(module, None, ROWS, "attention_norms", metrics=["weight"])["weight"].sel(layer=1).values
    first = ds["norm"].sel(layer=1).isel(component=slice(0, 4)).values
    np.testing.assert_array_equal(np.isnan(first), np.isnan(weights))
    np.testing.assert_array_equal(np.nan_to_num(first) > 0, np.nan_to_num(weights) > 0)


def test_nothing_is_known_beyond_the_end_of_a_sentence_and_nothing_comes_from_later_tokens():
    ds = decomposed("gpt2", "main", "source", metrics=["norm"])
    values, lengths = ds["norm"].values, np.array([len(row) for row in ROWS])[ds["sentence"].values]
    beyond = np.arange(ds.sizes["source"]) >= lengths[:, None]
    assert np.isnan(values[..., beyond]).all()
    assert np.isfinite(values[..., ~beyond]).all()
    later = (np.arange(ds.sizes["source"]) > ds["position"].values[:, None]) & ~beyond
    assert (values[..., later] == 0).all()


def test_sources_of_the_node_cross_are_the_encoders_tokens():
    ds = decomposed("marian", "cross", "source", metrics=["norm"])
    lengths = np.array([len(row) for row in ROWS])[ds["sentence"].values]
    assert ds.sizes["token"] == sum(len(row) - 1 for row in ROWS)
    assert (np.isfinite(ds["norm"].values[0, 0]).sum(axis=-1) == lengths).all()
    assert set(ds["kind"].values) == {"cross_attention"}


def test_a_head_has_moved_nothing_before_its_block():
    ds = decomposed("bert", "main", "source", metrics=["norm"])
    norms = ds["norm"].fillna(0).values
    for layer, block in np.ndindex(ds.sizes["layer"], 3):
        moved = norms[layer, ds["block"].values == block + 1]
        assert (moved > 0).any() == (layer > block)


def test_a_store_has_the_same_in_every_unit(tmp_path, spec, carry_out):
    source = spec(
        "marian", number=12, model={"dtype": "float64"}, decomposition={"name": "sum_of_factors", "by": "source"}
    )
    tree = prosect.open(carry_out(source).store)
    assert {"encoder", "decoder", "cross"} <= set(tree["m/a"].children)
    for stream in ("encoder", "decoder", "cross"):
        ds = tree[f"m/a/{stream}"].to_dataset().load()
        assert ds.attrs["closure_max"] < ds.attrs["closure_tolerance"]
        assert ds["cosine"].dims == ("layer", "component", "token", "source")
    plain = spec("marian", number=12, model={"dtype": "float64"})
    assert "cross" not in prosect.open(carry_out(plain, tmp_path / "plain.zarr").store)["m/a"].children


def test_a_plan_knows_what_it_costs(tmp_path, spec):
    (tmp_path / "a.txt").write_text("word " * 20 + "\n" + "word " * 10, encoding="utf-8")
    sizes = {}
    for by in ("head", "source"):
        source = spec("bert", decomposition={"name": "sum_of_factors", "by": by}, metrics=["norm"])
        source["corpora"]["c"] = {"kind": "text", "path": str(tmp_path / "a.txt")}
        (step,) = make_plan(source, out=tmp_path / "x.zarr").steps
        sizes[by] = step.cost.bytes / step.cost.tokens
    layers, longest, itemsize = 4, 26, 4
    assert sizes["head"] == layers * (3 * 4 + 3 + 2) * itemsize
    assert sizes["source"] == layers * 3 * 4 * longest * itemsize


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"metrics": ["dot"]}, "compares terms in pairs"),
        ({"metrics": ["dispersion"]}, "accumulated term by term"),
        ({"keep": ["terms"]}, "one for every pair of tokens"),
    ],
)
def test_what_is_too_much_is_a_problem_of_the_plan(spec, changes, reason):
    with pytest.raises(SpecError, match=reason):
        make_plan(spec("bert", decomposition={"name": "sum_of_factors", "by": "source"}, **changes))
