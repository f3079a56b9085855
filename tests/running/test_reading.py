"""What a measure is told about the tokens it looks at."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import prosect
from prosect.errors import UsageError
from prosect.terms.dense import DenseTerms
from prosect.terms.reading import Reading
from prosect.vocab.components import TOTAL
from support.models import random_module

ROWS = [[5, 6, 7, 8], [9, 10], [11, 12, 13]]


@pytest.mark.parametrize(("decomposition", "metric"), [("sum_of_factors", "norm"), ("attention_norms", "value_norm")])
def test_tokens_stand_beside_the_terms_they_belong_to(monkeypatch, decomposition, metric):
    """Of the unit's own tokens where they stand flat, and of padded sentences with -1 for padding."""
    seen: list[Reading] = []
    module = "token" if metric == "norm" else "maps"
    home = __import__(f"prosect_plugins.metrics.{module}", fromlist=[metric])
    measure = getattr(home, metric)

    def watched(terms, total, options):
        seen.append(terms)
        return measure(terms, total, options)

    monkeypatch.setattr(home, metric, watched)
    found = prosect.decompose(random_module("bert"), None, ROWS, decomposition, metrics=[metric])
    assert [reading.layer for reading in seen] == found.layer.values.tolist()
    for reading in seen:
        index = reading.tokens.index
        assert index.shape == reading.total.shape[:-1]
        real = (index >= 0).numpy()
        ids = reading.tokens.coordinate("token_id")[real]
        np.testing.assert_array_equal(ids, np.concatenate([*map(np.array, ROWS)])[index[index >= 0].numpy()])
        assert sorted(index[index >= 0].tolist()) == list(range(9))
        assert (decomposition == "sum_of_factors") == bool(real.all())


def test_terms_by_themselves_have_no_tokens():
    with pytest.raises(UsageError, match="asks for the tokens"):
        _ = Reading(DenseTerms.zeros((TOTAL,), torch.zeros(2, 3)), torch.zeros(2, 3)).tokens


def test_an_annotation_that_the_corpus_lacks_is_named(monkeypatch):
    import prosect_plugins.metrics.token as home

    def asks(terms, total, options):
        return terms.tokens.coordinate("mood")

    monkeypatch.setattr(home, "norm", asks)
    with pytest.raises(UsageError, match="no coordinate 'mood'; it has"):
        prosect.decompose(random_module("bert"), None, ROWS, metrics=["norm"])
