"""Closure stops what does not sum."""

import dataclasses

import pytest
import torch

from prosect.api import Component
from prosect.errors import ClosureError
from prosect.terms.closure import ClosureGauge, amplification, gap, tolerance
from prosect.terms.dense import DenseTerms
from support.models import description, random_model
from support.replays import feed_of, run_replay, token_ids

LABELS = (Component("a", "a"), Component("b", "b"))


def two_terms(first, second) -> DenseTerms:
    return DenseTerms(LABELS, torch.tensor([[first], [second]], dtype=torch.float64))


def test_the_gap_is_relative_to_the_norm_of_the_state():
    terms = two_terms([3.0, 0.0], [0.0, 4.0])
    assert gap(terms, torch.tensor([[3.0, 4.5]], dtype=torch.float64)).item() == pytest.approx(0.5 / (9 + 20.25) ** 0.5)
    assert gap(two_terms([0.0, 0.0], [0.0, 0.5]), torch.zeros(1, 2, dtype=torch.float64)).item() == 0.5


def test_terms_that_cancel_widen_the_tolerance_and_others_do_not():
    state = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    assert amplification(two_terms([100.0, 0.0], [-99.0, 0.0]), state).item() == 199.0
    assert amplification(two_terms([0.25, 0.0], [0.25, 0.0]), state).item() == 1.0


def test_a_gap_above_the_tolerance_names_the_first_place():
    gauge = ClosureGauge(1e-6)
    state = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    gauge.check("block 1", two_terms([1.0, 0.0], [0.0, 1e-9]), state)
    gauge.check("block 2", two_terms([1.0, 0.0], [0.0, 1e-3]), state)
    gauge.check("block 3", two_terms([1.0, 0.0], [0.0, 1.0]), state)
    with pytest.raises(ClosureError, match=r"block 2.*1\.00e-03.*tolerance 1e-06"):
        gauge.settle()


def test_the_largest_gap_is_kept_over_batches():
    gauge = ClosureGauge(1e-2)
    state = torch.tensor([[1.0, 0.0]], dtype=torch.float64)
    for size in (1e-5, 1e-3, 1e-4):
        gauge.check("here", two_terms([1.0, 0.0], [0.0, size]), state)
        gauge.settle()
    assert gauge.largest == pytest.approx(1e-3)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_state_that_is_not_finite_is_no_closure(value):
    gauge = ClosureGauge(1e-2)
    gauge.check("here", two_terms([1.0, 0.0], [0.0, 0.0]), torch.tensor([[value, 0.0]], dtype=torch.float64))
    with pytest.raises(ClosureError, match="here"):
        gauge.settle()


def test_a_wrong_description_is_stopped_with_the_name_of_the_block():
    model = random_model("gpt2")
    right = description(model)
    stream = right.streams[0]
    blocks = (
        stream.blocks[0],
        dataclasses.replace(stream.blocks[1], stages=stream.blocks[1].stages[:1]),
        stream.blocks[2],
    )
    wrong = dataclasses.replace(right, streams=(dataclasses.replace(stream, blocks=blocks),))
    fed = feed_of(model, token_ids(model, (2, 5)), "main")
    assert run_replay(model, right, "main", fed, limit=1e-9).gap < 1e-9
    with pytest.raises(ClosureError, match=r"block 2 \(h\.1\)"):
        run_replay(model, wrong, "main", fed, limit=1e-9)


def test_float64_is_held_to_the_arithmetic_of_the_family():
    llama, gpt2 = description(random_model("llama")), description(random_model("gpt2"))
    assert tolerance("float64", gpt2) == 1e-9
    assert tolerance("float64", llama) == 1e-6
    assert tolerance("float32", llama) == tolerance("float32", gpt2) == 5e-6
    assert tolerance("float64", None) == 1e-9
