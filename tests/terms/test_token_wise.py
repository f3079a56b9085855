"""Tokens carried through whole stacks: every rule closes on every order of blocks."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from support.token_wise import PAIRED, SHAPES, STREAMS, carry, small

FEED_FORWARD = ("tangent", "secant", "relu_mask")
GATED = ("tangent", "path", "half", "frozen")
BIAS = ("own", "drop", "share_abs_dot")
VALUE_BIAS = ("bias", "first_block", "token")
# What is carried where: a stream, or in an encoder-decoder the encoder's tokens through the decoder.
WAYS = [
    *[(shape, stream, "group") for shape, stream in STREAMS],
    *[(shape, "decoder", "carried") for shape in PAIRED],
    *[(shape, "cross", source) for shape in PAIRED for source in ("token", "carried")],
]


def ids_of(shape, size, seed=0):
    config = small(shape).model.config
    allowed = torch.tensor([i for i in range(config["vocab_size"]) if i != config.get("pad_token_id")])
    return allowed[torch.randint(len(allowed), size, generator=torch.Generator().manual_seed(seed))]


def parted(carried, layer):
    """Sum of the terms of single tokens, and the other terms by label."""
    terms = carried.terms[layer]
    tokens = [place for place, label in enumerate(carried.labels) if label.isdecimal()]
    return terms[tokens].sum(0), {
        label: terms[place] for place, label in enumerate(carried.labels) if place not in tokens
    }


def assert_same(one, other, scale):
    torch.testing.assert_close(one, other, rtol=0, atol=1e-10 * float(scale.abs().max()))


@pytest.mark.parametrize(("shape", "stream", "source"), WAYS)
@pytest.mark.parametrize("bias", ["own", "share_abs_dot"])
@pytest.mark.parametrize("rule", [0, *(pytest.param(rule, marks=pytest.mark.slow) for rule in range(1, 4))])
def test_every_rule_closes_on_every_order_of_blocks(shape, stream, source, bias, rule):
    """To the tolerance of the family's own arithmetic, at every step."""
    ids = ids_of(shape, (2, 4))
    options = {"feed_forward": FEED_FORWARD[rule % 3], "gated": GATED[rule], "value_bias": VALUE_BIAS[rule % 3]}
    carried = carry(shape, stream, ids, bias=bias, source=source, **options)
    assert ("bias" in carried.labels) == (bias == "own")
    for layer, terms in carried.terms.items():
        size = carried.states[layer].norm(dim=-1)
        amplification = (terms.norm(dim=-1).sum(0) / size).clamp(min=1)
        gaps = (terms.sum(0) - carried.states[layer]).norm(dim=-1) / size
        assert float((gaps / amplification).max()) <= small(shape).limit


@settings(max_examples=25, deadline=None)
@given(
    way=st.sampled_from(WAYS),
    seed=st.integers(0, 2**16),
    size=st.tuples(st.integers(1, 2), st.integers(1, 6)),
    options=st.fixed_dictionaries(
        {
            "feed_forward": st.sampled_from(FEED_FORWARD),
            "gated": st.sampled_from(GATED),
            "bias": st.sampled_from(BIAS),
            "value_bias": st.sampled_from(VALUE_BIAS),
            "embedding_norm": st.sampled_from(("outside", "inside")),
            "readout": st.sampled_from(("hidden_states", "residual", "final_norm")),
        }
    ),
)
def test_any_choice_of_options_closes(way, seed, size, options):
    shape, stream, source = way
    assert carry(shape, stream, ids_of(shape, size, seed), source=source, **options).terms


LINEAR = {
    "seed": st.integers(0, 2**16),
    "options": st.fixed_dictionaries(
        {
            "feed_forward": st.sampled_from(FEED_FORWARD),
            "gated": st.sampled_from(GATED),
            "value_bias": st.sampled_from(VALUE_BIAS),
        }
    ),
}


@settings(max_examples=15, deadline=None)
@given(which=st.sampled_from(STREAMS), **LINEAR)
def test_terms_of_single_tokens_sum_to_those_of_their_stream(which, seed, options):
    """The replay is linear in the start, as long as biases have a term of their own."""
    shape, stream = which
    ids = ids_of(shape, (2, 5), seed)
    one, many = carry(shape, stream, ids, **options), carry(shape, stream, ids, group="stream", **options)
    for layer in one.terms:
        tokens, rest = parted(one, layer)
        _, expected = parted(many, layer)
        assert_same(tokens, expected.pop("target" if stream == "decoder" else "input"), many.terms[layer])
        assert rest.keys() == expected.keys()
        for label, values in rest.items():
            assert_same(values, expected[label], many.terms[layer])


@settings(max_examples=12, deadline=None)
@given(shape=st.sampled_from(PAIRED), source=st.sampled_from(("token", "carried")), **LINEAR)
def test_terms_of_source_tokens_sum_to_what_the_decoder_takes_from_its_encoder(shape, source, seed, options):
    """The nodes ``cross`` and ``decoder`` take the same state apart."""
    ids = ids_of(shape, (2, 4), seed)
    cross = carry(shape, "cross", ids, source=source, **options)
    decoder = carry(shape, "decoder", ids, source=source, **options)
    for layer in cross.terms:
        sources, rest = parted(cross, layer)
        targets, expected = parted(decoder, layer)
        assert_same(sources, expected["source"], decoder.terms[layer])
        assert_same(rest["own"], targets, decoder.terms[layer])
        assert_same(rest["bias"], expected["bias"], decoder.terms[layer])


@settings(max_examples=8, deadline=None)
@given(shape=st.sampled_from(PAIRED), **LINEAR)
def test_carrying_tokens_through_the_encoder_moves_only_its_biases(shape, seed, options):
    """What belonged to the encoder's last state belongs to its tokens and to the bias."""
    ids = ids_of(shape, (2, 4), seed)
    state, carried = (carry(shape, "cross", ids, source=source, **options) for source in ("token", "carried"))
    for layer in state.terms:
        (before, rest), (after, others) = parted(state, layer), parted(carried, layer)
        assert_same(before + rest["bias"], after + others["bias"], state.terms[layer])
        assert_same(rest["own"], others["own"], state.terms[layer])


def test_without_biases_in_the_encoder_its_tokens_hold_all_of_its_state():
    """T5 has none, and the tangent of a gate without an intercept leaves no constant: only `frozen` slopes do."""
    shape = "encoder-decoder, pre-norm, gated"
    ids = ids_of(shape, (1, 4))
    state, carried = (
        carry(shape, "cross", ids, source=source, gated="frozen", readout="residual") for source in ("token", "carried")
    )
    for layer in state.terms:
        assert_same(parted(state, layer)[0], parted(carried, layer)[0], state.terms[layer])
    apart = (state.terms[2][:4] - carried.terms[2][:4]).norm()
    assert apart > 0.01 * state.terms[2][:4].norm()


@pytest.mark.parametrize("bias", BIAS)
@pytest.mark.parametrize("shape", [shape for shape in SHAPES if shape not in PAIRED])
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
