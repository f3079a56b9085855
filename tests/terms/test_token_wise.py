"""Tokens carried through whole stacks: every rule closes on every order of blocks."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from support.token_wise import SHAPES, STREAMS, carry, small

FEED_FORWARD = ("tangent", "secant", "relu_mask")
GATED = ("tangent", "path", "half", "frozen")
BIAS = ("own", "drop", "share_abs_dot")
VALUE_BIAS = ("bias", "first_block", "token")


def ids_of(shape, size, seed=0):
    config = small(shape).model.config
    allowed = torch.tensor([i for i in range(config["vocab_size"]) if i != config.get("pad_token_id")])
    return allowed[torch.randint(len(allowed), size, generator=torch.Generator().manual_seed(seed))]


@pytest.mark.parametrize(("shape", "stream"), STREAMS)
@pytest.mark.parametrize("bias", ["own", "share_abs_dot"])
@pytest.mark.parametrize("rule", range(4))
def test_every_rule_closes_on_every_order_of_blocks(shape, stream, bias, rule):
    """To the tolerance of the family's own arithmetic, at every step."""
    ids = ids_of(shape, (2, 4))
    options = {"feed_forward": FEED_FORWARD[rule % 3], "gated": GATED[rule], "value_bias": VALUE_BIAS[rule % 3]}
    carried = carry(shape, stream, ids, bias=bias, **options)
    assert ("bias" in carried.labels) == (bias == "own")
    for layer, terms in carried.terms.items():
        size = carried.states[layer].norm(dim=-1)
        amplification = (terms.norm(dim=-1).sum(0) / size).clamp(min=1)
        gaps = (terms.sum(0) - carried.states[layer]).norm(dim=-1) / size
        assert float((gaps / amplification).max()) <= small(shape).limit


@settings(max_examples=25, deadline=None)
@given(
    which=st.sampled_from(STREAMS),
    seed=st.integers(0, 2**16),
    size=st.tuples(st.integers(1, 2), st.integers(1, 6)),
    options=st.fixed_dictionaries(
        {
            "group": st.sampled_from(("token", "stream")),
            "feed_forward": st.sampled_from(FEED_FORWARD),
            "gated": st.sampled_from(GATED),
            "bias": st.sampled_from(BIAS),
            "value_bias": st.sampled_from(VALUE_BIAS),
            "embedding_norm": st.sampled_from(("outside", "inside")),
            "readout": st.sampled_from(("hidden_states", "residual", "final_norm")),
        }
    ),
)
def test_any_choice_of_options_closes(which, seed, size, options):
    shape, stream = which
    assert carry(shape, stream, ids_of(shape, size, seed), **options).terms


@settings(max_examples=15, deadline=None)
@given(
    which=st.sampled_from(STREAMS),
    seed=st.integers(0, 2**16),
    feed_forward=st.sampled_from(FEED_FORWARD),
    gated=st.sampled_from(GATED),
    value_bias=st.sampled_from(VALUE_BIAS),
)
def test_terms_of_single_tokens_sum_to_those_of_their_stream(which, seed, feed_forward, gated, value_bias):
    """The replay is linear in the start, as long as biases have a term of their own."""
    shape, stream = which
    options = {"feed_forward": feed_forward, "gated": gated, "value_bias": value_bias}
    ids = ids_of(shape, (2, 5), seed)
    one, many = carry(shape, stream, ids, **options), carry(shape, stream, ids, group="stream", **options)
    own = many.labels.index("target" if stream == "decoder" else "input")
    for layer, terms in one.terms.items():
        scale = float(many.terms[layer].abs().max())
        torch.testing.assert_close(terms[:5].sum(0), many.terms[layer][own], rtol=0, atol=1e-10 * scale)
        rest = [place for place in range(len(many.labels)) if place != own]
        torch.testing.assert_close(terms[5:], many.terms[layer][rest], rtol=0, atol=1e-10 * scale)


@pytest.mark.parametrize("bias", BIAS)
@pytest.mark.parametrize("shape", [shape for shape in SHAPES if not shape.startswith("encoder-decoder")])
def test_a_causal_token_owes_nothing_to_later_ones(shape, bias):
    """Not even a share of a bias."""
    stream = small(shape).architecture.stream("main")
    terms = carry(shape, "main", ids_of(shape, (1, 5)), bias=bias).terms[stream.layers]
    later = torch.triu(torch.ones(5, 5, dtype=torch.bool), 1)
    owed = terms[:5, 0].norm(dim=-1).T[later]
    assert (owed == 0).all() if stream.causal else (owed > 0).all()


def test_the_rules_make_a_difference():
    """What is tested above is not one and the same replay."""
    ids = ids_of("pre-norm, gated", (1, 5))
    found = [carry("pre-norm, gated", "main", ids, gated=rule).terms[2] for rule in GATED]
    found += [carry("pre-norm, gated", "main", ids, bias="share_abs_dot").terms[2]]
    for place, one in enumerate(found):
        for other in found[place + 1 :]:
            assert (one[:5] - other[:5]).abs().max() > 1e-6
