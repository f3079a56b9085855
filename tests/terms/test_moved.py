"""What heads moved from each source token, kept factored, beside explicit vectors and beside whole heads."""

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prosect.api import Rules
from prosect.errors import RunError
from prosect.terms import addends
from prosect.terms.dense import DenseTerms
from prosect.terms.moved import MovedStart
from prosect.terms.start import InputStart
from prosect.vocab.components import Site
from prosect.vocab.rules import split_heads
from prosect_plugins.decompositions.sum_of_factors import by_head
from support.block_orders import CASES, LOOSE, asked, described, replayed


def table(kind, **changes):
    return Rules(book=by_head, heads=True, per_source=kind, **changes)


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


@pytest.mark.slow
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
