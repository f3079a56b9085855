"""Next tokens, the logit lens and what terms add to log-probabilities, beside the model's own loss."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import prosect
from prosect.errors import SpecError, UsageError
from support.heads import Headed

GPT2 = Headed("gpt2", "causal", {})
MARIAN = Headed("marian", "seq2seq", {})
GEMMA = Headed("gemma2", "causal", {"final_logit_softcapping": 2.0})


def inline(rows, targets=None):
    return {"kind": "inline", "sentences": rows, **({} if targets is None else {"targets": targets})}


def logits_of(model, row):
    ids = torch.tensor([row])
    extra = {"decoder_input_ids": ids} if model.is_encoder_decoder else {}
    source = torch.tensor([row[::-1]]) if model.is_encoder_decoder else ids
    with torch.no_grad():
        return model.module(input_ids=source, **extra).logits[0]


def exact_losses(model, row):
    """Cross-entropy of each next token, NaN at the end."""
    following = torch.tensor(row[1:]).long()
    return [*torch.nn.functional.cross_entropy(logits_of(model, row)[:-1], following, reduction="none"), math.nan]


@pytest.mark.parametrize("headed", [GPT2, GEMMA], ids=str)
def test_the_whole_sum_has_the_loss_of_transformers(carry_out, rows, headed):
    """Labels are shifted within sentences, as a causal model shifts them; a sentence of one token predicts nothing."""
    model = headed.model()
    sentences = rows(model)
    metrics = [{"name": name, "subsets": "total"} for name in ("next_token", "next_tokens")]
    found = carry_out(model.module, None, inline(sentences), metrics=metrics, layers=-1).to_dataset().squeeze("layer")
    losses, weights = [], []
    for row in sentences:
        if len(row) > 1:
            with torch.no_grad():
                losses.append(float(model.module(input_ids=torch.tensor([row]), labels=torch.tensor([row])).loss))
            weights.append(len(row) - 1)
    # The loss of transformers is computed in float32, whatever the model.
    expected = np.average(losses, weights=weights)
    assert float(found.next_cross_entropy) == pytest.approx(expected, rel=1e-6)
    exact = [exact_losses(model, row) for row in sentences]
    # So are the norms of Gemma.
    np.testing.assert_allclose(found.next_loss, np.concatenate(exact), rtol=1e-9 if headed is GPT2 else 1e-6)
    assert float(found.next_cross_entropy) == pytest.approx(float(found.next_loss.mean()))
    assert int(found.next_n_used) == sum(weights) == int(found.next_loss.notnull().sum())
    right = [logits_of(model, row)[:-1].argmax(dim=-1) == torch.tensor(row[1:]) for row in sentences]
    correct = found.next_correct.values
    np.testing.assert_array_equal(correct[~np.isnan(correct)], torch.cat(right))


def test_a_decoder_is_scored_against_what_follows_its_input(carry_out, rows):
    model = MARIAN.model()
    targets = rows(model)
    metric = {"name": "next_token", "subsets": "total"}
    found = carry_out(model.module, None, inline([row[::-1] for row in targets], targets), metrics=[metric], layers=-1)
    assert set(found.children) == {"decoder", "sentences"}
    loss = found["decoder"].next_loss.values[0]
    expected = np.concatenate([exact_losses(model, row) for row in targets])
    np.testing.assert_allclose(loss, expected, rtol=1e-9)


def test_the_final_bias_is_a_player_of_its_own(carry_out, rows):
    """Logits of a subset of a linear head are W times its sum, and b where the final bias is in it."""
    model = MARIAN.model()
    targets = rows(model)
    corpus = inline([row[::-1] for row in targets], targets)
    metric = {
        "name": "next_token",
        "final_bias": "own",
        "subsets": [["final_bias"], ["input", "bias"], "all but bias", "total"],
    }
    found = carry_out(model.module, None, corpus, metrics=[metric], keep=["terms"], layers=-1)["decoder"]
    assert found.subset.values.tolist() == ["final_bias", "input+bias", "all but bias", "total"]
    weight, bias = model.module.lm_head.weight.detach(), model.module.final_logits_bias[0]
    following = np.append(found.token_id.values[1:], 0)
    places = np.flatnonzero(~np.isnan(found.next_loss.values[0, 0]))
    terms = {
        str(c.values): torch.tensor(t.values[places]) for c, t in zip(found.component, found.terms[0], strict=True)
    }
    sums = {
        "final_bias": bias.expand(len(places), -1),
        "input+bias": (terms["input"] + terms["bias"]) @ weight.T,
        "all but bias": (sum(terms.values()) - terms["bias"]) @ weight.T + bias,
        "total": sum(terms.values()) @ weight.T + bias,
    }
    for label, logits in sums.items():
        gold = torch.tensor(following[places].astype(np.int64))
        expected = torch.nn.functional.cross_entropy(logits, gold, reduction="none")
        np.testing.assert_allclose(found.next_loss.sel(subset=label)[0, places], expected, rtol=1e-8)


def test_special_tokens_may_be_left_out_as_targets(masked_model, wordpieces):
    """Here the closing token of each sentence."""
    sentences = ["a ship without a name", "nobody opened it"]
    metric = {"name": "next_token", "subsets": "total"}
    counted = [
        prosect.decompose(
            masked_model.module, wordpieces, sentences, metrics=[{**metric, "special": special}], layers=-1
        ).next_loss.count()
        for special in (True, False)
    ]
    assert counted[0] - counted[1] == len(sentences)


def test_the_lens_reads_every_layer_through_the_final_norm(carry_out, rows):
    """Prediction, probability and entropy of the full distribution, written out."""
    model = GPT2.model()
    sentences = rows(model)
    found = carry_out(model.module, None, inline(sentences), metrics=["logit_lens"])
    assert found.predicted_id.dtype == np.int64
    start = 0
    for row in sentences:
        with torch.no_grad():
            states = model.module(input_ids=torch.tensor([row]), output_hidden_states=True).hidden_states
            for layer, state in enumerate(states):
                last = layer == len(states) - 1
                logits = model.module.lm_head(state[0] if last else model.module.transformer.ln_f(state[0]))
                chances = logits.softmax(dim=-1).numpy()
                here = found.isel(layer=layer, token=slice(start, start + len(row)))
                np.testing.assert_array_equal(here.predicted_id, chances.argmax(axis=-1))
                np.testing.assert_allclose(here.predicted_probability, chances.max(axis=-1), rtol=1e-9)
                entropy = -(chances * np.log2(chances)).sum(axis=-1)
                np.testing.assert_allclose(here.predicted_entropy, entropy, rtol=1e-9)
        start += len(row)


def test_the_lens_may_read_the_stream_as_it_is(carry_out, rows):
    model = GPT2.model()
    sentences = rows(model)
    metric = {"name": "logit_lens", "final_norm": "skipped"}
    found = carry_out(model.module, None, inline(sentences), metrics=[metric], layers=0)
    with torch.no_grad():
        state = model.module(input_ids=torch.tensor(sentences[:1]), output_hidden_states=True).hidden_states[0][0]
        expected = model.module.lm_head(state).softmax(dim=-1).amax(dim=-1)
    np.testing.assert_allclose(found.predicted_probability[0, : len(sentences[0])], expected, rtol=1e-9)


@pytest.mark.parametrize("decomposition", ["sum_of_factors", "token_wise"])
@pytest.mark.parametrize("headed", [GPT2, Headed("bert", "masked", {})], ids=str)
def test_what_a_term_adds_is_the_change_when_it_is_left_out(rows, headed, decomposition):
    """In bits, for components of the state and for the tokens of the sentence."""
    model = headed.model()
    sentences = rows(model)
    found = prosect.decompose(
        model.module, None, sentences, decomposition, metrics=["delta_log_probability"], layers=[1, -1], terms=False
    )
    dims = ("layer", "token", "source") if decomposition == "token_wise" else ("layer", "component", "token")
    assert found.delta_log_probability.dims == dims
    start = 0
    for row in sentences:
        inside = slice(start, start + len(row))
        alone = prosect.decompose(model.module, None, [row], "sum_of_factors", metrics=[], layers=[1, -1], terms=True)
        if decomposition == "sum_of_factors":
            expected = by_hand(model, alone, row)
            np.testing.assert_allclose(
                found.delta_log_probability[:, :, inside], expected, rtol=1e-7, atol=1e-9, equal_nan=True
            )
        else:
            values = found.delta_log_probability.values[:, inside, : len(row)]
            assert np.isnan(values[:, -1]).all()
            assert np.isfinite(values[:, :-1]).all()
            if headed is GPT2:
                # A causal model cannot look ahead: leaving later tokens out changes nothing.
                assert (values[:, :-1][:, np.triu(np.ones((len(row), len(row))), 1)[:-1] > 0] == 0).all()
        start += len(row)


def by_hand(model, alone, row):
    """log2 p(next | e) - log2 p(next | e - t) for all terms of one sentence, shape (layer, component, token)."""
    values = np.full((2, alone.sizes["component"], len(row)), np.nan)
    final = getattr(getattr(model.module, "transformer", None), "ln_f", None)
    head = model.module.lm_head if final is not None else model.module.cls
    for layer in range(2):
        terms = torch.tensor(alone.terms.values[layer])
        for place in range(len(row) - 1):
            chances = []
            for state in (terms[:, place].sum(0), *(terms[:, place].sum(0) - term for term in terms[:, place])):
                normed = final(state) if final is not None and layer == 0 else state
                with torch.no_grad():
                    chances.append(math.log2(head(normed[None])[0].softmax(dim=-1)[row[place + 1]]))
            values[layer, :, place] = chances[0] - np.array(chances[1:])
    return values


def test_terms_of_single_blocks_are_refused(rows):
    model = GPT2.model()
    with pytest.raises(UsageError, match="those of 'attention_maps' are parts of single blocks"):
        prosect.decompose(model.module, None, rows(model), "attention_maps", metrics=["delta_log_probability"])


def test_a_classifier_predicts_no_tokens(rows):
    model = Headed("bert", "tokens", {}).model()
    with pytest.raises(UsageError, match="classifies into 2 labels"):
        prosect.decompose(model.module, None, rows(model), metrics=["next_token"])


def test_the_lens_reads_classifiers_too(rows):
    """Their outputs are labels; a classifier of sentences reads one token of each."""
    for task in ("tokens", "sentence"):
        model = Headed("bert", task, {}).model()
        sentences = rows(model)
        found = prosect.decompose(model.module, None, sentences, metrics=["logit_lens"], layers=-1).predicted_id[0]
        start = 0
        for row in sentences:
            own = logits_of(model, row).argmax(dim=-1)
            np.testing.assert_array_equal(found[start : start + len(row)] if task == "tokens" else found[start], own)
            start += len(row)


def test_readouts_need_a_head(tmp_path):
    spec = {
        "prosect": 1,
        "models": {"m": {"init": "random", "config": {"model_type": "gpt2"}}},
        "corpora": {"c": inline([[1, 2]])},
        "analyses": {"a": {"corpus": "c", "decomposition": "sum_of_factors", "metrics": ["next_tokens"]}},
    }
    with pytest.raises(SpecError, match=r"'next_tokens' reads the model's own head.*models.m.head: own"):
        prosect.plan(spec, tmp_path)


def test_the_plan_counts_the_subsets(tmp_path):
    """15 subsets of 4 components."""
    config = {"model_type": "gpt2", "n_layer": 2, "n_embd": 8, "n_head": 2, "architectures": ["GPT2LMHeadModel"]}
    sizes = []
    for subsets in ("total", "all"):
        spec = {
            "prosect": 1,
            "models": {"m": {"init": "random", "head": "own", "config": config}},
            "corpora": {"c": {"kind": "text", "path": "c.txt"}},
            "analyses": {
                "a": {
                    "corpus": "c",
                    "decomposition": "sum_of_factors",
                    "metrics": [{"name": "next_token", "subsets": subsets}],
                }
            },
        }
        (tmp_path / "c.txt").write_text("one line of text\n" * 20, encoding="utf-8")
        spec["corpora"]["c"]["path"] = str(tmp_path / "c.txt")
        sizes.append(prosect.plan(spec, tmp_path / "out").steps[0].cost.bytes)
    assert sizes[1] == 15 * sizes[0]
