"""Masked tokens read off sums of components, beside the model's own loss."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch

from prosect.errors import SpecError
from support.texts import WORDS

NAMES = ("input", "attention", "feed_forward", "bias")
MASK = {"rate": 0.4, "scheme": "bert", "seed": 3}


@pytest.fixture
def corpus():
    return {"kind": "inline", "sentences": WORDS, "mask": MASK}


def sentences_of(found):
    """Places of the tokens of each sentence."""
    return [np.flatnonzero(found.sentence.values == number) for number in range(int(found.sentence.max()) + 1)]


def own_losses(model, found):
    """Cross-entropy and correctness of every masked token by the model's own forward pass and torch's loss."""
    losses, correct = [], []
    for places in sentences_of(found):
        fed = torch.tensor(found.token_id.values[places].astype(np.int64))[None]
        labels = torch.tensor(found.token_id_original.values[places].astype(np.int64))
        labels[torch.tensor(~found.masked.values[places])] = -100
        with torch.no_grad():
            output = model.module(input_ids=fed, labels=labels[None])
        chosen = labels >= 0
        if chosen.any():
            total = torch.nn.functional.cross_entropy(output.logits[0], labels, reduction="sum")
            assert float(output.loss) == pytest.approx(float(total) / int(chosen.sum()))
            losses.append(total)
        correct += (output.logits[0].argmax(dim=-1) == labels)[chosen].tolist()
    return float(sum(losses)), correct


def test_the_whole_sum_has_the_models_own_loss(carry_out, masked_model, wordpieces, corpus):
    """Per token, and as means over the corpus, which are gathered unit by unit."""
    found = carry_out(masked_model.module, wordpieces, corpus, metrics=["masked_token", "masked_tokens"], layers=-1)
    total, correct = own_losses(masked_model, found)
    whole = found.sel(subset="+".join(NAMES)).isel(layer=0)
    number = int(found.masked.sum())
    assert number > 15
    assert int(found.masked_n_used[0]) == number
    assert float(whole.masked_loss.sum()) == pytest.approx(total, rel=1e-9)
    assert float(whole.masked_cross_entropy) == pytest.approx(total / number, rel=1e-9)
    assert whole.masked_correct.values[found.masked.values].astype(bool).tolist() == correct
    assert float(whole.masked_accuracy) == pytest.approx(np.mean(correct))
    assert np.array_equal(np.isnan(whole.masked_loss.values), ~found.masked.values)


@pytest.mark.slow
@pytest.mark.parametrize("final_bias", ["head", "bias", "own"])
def test_every_subset_is_read_by_the_whole_head(carry_out, masked_model, wordpieces, corpus, final_bias):
    """The head is applied by hand to sums of the stored vectors."""
    metric = {"name": "masked_token", "final_bias": final_bias}
    found = carry_out(masked_model.module, wordpieces, corpus, metrics=[metric], keep=["terms"], layers=[1, 2])
    players = (*NAMES, "final_bias") if final_bias == "own" else NAMES
    chosen = [set(names) for size in range(1, len(players) + 1) for names in combinations(players, size)]
    assert [set(label.split("+")) for label in found.subset.values] == chosen
    head, places = masked_model.module.cls, np.flatnonzero(found.masked.values)
    gold = torch.tensor(found.token_id_original.values[places].astype(np.int64))
    for layer in range(2):
        for place, names in enumerate(chosen):
            mine = [name for name in NAMES if name in names]
            terms = found.terms.isel(layer=layer, token=places).sel(component=mine)
            with torch.no_grad():
                logits = head(torch.tensor(terms.sum("component").values))
                with_bias = {"head": True, "bias": "bias" in names, "own": "final_bias" in names}[final_bias]
                logits = logits if with_bias else logits - head.predictions.decoder.bias
            expected = torch.nn.functional.cross_entropy(logits, gold, reduction="none")
            np.testing.assert_allclose(found.masked_loss[layer, place, places], expected, rtol=1e-9)
            right = found.masked_correct[layer, place, places].values
            np.testing.assert_array_equal(right, logits.argmax(dim=-1) == gold)


def test_means_are_grouped_by_any_coordinate(carry_out, masked_model, wordpieces, corpus):
    """And are the means of the values per token."""
    group = {"name": "masked_tokens", "subsets": "singletons", "group": "sentence", "selection": ["all", "no_first"]}
    found = carry_out(
        masked_model.module, wordpieces, corpus, metrics=[{"name": "masked_token", "subsets": "singletons"}, group]
    )
    assert found.masked_accuracy.dims == ("layer", "selection", "group", "subset")
    for number in range(int(found.sentence.max()) + 1):
        inside = found.isel(token=np.flatnonzero(found.sentence.values == number))
        at = found.sel(group=number, selection="all")
        np.testing.assert_allclose(at.masked_cross_entropy, inside.masked_loss.mean("token"), rtol=1e-9)
        np.testing.assert_allclose(at.masked_accuracy, inside.masked_correct.mean("token"), rtol=1e-9)
        assert set(at.masked_n_used.values.tolist()) == {int(inside.masked.sum())}


def test_a_corpus_that_masks_nothing_is_refused(carry_out, masked_model, wordpieces):
    from prosect.errors import UsageError

    with pytest.raises(UsageError, match="give it 'mask:"):
        carry_out(masked_model.module, wordpieces, {"kind": "inline", "sentences": WORDS}, metrics=["masked_token"])


@pytest.mark.parametrize(
    ("metrics", "message"),
    [
        ([{"name": "masked_token", "subsets": [["input", "atention"]]}], "there is no component 'atention'"),
        ([{"name": "masked_token", "subsets": [["input", "input"]]}], "names a component twice"),
        ([{"name": "masked_token", "subsets": ["input", ["input"]]}], "stands here twice"),
        ([{"name": "masked_token", "subsets": []}], "is empty"),
        (["masked_token", {"name": "logit_lens", "subsets": "singletons"}], "mean different things by the dimension"),
    ],
)
def test_wrong_subsets_are_problems_of_the_plan(carry_out, masked_model, wordpieces, corpus, metrics, message):
    with pytest.raises(SpecError, match=message):
        carry_out(masked_model.module, wordpieces, corpus, metrics=metrics)


def test_too_many_components_for_every_subset_are_a_problem_of_the_plan(carry_out, masked_model, wordpieces, corpus):
    with pytest.raises(SpecError, match=r"12 components have 4,095 subsets"):
        carry_out(
            masked_model.module,
            wordpieces,
            corpus,
            decomposition={"name": "sum_of_factors", "by": "head"},
            metrics=["masked_token"],
        )


def test_components_of_single_tokens_are_not_put_together(carry_out, masked_model, wordpieces, corpus):
    with pytest.raises(SpecError, match="puts components together"):
        carry_out(masked_model.module, wordpieces, corpus, decomposition="token_wise", metrics=["masked_token"])
