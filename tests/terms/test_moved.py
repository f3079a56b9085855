"""What heads moved from each source token, kept factored, beside explicit vectors and beside whole heads."""

import dataclasses
from functools import cache

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prosect.api import Rules
from prosect.errors import RunError
from prosect.model.capture import StreamTap
from prosect.model.forward import eager_attention, forward
from prosect.model.load import wrap_module
from prosect.plugins.registry import implementation, load_registry
from prosect.terms import addends
from prosect.terms.closure import ClosureGauge
from prosect.terms.dense import DenseTerms
from prosect.terms.moved import MovedStart
from prosect.terms.replay import Replay, needs, stream_weights
from prosect.terms.start import InputStart
from prosect.testing.models import small_module
from prosect.vocab.components import Site
from prosect.vocab.rules import split_heads
from prosect_plugins.architectures import (
    bert,
    bloom,
    gemma2,
    gpt2,
    gpt_oss,
    gptj,
    llama,
    marian,
    mixtral,
    olmo2,
    opt,
    t5,
)
from prosect_plugins.decompositions.sum_of_factors import by_head
from support.replays import feed_of

BLOCKS = {
    "post-norm": bert.EXAMPLE,
    "pre-norm": gpt2.EXAMPLE,
    "grouped": llama.EXAMPLE,
    "parallel": gptj.EXAMPLE,
    "sandwich": gemma2.EXAMPLE,
    "normed addends": olmo2.EXAMPLE,
    "normed residual": {**bloom.EXAMPLE, "apply_residual_connection_post_layernorm": True},
    "sinks": gpt_oss.EXAMPLE,
    "experts": mixtral.EXAMPLE,
    "projected": {**opt.EXAMPLE, "do_layer_norm_before": False, "word_embed_proj_dim": 16},
}
CASES = [
    *((name, "main", "attention") for name in BLOCKS),
    *((name, *which) for name in ("marian", "t5") for which in (("encoder", "attention"), ("decoder", "attention"))),
    *((name, "decoder", "cross_attention") for name in ("marian", "t5")),
]
CONFIGS = {**BLOCKS, "marian": marian.EXAMPLE, "t5": t5.EXAMPLE}
# Norms in float32; or a softmax in float32, whose rows sum to 1 only to 1e-8.
LOOSE = ("grouped", "sandwich", "normed addends", "sinks", "experts", "t5", "normed residual", "projected")


@cache
def model(name):
    return wrap_module(small_module(CONFIGS[name], torch.float64), None)


def described(name, stream):
    config = model(name).config
    return implementation(load_registry().architecture_for(config["model_type"]))(config).stream(stream)


def table(kind, **changes):
    return Rules(book=by_head, heads=True, per_source=kind, **changes)


def replayed(name, stream_name, rules, ids, start, mask=None):
    """Terms of every layer, and the states that they sum to."""
    stream, found = described(name, stream_name), {}
    gauge = ClosureGauge(1e-5 if name in LOOSE else 1e-9)
    gauge.real = None if mask is None else mask.bool()
    replay = Replay(
        stream=stream,
        rules=rules,
        weights=stream_weights(model(name).base, stream, torch.float64),
        layers=range(stream.layers + 1),
        pick=lambda captured: captured.double(),
        gauge=gauge,
        start=start(stream),
        sink=lambda layer, terms, state: found.update({layer: (terms.copy(), state)}),
    )
    tap = StreamTap(model(name).base, stream, needs(rules, stream), replay)
    with eager_attention(model(name)), tap.attached():
        forward(model(name), feed_of(model(name), ids, stream_name, mask))
    gauge.settle()
    return found


class Explicit(MovedStart):
    """A start whose terms hold the vectors of all pairs; addends are written out by hand."""

    def terms(self, state):
        terms = DenseTerms.zeros(super().terms(state).components, state)
        terms.add(self.rules.book(Site("input")), state)
        return terms


def by_hand(self, own, seen):
    """alpha_ij^h x_j W_V^h W_O^h, head by head and source by source, and the bias that is left of the output."""
    shape, x, alpha = own.shape, seen.input(own.shape.reads), seen.alpha(own.shape.path).double()
    size, group, output = shape.head_dim, shape.heads // shape.kv_heads, seen.output(shape.output.path)
    vectors, labels, left = [], [], output.clone()
    for head in range(shape.heads):
        kv = slice(head // group * size, (head // group + 1) * size)
        value = x @ own.value.weight[:, kv] @ own.output.weight[head * size : (head + 1) * size]
        label = self.rules.book(Site(shape.kind, seen.number, head))
        for source in range(x.shape[1]):
            vectors.append(alpha[:, head, :, source, None] * value[:, None, source])
            labels.append(dataclasses.replace(label, label=f"{label.label}.{source}"))
            left = left - vectors[-1]
    bias = self.rules.book(Site("bias", seen.number, part=shape.kind))
    return DenseTerms((*labels, bias), torch.stack([*vectors, left]))


def asked(terms, state):
    return {
        "norm": terms.norm(),
        "dot": terms.dot(state),
        "distance": terms.distance(state),
        "l1": terms.reduced(lambda t, y: (t - y).abs().sum(-1), state),
        "dense": terms.dense(),
        "sum": terms.sum(),
    }


@settings(max_examples=25, deadline=None)
@given(
    case=st.sampled_from(CASES),
    seed=st.integers(0, 2**16),
    shape=st.tuples(st.integers(1, 2), st.integers(1, 5)),
    rules=st.fixed_dictionaries(
        {
            "norm_mean": st.sampled_from(("bias", "own")),
            "embedding_norm": st.sampled_from(("inside", "outside")),
            "readout": st.sampled_from(("hidden_states", "residual", "final_norm")),
        }
    ),
    budget=st.sampled_from((1, 2**28)),
)
def test_factored_terms_are_the_explicit_vectors(case, seed, shape, rules, budget):
    name, stream, kind = case
    rules = table(kind, **rules)
    ids = torch.randint(3, 50, shape, generator=torch.Generator().manual_seed(seed))
    one = replayed(name, stream, rules, ids, lambda s: MovedStart(s, rules, ids.shape[1], budget))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(addends.Addends, "_split", by_hand)
        other = replayed(name, stream, rules, ids, lambda s: Explicit(s, rules, ids.shape[1]))
    assert one.keys() == other.keys()
    for layer, (terms, state) in one.items():
        assert terms.components == other[layer][0].components
        expected = asked(*other[layer])
        for what, values in asked(terms, state).items():
            largest = expected[what].abs().max()
            tolerance = float(largest) * (1e-6 if name in LOOSE else 1e-9)
            torch.testing.assert_close(values, expected[what], rtol=0, atol=tolerance, msg=f"{layer} {what}")


@pytest.mark.parametrize("case", CASES, ids="-".join)
def test_sources_of_a_head_sum_to_the_head(case):
    name, stream, kind = case
    ids = torch.tensor([[5, 9, 7, 3, 8, 40], [6, 6, 11, 20, 4, 30]])
    split = replayed(name, stream, table(kind), ids, lambda s: MovedStart(s, table(kind), 6))
    whole_rules = Rules(book=by_head, heads=True)
    whole = replayed(name, stream, whole_rules, ids, lambda s: InputStart(s, whole_rules))
    heads = split_heads(described(name, stream), table(kind))
    for layer, (terms, _) in split.items():
        dense, expected = terms.dense(), dict(zip(whole[layer][0].components, whole[layer][0].dense(), strict=True))
        pairs = dense[: 6 * len(heads)].unflatten(0, (len(heads), 6)).sum(dim=1)
        found = {
            **dict(zip(heads, pairs, strict=True)),
            **dict(zip(terms.rest.components, terms.rest.dense(), strict=True)),
        }
        assert found.keys() == expected.keys()
        for label, vectors in found.items():
            torch.testing.assert_close(vectors, expected[label], rtol=0, atol=1e-6 if name in LOOSE else 1e-10)


def test_padding_moves_nothing():
    ids, rules = torch.tensor([[5, 9, 7, 3, 8, 40], [6, 6, 11, 0, 0, 0]]), table("attention")
    mask = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 0, 0, 0]])
    found = replayed("post-norm", "main", rules, ids, lambda s: MovedStart(s, rules), mask)
    alone = replayed("post-norm", "main", rules, ids[1:, :3], lambda s: MovedStart(s, rules))
    for layer, (terms, _) in found.items():
        norms = terms.norm()[: 6 * 8].unflatten(0, (8, 6))
        assert (norms[:, 3:, 1, :3] == 0).all()
        expected = alone[layer][0].norm()[: 3 * 8].unflatten(0, (8, 3))
        torch.testing.assert_close(norms[:, :3, 1, :3], expected[:, :, 0], rtol=0, atol=1e-10)


def test_no_vectors_of_pairs_are_made_for_norms_and_dots():
    """The largest tensor is the answer, heads x n x n; not one has n x n x d numbers."""
    tokens, name, rules, sizes = 36, "post-norm", table("attention"), []

    class Watching(torch.utils._python_dispatch.TorchDispatchMode):
        def __torch_dispatch__(self, function, types, args=(), kwargs=None):
            result = function(*args, **(kwargs or {}))
            if isinstance(result, torch.Tensor):
                sizes.append(result.numel())
            return result

    ids = torch.randint(3, 50, (1, tokens), generator=torch.Generator().manual_seed(0))
    terms, state = replayed(name, "main", rules, ids, lambda s: MovedStart(s, rules))[2]
    with Watching():
        terms.norm(), terms.dot(state), terms.sum()
    rest = len(terms.rest.components)
    assert max(sizes) == (len(terms.heads) * tokens + rest) * tokens < tokens * tokens * 24


def test_what_does_not_stay_factored_is_refused():
    ids, rules = torch.tensor([[5, 9, 7]]), table("attention")
    terms, _ = replayed("post-norm", "main", rules, ids, lambda s: MovedStart(s, rules))[1]
    with pytest.raises(RunError, match="by: head"):
        terms.gram()
    with pytest.raises(RunError, match="'attention' must be 'source'"):
        terms.attended(None, None, value_bias=False)
    with pytest.raises(RunError, match="'feed_forward' must be 'source'"):
        terms.fed_forward(None)
    with pytest.raises(RunError, match="'cross_attention' must be 'source'"):
        MovedStart(described("post-norm", "main"), rules).encoder(torch.zeros(1, 2, 24))
