"""BLEU and chrF of what a model wrote, against a count by hand and against sacrebleu's own functions."""

from __future__ import annotations

from collections import Counter
from math import exp, log

import numpy as np
import pytest
import sacrebleu
import xarray as xr

import prosect
from prosect.errors import UsageError

WRITTEN = ["the gate was open .", "nobody had closed it yet .", "a bat flew in through the window ."]
REFERENCES = ["the gate stood open .", "nobody had closed the gate .", "a bat flew in through the attic window ."]


def sentences(written=WRITTEN, references=REFERENCES, **attrs) -> xr.Dataset:
    texts = {
        "target": ("sentence", written),
        "reference": (("sentence", "alternative"), np.reshape(references, (3, -1))),
    }
    return xr.Dataset(texts, {"sentence": np.arange(3)}, attrs)


def grams(words, n):
    return Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))


def bleu_by_hand(written, references) -> float:
    logs = []
    for n in range(1, 5):
        pairs = [(grams(w.split(), n), grams(r.split(), n)) for w, r in zip(written, references, strict=True)]
        right = sum(min(count, other[g]) for one, other in pairs for g, count in one.items())
        logs.append(log(right / sum(sum(one.values()) for one, _ in pairs)))
    lengths = [sum(len(text.split()) for text in texts) for texts in (written, references)]
    penalty = min(1.0, exp(1 - lengths[1] / lengths[0]))
    return 100 * penalty * exp(sum(logs) / 4)


def chrf_by_hand(written, reference, *, beta=2, longest=6) -> float:
    a, b = written.replace(" ", ""), reference.replace(" ", "")
    rates = []
    for n in range(1, longest + 1):
        one, other = grams(a, n), grams(b, n)
        right = sum((one & other).values())
        rates.append((right / max(1, sum(one.values())), right / max(1, sum(other.values()))))
    precision, recall = np.mean(rates, axis=0)
    return 100 * (1 + beta**2) * precision * recall / (beta**2 * precision + recall)


def test_bleu_of_the_corpus_is_that_of_the_definition():
    found = prosect.derive("bleu", sentences(), tokenize="none")
    assert float(found.bleu) == pytest.approx(bleu_by_hand(WRITTEN, REFERENCES), rel=1e-12)
    assert float(found.bleu) == pytest.approx(sacrebleu.corpus_bleu(WRITTEN, [REFERENCES], tokenize="none").score)
    assert found.attrs["sacrebleu"] == sacrebleu.__version__
    assert "tok:none" in found.attrs["signature"]


def test_bleu_of_sentences():
    found = prosect.derive("bleu", sentences())
    expected = [sacrebleu.sentence_bleu(w, [r]).score for w, r in zip(WRITTEN, REFERENCES, strict=True)]
    np.testing.assert_allclose(found.sentence_bleu, expected, rtol=1e-12)


def test_chrf_is_that_of_the_definition():
    found = prosect.derive("chrf", sentences())
    for place, pair in enumerate(zip(WRITTEN, REFERENCES, strict=True)):
        assert float(found.sentence_chrf[place]) == pytest.approx(chrf_by_hand(*pair), rel=1e-9)
    assert float(found.chrf) == pytest.approx(sacrebleu.corpus_chrf(WRITTEN, [REFERENCES]).score, rel=1e-12)
    plus = prosect.derive("chrf", sentences(), words=2)
    assert float(plus.chrf) == pytest.approx(sacrebleu.corpus_chrf(WRITTEN, [REFERENCES], word_order=2).score)


def test_several_references_some_of_them_missing():
    more = [["the gate was open ."], [""], ["a bat came in ."]]
    references = [[first, *other] for first, other in zip(REFERENCES, more, strict=True)]
    streams = [REFERENCES, [row[0] or None for row in more]]
    for name, score in (("bleu", sacrebleu.corpus_bleu), ("chrf", sacrebleu.corpus_chrf)):
        found = prosect.derive(name, sentences(references=references))
        assert float(found[name]) == pytest.approx(score(WRITTEN, streams).score)


def test_every_checkpoint_of_a_sweep_is_scored():
    sweep = xr.concat([sentences(), sentences(written=REFERENCES)], "model").assign_coords(step=("model", [1, 2]))
    found = prosect.derive("bleu", sweep)
    assert found.bleu.dims == ("model",)
    assert float(found.bleu[1]) == pytest.approx(100)
    assert found.step.values.tolist() == [1, 2]
    assert found.sentence_bleu.dims == ("model", "sentence")


def test_datasets_of_several_models_are_scored_one_by_one_and_stacked():
    models = [sentences().assign_coords(model=f"m@{n}", step=n) for n in (1, 2)]
    models[1]["target"] = ("sentence", REFERENCES)
    found = prosect.derive("bleu", *models)
    np.testing.assert_array_equal(found.bleu, [prosect.derive("bleu", one).bleu for one in models])
    assert found.bleu.dims == ("model",)
    assert found.sentence_bleu.dims == ("model", "sentence")
    assert (found.model.values.tolist(), found.step.values.tolist()) == (["m@1", "m@2"], [1, 2])


def test_targets_of_the_corpus_are_nothing_to_score():
    with pytest.raises(UsageError, match="'target: generated'"):
        prosect.derive("bleu", sentences(targets="corpus"))
