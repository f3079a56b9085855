"""Factored terms against the general engine, on random models of every block order."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prosect.api import Component
from prosect.errors import RunError
from prosect.terms.factored import FactoredStart
from prosect.vocab.rules import scopes_read
from prosect.vocab.scopes import cross_scopes, scopes, stream_scopes
from support.orders import STREAMS, dense_start, factored_start, map_rules, model, stream_of, walk
from support.replays import token_ids


def read(which, rules, ids, start, *, seed=0):
    """Everything a metric can ask of the terms, at every scope of every block."""
    found = {}

    def take(block, scope, terms, state, _onward):
        found[block, scope] = {
            "dense": terms.dense().clone(),
            "norm": terms.norm(),
            "dot": terms.dot(state),
            "distance": terms.distance(state),
            "l1": terms.reduced(lambda t, y: (t - y).abs().sum(-1), state),
            "sum": terms.sum(),
        }

    walk(which, rules, ids, start, take, seed=seed)
    return found


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(
    which=st.sampled_from(STREAMS),
    seed=st.integers(0, 3),
    shape=st.tuples(st.integers(1, 2), st.integers(1, 10)),
    options=st.fixed_dictionaries(
        {
            "feed_forward": st.sampled_from(("secant", "tangent", "relu_mask", "source")),
            "gated": st.sampled_from(("path", "half", "frozen", "tangent")),
            "value_bias": st.sampled_from(("token", "bias", "first_block")),
        }
    ),
    budget=st.sampled_from((1, 10_000, 2**28)),
)
def test_factored_terms_are_the_terms_of_the_general_engine(which, seed, shape, options, budget):
    rules, ids = map_rules(stream_of(*which), **options), token_ids(model(which[0]), shape, seed)
    one = read(which, rules, ids, factored_start(budget), seed=seed)
    other = read(which, rules, ids, dense_start, seed=seed)
    wanted = set(scopes_read(stream_of(*which), rules))
    assert {name for _, name in one} >= wanted
    for key in (key for key in one if key[1] in wanted):
        for name, value in one[key].items():
            torch.testing.assert_close(value, other[key][name], rtol=1e-7, atol=1e-7, msg=f"{key} {name}")


@pytest.mark.parametrize("which", STREAMS, ids="-".join)
def test_the_scopes_which_a_replay_passes_are_those_derived_from_the_description(which):
    found = stream_of(*which)
    passed = []
    ids = token_ids(model(which[0]), (1, 4))
    walk(which, map_rules(found), ids, factored_start(), lambda block, scope, *_: passed.append((block, scope)))
    if which[1] == "cross":
        assert {name for _, name in passed} == set(cross_scopes(found))
    else:
        assert passed == [(n, name) for n, block in enumerate(found.blocks, 1) for name in scopes(block)]
        assert set(stream_scopes(found)) == {name for _, name in passed}


def test_parallel_sub_layers_are_read_together():
    """In `attn_ff` what the feed-forward block made of a token stands on the diagonal, beside what attention gave."""
    which, ids = ("gptj", "main"), token_ids(model("gptj"), (1, 5))
    found = {}
    walk(
        which, map_rules(stream_of(*which)), ids, factored_start(), lambda n, s, t, y, _: found.update({(n, s): (t, y)})
    )
    attention, both, residual = (found[1, scope][0] for scope in ("attn", "attn_ff", "attn_ff_res"))
    off = ~torch.eye(5, dtype=torch.bool)
    torch.testing.assert_close(both.norm()[:5, 0].T[off], attention.norm()[:5, 0].T[off])
    fed = both.own() - attention.own()
    assert (fed.norm(dim=-1) > 1e-3).all()
    torch.testing.assert_close(residual.own() - both.own(), found[1, "attn_ff_res"][1] - found[1, "attn_ff"][1])


@pytest.mark.parametrize("which", [("gpt2", "main"), ("marian", "decoder")], ids="-".join)
def test_a_causal_token_gets_nothing_from_later_ones(which):
    ids = token_ids(model(which[0]), (2, 70))[:, : model(which[0]).config.get("n_positions", 40)]
    upper = torch.triu(torch.ones(ids.shape[1], ids.shape[1], dtype=torch.bool), 1)

    def take(_block, scope, terms, _state, _onward):
        if not scope.startswith("cross") or "_res" in scope:
            assert (terms.norm()[: terms.sources].permute(1, 2, 0)[:, upper] == 0).all()

    walk(which, map_rules(stream_of(*which)), ids, factored_start(), take)


def test_what_does_not_stay_factored_is_refused():
    start = FactoredStart(causal=False)
    terms = start.terms(torch.zeros(1, 3, 8, dtype=torch.float64))
    with pytest.raises(RunError, match="label"):
        terms.add(Component("attention", "attention"), torch.zeros(8, dtype=torch.float64))
    with pytest.raises(RunError, match="n x n x n"):
        terms.gram()
