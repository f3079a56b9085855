"""Factored terms against the general engine, on random models of every block order."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prosect.api import BIAS, Component, Rules
from prosect.errors import RunError
from prosect.model.capture import StreamTap
from prosect.model.forward import eager_attention, forward
from prosect.terms.closure import ClosureGauge
from prosect.terms.factored import FactoredStart
from prosect.terms.replay import Replay, needs, stream_weights
from prosect.terms.start import TokenStart
from prosect.vocab.scopes import scopes, stream_scopes
from support.models import FAMILIES, description, random_model
from support.replays import feed_of, token_ids

STREAMS = [(family, stream) for family in FAMILIES for stream in FAMILIES[family].streams]


def rules(feed_forward="secant", gated="path", value_bias="token"):
    return Rules(
        book=lambda _site: BIAS,
        start="tokens",
        span="block",
        attention="propagate",
        feed_forward=feed_forward,
        gated=gated,
        value_bias=value_bias,
        norm_mean="own",
        scopes=("all",),
    )


def read(model, stream_name, table, ids, start):
    """Everything a metric can ask of the terms, at every scope of every block."""
    stream, found = description(model).stream(stream_name), {}
    gauge = ClosureGauge(1e-5 if model.config["model_type"] == "llama" else 1e-9)

    def take(block, scope, terms, state):
        dense = terms.dense()
        found[block, scope] = {
            "dense": dense.clone(),
            "norm": terms.norm(),
            "dot": terms.dot(state),
            "distance": terms.distance(state),
            "l1": terms.reduced(lambda t, y: (t - y).abs().sum(-1), state),
            "sum": terms.sum(),
        }

    replay = Replay(
        stream=stream,
        rules=table,
        weights=stream_weights(model.base, stream, torch.float64),
        layers=range(1, stream.layers + 1),
        pick=lambda captured: captured.double(),
        gauge=gauge,
        start=start(stream, ids),
        scope_sink=take,
    )
    with eager_attention(model), StreamTap(model.base, stream, needs(table, stream), replay).attached():
        forward(model, feed_of(model, ids, stream_name))
    gauge.settle()
    return found


def dense_start(stream, ids):
    labels = (*(Component(str(j), "source") for j in range(ids.shape[1])), BIAS)
    return TokenStart(labels, torch.arange(ids.shape[1]).expand(ids.shape))


def factored_start(budget):
    return lambda stream, ids: FactoredStart(causal=stream.causal, budget=budget)


@settings(max_examples=20, deadline=None)
@given(
    which=st.sampled_from(STREAMS),
    seed=st.integers(0, 2**16),
    shape=st.tuples(st.integers(1, 2), st.integers(1, 6)),
    table=st.builds(
        rules,
        feed_forward=st.sampled_from(("secant", "tangent", "relu_mask")),
        gated=st.sampled_from(("path", "half", "frozen", "tangent")),
        value_bias=st.sampled_from(("token", "bias", "first_block")),
    ),
    budget=st.sampled_from((1, 10_000, 2**28)),
)
def test_factored_terms_are_the_terms_of_the_general_engine(which, seed, shape, table, budget):
    family, stream = which
    model = random_model(family, seed=seed)
    ids = token_ids(model, shape, seed)
    one, other = read(model, stream, table, ids, factored_start(budget)), read(model, stream, table, ids, dense_start)
    assert one.keys() >= {key for key in other if not key[1].startswith("cross") or "_res" in key[1]}
    for key, values in one.items():
        if key[1] in ("cross", "cross_norm"):
            continue
        for name, value in values.items():
            torch.testing.assert_close(value, other[key][name], rtol=1e-7, atol=1e-7, msg=f"{key} {name}")


@pytest.mark.parametrize(("family", "stream"), STREAMS)
def test_the_scopes_which_a_replay_passes_are_those_derived_from_the_description(family, stream):
    model = random_model(family)
    passed = read(model, stream, rules(), token_ids(model, (1, 4)), factored_start(2**28))
    found = description(model).stream(stream)
    assert list(passed) == [(n, name) for n, block in enumerate(found.blocks, 1) for name in scopes(block)]
    assert set(stream_scopes(found)) == {name for _, name in passed}


def test_memory_of_attention_scopes_grows_with_pairs_times_heads_and_never_with_the_width():
    """No tensor of n x n x d numbers is made: the largest is n x n x H."""
    heads, tokens = 4, 96
    model = random_model("bert", max_position_embeddings=128, hidden_size=64, num_attention_heads=heads)
    sizes = []

    class Watching(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            result = function(*args, **(kwargs or {}))
            if isinstance(result, torch.Tensor):
                sizes.append(result.numel())
            return result

    stream = description(model).stream("main")
    table = rules()

    def take(_block, scope, terms, state):
        if scope.startswith("attn"):
            with Watching():
                terms.norm(), terms.dot(state), terms.own(), terms.source_sum()

    replay = Replay(
        stream=stream,
        rules=table,
        weights=stream_weights(model.base, stream, torch.float64),
        layers=(1,),
        pick=lambda captured: captured.double(),
        gauge=ClosureGauge(1e-9),
        start=FactoredStart(causal=False),
        scope_sink=take,
    )
    with eager_attention(model), StreamTap(model.base, stream, needs(table, stream), replay).attached():
        forward(model, feed_of(model, token_ids(model, (1, tokens)), "main"))
    assert max(sizes) <= max(tokens * tokens * heads, tokens * heads * 64)


def test_what_does_not_stay_factored_is_refused():
    start = FactoredStart(causal=False)
    terms = start.terms(torch.zeros(1, 3, 8, dtype=torch.float64))
    with pytest.raises(RunError, match="label"):
        terms.add(Component("attention", "attention"), torch.zeros(8, dtype=torch.float64))
    with pytest.raises(RunError, match="n x n x n"):
        terms.gram()
