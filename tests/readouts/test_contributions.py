"""What terms give to logits, from a spec or a call to its results."""

import json

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification

import prosect
from prosect.errors import SpecError, UsageError
from prosect.model.load import wrap_module
from prosect.running import compute
from support.heads import Headed, token_rows
from support.models import DATA

GPT2 = Headed("gpt2", "causal", {})
BERT = DATA / "kobayashi" / "bert"
DECOMPX = {"feed_forward": "secant", "value_bias": "first_block"}


def decompose(model, decomposition="sum_of_factors", rows=None, **how):
    rows = token_rows(model) if rows is None else rows
    targets = [row[::-1] for row in rows] if model.is_encoder_decoder else None
    metric = {"name": "logit_contribution", **how.pop("metric", {})}
    return prosect.decompose(
        model.module, None, rows, decomposition, targets=targets, metrics=[metric], terms=False, layers=-1, **how
    ).squeeze("layer")


def logits(model, row):
    ids = torch.tensor([row])
    extra = {"decoder_input_ids": ids.flip(1)} if model.is_encoder_decoder else {}
    with torch.no_grad():
        return model.module(input_ids=ids, **extra).logits[0]


@pytest.mark.parametrize(
    "headed",
    [
        GPT2,
        Headed("bert", "masked", {}),
        Headed("marian", "seq2seq", {}),
        Headed("gemma2", "causal", {"final_logit_softcapping": 0.5}),
        Headed("bert", "tokens", {}),
    ],
    ids=str,
)
@pytest.mark.parametrize("decomposition", ["sum_of_factors", "token_wise"])
def test_contributions_and_constant_sum_to_the_predicted_logit(headed, decomposition):
    model = headed.model()
    found = decompose(model, decomposition)
    total = found.logit_constant
    if decomposition == "token_wise":
        rest = [name for name in found.data_vars if str(name).startswith("logit_contribution_")]
        total = total + found.logit_contribution.sum("source") + sum(found[name] for name in rest)
    else:
        total = total + found.logit_contribution.sum("component")
    expected = torch.cat([logits(model, row).amax(dim=-1) for row in token_rows(model)])
    np.testing.assert_allclose(total, expected, rtol=1e-6 if headed.family == "gemma2" else 1e-9)


def test_the_logit_of_the_token_that_follows():
    model = GPT2.model()
    found = decompose(model, metric={"output": "next"})
    sums = (found.logit_contribution.sum("component") + found.logit_constant).values
    expected = []
    for row in token_rows(model):
        given = logits(model, row)
        expected += [given[place, token].item() for place, token in enumerate(row[1:])] + [np.nan]
    ends = np.isnan(expected)
    assert np.isnan(found.logit_contribution.values[:, ends]).all()
    np.testing.assert_allclose(sums[~ends], np.array(expected)[~ends], rtol=1e-9)


def test_a_term_of_a_linear_head_gives_its_product_with_the_row_of_the_output():
    model, rows = GPT2.model(), [[5, 6, 7]]
    found = decompose(model, rows=rows, metric={"output": [4, 9]})
    terms = prosect.decompose(model.module, None, rows, terms=True, layers=-1).terms[0]
    weight = model.module.lm_head.weight.detach().numpy()
    assert found.logit_contribution.dims == ("component", "output", "token")
    assert found.output.values.tolist() == ["4", "9"]
    for output in (4, 9):
        expected = terms.values @ weight[output]
        np.testing.assert_allclose(found.logit_contribution.sel(output=str(output)), expected, rtol=1e-9)
    np.testing.assert_allclose(found.logit_constant, 0, atol=1e-12)


def test_below_the_final_norm_terms_are_refused_and_with_it_every_layer_can_be_read():
    model = GPT2.model()
    metric = [{"name": "logit_contribution"}]
    with pytest.raises(UsageError, match="final norm"):
        prosect.decompose(model.module, None, [[5, 6]], metrics=metric, terms=False)
    found = prosect.decompose(model.module, None, [[5, 6]], metrics=metric, terms=False, readout="final_norm")
    assert np.isfinite(found.logit_contribution).all()


@pytest.mark.parametrize(
    ("output", "message"), [([], "at least one"), ([1, 1], "twice"), ([-1], "at least 0"), ("likeliest", "predicted")]
)
def test_outputs_that_make_no_sense_are_problems_of_the_plan(output, message):
    with pytest.raises(SpecError, match=message):
        decompose(GPT2.model(), metric={"output": output})


def test_an_output_that_the_head_does_not_have_is_refused():
    with pytest.raises(UsageError, match="outputs 0 to 59, not"):
        decompose(GPT2.model(), metric={"output": [60]})


def test_a_classifier_predicts_no_tokens():
    with pytest.raises(UsageError, match="predicts no tokens"):
        decompose(Headed("bert", "sentence", {}).model(), metric={"output": "next"})


@pytest.fixture
def carried(monkeypatch):
    """Notice how tokens are carried."""
    seen = []

    def noticed(*args):
        start = start_of(*args)
        seen.append(type(start).__name__)
        return start

    start_of = compute.start_of
    monkeypatch.setattr(compute, "start_of", noticed)
    return seen


@pytest.mark.parametrize(
    ("bias", "mode", "how"),
    [
        ("drop", "nobias", "AdjointStart"),
        ("own", "nobias", "AdjointStart"),
        ("share_abs_dot", "absdot", "TokenStart"),
    ],
)
def test_class_attributions_are_those_of_decompx(tmp_path, carried, bias, mode, how):
    """By one backward pass where biases are not shared out, from a spec to its results."""
    inputs, reference = np.load(BERT / "inputs.npz"), np.load(BERT / "decompx_global_f64.npz")
    row = {name: inputs[name][0].tolist() for name in ("input_ids", "token_type_ids")}
    (tmp_path / "ids.jsonl").write_text(json.dumps(row), encoding="utf-8")
    metric = {"name": "logit_contribution", "output": [0, 1]}
    spec = {
        "prosect": 1,
        "models": {"m": {"load": str(BERT), "dtype": "float64", "head": "own"}},
        "corpora": {"c": {"kind": "token_ids", "path": str(tmp_path / "ids.jsonl")}},
        "analyses": {
            "a": {
                "corpus": "c",
                "decomposition": {"name": "token_wise", "bias": bias, **DECOMPX},
                "metrics": [metric],
                "layers": -1,
            }
        },
        "compute": {"device": "cpu"},
    }
    found = prosect.run(spec, tmp_path / "out.zarr", quiet=True)["m/a"].to_dataset().load().squeeze("layer")
    assert set(carried) == {how}
    assert found.logit_contribution.dims == ("output", "token", "source")
    assert np.isnan(found.logit_contribution[:, 1:]).all()
    parts = found.logit_contribution[:, 0].values.T
    expected = reference[f"dx_global_{mode}.classifier"]
    assert np.abs(parts - expected).max() < 1e-8 * np.abs(expected).max()
    if bias != "drop":
        bias_part = found.logit_contribution_bias[:, 0].values if bias == "own" else 0
        total = parts.sum(0) + bias_part + found.logit_constant[:, 0].values
        np.testing.assert_allclose(total, reference[f"dx_global_{mode}.logits"], rtol=1e-8)


def test_the_shortcut_gives_what_carrying_every_token_gives(carried):
    """Another metric beside it needs the vectors of all tokens; sentences of several lengths."""
    module = AutoModelForSequenceClassification.from_pretrained(BERT, dtype=torch.float64)
    model = wrap_module(module, None)
    rows = [[5, 6, 7, 8, 9], [3, 4], [10, 11, 12]]
    short = decompose(model, "token_wise", rows)
    metrics = ["logit_contribution", "norm"]
    long = prosect.decompose(module, None, rows, "token_wise", metrics=metrics, layers=-1).squeeze("layer")
    assert carried == ["AdjointStart", "TokenStart"]
    for name in ("logit_contribution", "logit_contribution_bias", "logit_constant"):
        np.testing.assert_allclose(short[name], long[name], atol=1e-10)
    firsts = np.array([0, 5, 7])
    assert np.isfinite(short.logit_constant.values[firsts]).all()
    assert int(np.isfinite(short.logit_constant).sum()) == 3
    rest = short.logit_constant + short.logit_contribution_bias
    total = (short.logit_contribution.sum("source") + rest).values[firsts]
    np.testing.assert_allclose(total, [logits_of_sentence(module, row).max() for row in rows], rtol=1e-9)


def logits_of_sentence(module, row):
    with torch.no_grad():
        return module(input_ids=torch.tensor([row])).logits[0]


def test_a_head_that_reads_the_last_token():
    model = Headed("gpt2", "sentence", {"pad_token_id": 0}).model()
    rows = [[5, 6, 7, 8], [3, 4]]
    found = decompose(model, "token_wise", rows, metric={"output": [0]})
    lasts = np.array([3, 5])
    total = found.logit_contribution.sum("source") + found.logit_contribution_bias + found.logit_constant
    expected = [logits_of_sentence(model.module, row)[0] for row in rows]
    np.testing.assert_allclose(total.values[0, lasts], expected, rtol=1e-9)
    assert int(np.isfinite(found.logit_constant).sum()) == 2
