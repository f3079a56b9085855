"""The token-wise decomposition from a spec to its results: rules of bias, groups of tokens, the authors' values."""

import json

import numpy as np
import pytest

import prosect
from prosect.errors import SpecError, UsageError
from support.models import DATA, random_model

BERT = DATA / "kobayashi" / "bert"
DECOMPX = {"name": "token_wise", "feed_forward": "secant", "value_bias": "first_block"}


def sentence(tmp_path, **fields):
    """Write the sentence of the authors' run as a corpus."""
    inputs = np.load(BERT / "inputs.npz")
    row = {name: inputs[name][0].tolist() for name in ("input_ids", "token_type_ids")}
    (tmp_path / "ids.jsonl").write_text(json.dumps({**row, **fields}), encoding="utf-8")
    return {"kind": "token_ids", "path": str(tmp_path / "ids.jsonl")}


def run(tmp_path, corpus, decomposition, **analysis):
    spec = {
        "prosect": 1,
        "models": {"m": {"load": str(BERT), "dtype": "float64"}},
        "corpora": {"c": corpus},
        "analyses": {"a": {"corpus": "c", "decomposition": decomposition, **analysis}},
        "compute": {"device": "cpu"},
    }
    return prosect.run(spec, tmp_path / "out.zarr", quiet=True)["m/a"].to_dataset().load()


def assert_close(values, reference, tolerance=1e-8):
    assert np.abs(values - reference).max() <= tolerance * np.abs(reference).max()


@pytest.mark.parametrize(("bias", "mode"), [("drop", "nobias"), ("own", "nobias"), ("share_abs_dot", "absdot")])
def test_norms_behind_every_block_are_those_of_decompx(tmp_path, bias, mode):
    reference = np.load(BERT / "decompx_global_f64.npz")
    ds = run(tmp_path, sentence(tmp_path), {**DECOMPX, "bias": bias}, metrics=["norm"])
    for layer in range(3):
        assert_close(ds["norm"].sel(layer=layer + 1).values, reference[f"dx_global_{mode}.L{layer}.norm"])
    assert ("norm_bias" in ds) == (bias == "own")


@pytest.mark.parametrize(("bias", "mode"), [("drop", "nobias"), ("share_abs_dot", "absdot")])
def test_vectors_behind_the_last_block_are_those_of_decompx(tmp_path, bias, mode):
    """Every token is a group of its own, so that vectors are kept."""
    reference = np.load(BERT / "decompx_global_f64.npz")[f"dx_global_{mode}.L2.vec"]
    corpus = {**sentence(tmp_path, number=list(range(12))), "token_annotations": ["number"]}
    ds = run(tmp_path, corpus, {**DECOMPX, "bias": bias, "group": "number"}, metrics=["norm"], keep=["terms"])
    assert list(ds["component"].values) == [str(number) for number in range(12)]
    assert set(ds["kind"].values) == {"number"}
    assert_close(ds["terms"].sel(layer=3).transpose("token", "component", "hidden").values, reference)


def test_a_bias_that_is_dropped_is_carried_all_the_same(tmp_path):
    """Closure is proved with it, and the other terms are those beside a bias of its own."""
    model, ids = random_model("bert").module, [[5, 6, 7, 8], [9, 10]]
    own = prosect.decompose(model, None, ids, "token_wise", group="stream")
    dropped = prosect.decompose(model, None, ids, "token_wise", group="stream", bias="drop")
    assert list(own["component"].values) == ["input", "bias"]
    assert list(dropped["component"].values) == ["input"]
    assert dropped.attrs["closure_max"] == own.attrs["closure_max"] < 1e-12
    for name in ("importance", "norm", "terms"):
        np.testing.assert_array_equal(dropped[name].sel(component="input"), own[name].sel(component="input"))


def test_where_biases_are_shared_importances_of_the_tokens_sum_to_1():
    ds = prosect.decompose(random_model("gpt2").module, None, [[5, 6, 7, 8], [9]], "token_wise", bias="share_abs_dot")
    np.testing.assert_allclose(ds["importance"].sum("source"), 1, atol=1e-12)
    assert not [name for name in ds.data_vars if str(name).endswith("_bias")]


def test_groups_are_the_values_of_an_annotation_and_their_terms_sums_over_tokens(tmp_path):
    parts = ["noun", "verb", "noun", "", "verb", "noun", "noun", "x", "x", "verb", "noun", "noun"]
    corpus = {**sentence(tmp_path, pos=parts), "token_annotations": ["pos"]}
    ds = run(tmp_path, corpus, {"name": "token_wise", "group": "pos"}, metrics=["importance"])
    assert list(ds["component"].values) == ["(none)", "noun", "verb", "x", "bias"]
    single = run(tmp_path / "single", corpus, "token_wise", metrics=["importance"])
    values = np.where(np.array(parts) == "", "(none)", parts)
    for group in ("(none)", "noun", "verb", "x"):
        share = single["importance"].isel(source=values == group).sum("source")
        np.testing.assert_allclose(ds["importance"].sel(component=group), share, atol=1e-12)
    np.testing.assert_allclose(ds["importance"].sel(component="bias"), single["importance_bias"], atol=1e-12)


def test_groups_may_be_a_coordinate_that_every_corpus_has(tmp_path):
    ds = run(tmp_path, sentence(tmp_path), {"name": "token_wise", "group": "segment"}, metrics=["importance"])
    assert list(ds["component"].values) == ["0", "1", "bias"]
    np.testing.assert_allclose(ds["importance"].sum("component"), 1, atol=1e-12)


def test_a_decoder_whose_tokens_lack_the_annotation_has_them_in_one_group(tmp_path):
    """Annotations of tokens belong to the source side."""
    row = {"input_ids": [5, 6, 7], "decoder_input_ids": [8, 9], "pos": ["noun", "verb", "noun"]}
    (tmp_path / "ids.jsonl").write_text(json.dumps(row), encoding="utf-8")
    spec = {
        "prosect": 1,
        "models": {"m": {"load": str(DATA / "mickus" / "marian"), "dtype": "float64"}},
        "corpora": {"c": {"kind": "token_ids", "path": str(tmp_path / "ids.jsonl"), "token_annotations": ["pos"]}},
        "analyses": {"a": {"corpus": "c", "decomposition": {"name": "token_wise", "group": "pos"}}},
        "compute": {"device": "cpu"},
    }
    tree = prosect.run(spec, tmp_path / "out.zarr", quiet=True)["m/a"]
    assert list(tree["encoder"]["component"].values) == ["noun", "verb", "bias"]
    assert list(tree["decoder"]["component"].values) == ["source", "target", "bias"]


def test_an_annotation_that_the_corpus_does_not_have_is_a_problem_of_the_plan(tmp_path):
    corpus = {**sentence(tmp_path, pos=[""] * 12), "token_annotations": ["pos"]}
    with pytest.raises(SpecError) as caught:
        run(tmp_path, corpus, {"name": "token_wise", "group": "pso"})
    (problem,) = caught.value.problems
    assert problem.path == "analyses.a.decomposition.group"
    assert "'pso'" in problem.message
    assert "'c'" in problem.message
    assert problem.suggestion == "pos"


def test_an_annotation_that_never_came_is_an_error_of_the_run():
    """``segment`` may be there or not: only the sentences tell."""
    model = random_model("gpt2").module
    with pytest.raises(UsageError, match=r"grouped by 'segment'.*position"):
        prosect.decompose(model, None, [[5, 6]], "token_wise", group="segment")


def test_a_value_with_the_name_of_another_term_is_refused(tmp_path):
    corpus = {**sentence(tmp_path, pos=["bias"] * 12), "token_annotations": ["pos"]}
    with pytest.raises(UsageError, match=r"'bias' is the name of another term"):
        run(tmp_path, corpus, {"name": "token_wise", "group": "pos"})


def translated(tmp_path, analyses, rows=None):
    """Run analyses on the model of the authors' decoder."""
    golden = np.load(DATA / "mickus" / "marian" / "authors_f64.npz")
    row = {"input_ids": golden["src_ids"][0].tolist(), "decoder_input_ids": golden["decoder_input_ids"][0].tolist()}
    (tmp_path / "ids.jsonl").write_text("\n".join(map(json.dumps, [row, *(rows or [])])), encoding="utf-8")
    spec = {
        "prosect": 1,
        "models": {"m": {"load": str(DATA / "mickus" / "marian"), "dtype": "float64"}},
        "corpora": {"c": {"kind": "token_ids", "path": str(tmp_path / "ids.jsonl")}},
        "analyses": {name: {"corpus": "c", **analysis} for name, analysis in analyses.items()},
        "compute": {"device": "cpu"},
    }
    return prosect.run(spec, tmp_path / "out.zarr", quiet=True)["m"]


@pytest.mark.parametrize("source", ["token", "carried"])
def test_source_tokens_share_what_the_authors_book_under_the_source(tmp_path, source):
    """What is carried leaves out what the encoder's biases give, which stands under the bias."""
    reference = np.load(DATA / "mickus" / "marian" / "authors_f64.npz")["oh_schuler"]
    shares = (reference * reference.sum(2, keepdims=True)).sum(-1) / (reference.sum(2) ** 2).sum(-1)[..., None]
    short = {"input_ids": [3, 4, 5], "decoder_input_ids": [6, 7]}
    decomposition = {"name": "token_wise", "source": source}
    tree = translated(tmp_path, {"a": {"decomposition": decomposition, "metrics": ["importance"]}}, [short])["a"]
    cross, decoder = tree["cross"].to_dataset().load(), tree["decoder"].to_dataset().load()
    assert cross["importance"].dims == ("layer", "token", "source")
    assert {"importance_own", "importance_bias"} < set(cross.data_vars)
    assert cross.sizes["source"] == 9
    first = (cross["sentence"] == 0).values
    assert np.isnan(cross["importance"].values[:, ~first, 3:]).all()
    summed = cross["importance"].sum("source")
    np.testing.assert_allclose(summed, decoder["importance_encoder"], atol=1e-12)
    np.testing.assert_allclose(cross["importance_own"], decoder["importance"].sum("source"), atol=1e-12)
    np.testing.assert_allclose(summed + cross["importance_own"] + cross["importance_bias"], 1, atol=1e-12)
    np.testing.assert_allclose(cross["importance_own"].values[:, first], shares[..., 1], atol=1e-10)
    gap = np.abs(summed.values[:, first] - shares[..., 0]).max()
    assert gap < 1e-10 if source == "token" else gap > 1e-3


def test_without_source_tokens_there_is_no_node_for_them(tmp_path):
    tree = translated(tmp_path, {"a": {"decomposition": "token_wise"}})["a"]
    assert set(tree.children) == {"encoder", "decoder", "sentences"}
    module = random_model("marian").module
    with pytest.raises(UsageError, match="cross"):
        prosect.decompose(module, None, [[5, 6]], "token_wise", targets=[[7]], stream="cross")


def test_source_tokens_may_be_grouped_too(tmp_path):
    """By an annotation of the source side: its values, and the decoder's own stream."""
    module = random_model("marian").module
    kinds = prosect.decompose(
        module, None, [[5, 6, 0]], "token_wise", targets=[[7, 8]], stream="cross", source="token", group="special"
    )
    single = prosect.decompose(
        module, None, [[5, 6, 0]], "token_wise", targets=[[7, 8]], stream="cross", source="token"
    )
    assert list(kinds["component"].values) == ["False", "True", "own", "bias"]
    share = kinds["importance"]
    np.testing.assert_allclose(share.sel(component="False"), single["importance"][..., :2].sum("source"), atol=1e-12)
    np.testing.assert_allclose(share.sel(component="True"), single["importance"][..., 2], atol=1e-12)
    np.testing.assert_allclose(share.sel(component="own"), single["importance_own"], atol=1e-12)
