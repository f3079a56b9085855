"""Memory of maps: bytes of all tensors that are alive at one time while a scope is measured."""

from dataclasses import replace

import pytest
import torch

from prosect.api import Attention, FeedForward, Projection
from prosect.model.weights import Affine, AttentionWeights, FeedForwardWeights
from prosect.terms.factored import FactoredStart
from prosect.terms.linearise import linearise
from prosect.terms.pairs import Fed, Kept
from support.memory import Watching

HEADS, HIDDEN, INNER, ITEM = 4, 64, 256, 8
MIB = 2**20


def terms(tokens, *, fed, budget=2**28, causal=False):
    """One sentence behind an attention, residual and norm, or behind the feed-forward block that follows."""
    generator = torch.Generator().manual_seed(0)

    def random(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    attention = Attention(
        kind="attention",
        path="",
        value=Projection(path=""),
        output=Projection(path=""),
        heads=HEADS,
        kv_heads=HEADS,
        head_dim=HIDDEN // HEADS,
    )
    block = FeedForward(path="", up=Projection(path=""), down=Projection(path=""), activation="gelu")
    state = random(1, tokens, HIDDEN)
    weights = AttentionWeights(attention, Affine(random(HIDDEN, HIDDEN), None), Affine(random(HIDDEN, HIDDEN), None))
    scores = random(1, HEADS, tokens, tokens)
    if causal:
        scores = scores.masked_fill(torch.ones(tokens, tokens, dtype=torch.bool).triu(1), float("-inf"))
    stream = FactoredStart(causal=causal, budget=budget).terms(state)
    stream.add_terms(stream.attended(scores.softmax(dim=-1), weights, value_bias=True))
    stream.centre()
    stream.normalise(random(1, tokens, 1), random(HIDDEN))
    if not fed:
        return stream
    inner = FeedForwardWeights(
        block, Affine(random(HIDDEN, INNER), random(INNER)), Affine(random(INNER, HIDDEN), None), None
    )
    lin = linearise(inner, stream.sum(), "secant", "path")
    addend = stream.copy().fed_forward(lin, stream.labels[-1])
    stream.add_terms(addend)
    return stream


def peak(name, read):
    """Bytes that a measure holds at most, its result included."""
    state = read.sum()
    with Watching() as watching:
        MEASURES[name](read, state)
    return watching.peak


MEASURES = {
    "norm": lambda read, state: read.norm(),
    "dot": lambda read, state: read.dot(state),
    "mixing": lambda read, state: (read.mixed(), read.own()),
    "order 1": lambda read, state: read.reduced(lambda t, y: t.abs().sum(-1), state),
    "alti": lambda read, state: read.reduced(lambda t, y: (y - t).abs().sum(-1), state),
    "distance": lambda read, state: read.distance(state),
}


@pytest.mark.parametrize("name", ["norm", "dot", "mixing"])
def test_attention_scopes_take_numbers_by_pair_and_head_and_none_by_the_width(name):
    """n^2 H with a small factor (float64 sums of products count twice); the vectors of all pairs would be n^2 d."""
    for tokens in (64, 256):
        read = terms(tokens, fed=False)
        held = peak(name, read)
        by_head = tokens * tokens * HEADS * ITEM
        by_token = 8 * tokens * HEADS * HIDDEN * ITEM
        assert held <= 5 * by_head + by_token
        assert held < 0.6 * tokens * tokens * HIDDEN * ITEM + by_token


@pytest.mark.parametrize("name", ["order 1", "alti", "distance"])
@pytest.mark.parametrize("fed", [False, True])
def test_what_does_not_factor_stays_under_the_budget_whatever_the_length(name, fed):
    """Beside the budget stand the results themselves, n^2, and vectors of single tokens."""
    budget = 4 * MIB
    for tokens in (64, 256):
        read = terms(tokens, fed=fed, budget=budget)
        held = peak(name, read)
        assert held <= budget + 4 * tokens * tokens * ITEM + 8 * tokens * (HIDDEN + INNER) * ITEM


@pytest.mark.parametrize("name", ["norm", "dot"])
def test_feed_forward_scopes_stay_under_the_budget_whatever_the_length(name):
    budget = 4 * MIB
    for tokens in (64, 256):
        read = terms(tokens, fed=True, budget=budget)
        held = peak(name, read)
        assert held <= budget + 4 * tokens * tokens * ITEM + 8 * tokens * (HIDDEN + INNER) * ITEM


def test_a_causal_map_makes_hardly_more_than_the_pairs_below_its_diagonal():
    tokens = 160
    read, made = terms(tokens, fed=True, causal=True), []

    def count(pairs, queries):
        made.append(pairs.shape[1] * pairs.shape[2])
        return pairs.norm(dim=-1)

    values = read.by_pair(count)
    assert sum(made) <= 0.6 * tokens * tokens
    torch.testing.assert_close(values[0].T, read.norm()[:tokens, 0])
    assert (values[0].triu(1) == 0).all()


def test_the_values_do_not_depend_on_the_budget():
    whole, cut = (terms(40, fed=True, budget=budget) for budget in (2**28, 50_000))
    for measure in MEASURES.values():
        torch.testing.assert_close(measure(whole, whole.sum()), measure(cut, cut.sum()))


def test_what_a_feed_forward_block_made_is_made_once_for_all_readers(monkeypatch):
    """As far as the budget goes: without room every reader makes it anew, and reads the same."""
    made = []
    make = Fed._fed_pairs
    monkeypatch.setattr(Fed, "_fed_pairs", lambda *given: made.append(given[2:]) or make(*given))
    found = {}
    for room in (2**28, 0):
        made.clear()
        read = terms(24, fed=True)
        read.fed = replace(read.fed, kept=Kept(room))
        before = read.norm()
        read.centre()
        read.normalise(torch.full((1, 24, 1), 0.5, dtype=torch.float64), torch.ones(HIDDEN, dtype=torch.float64))
        found[room] = before, read.norm(), read.dot(read.sum())
        assert len(made) == (1 if room else 3)
    for one, other in zip(*found.values(), strict=True):
        assert torch.equal(one, other)
