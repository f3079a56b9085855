"""Biases shared out among the terms: nothing is lost, and who gets what follows the rule."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prosect.api import BIAS, Component
from prosect.terms.dense import DenseTerms
from prosect.terms.shared import SharedTerms, share_abs_dot
from prosect.terms.start import TokenStart

shapes = st.tuples(st.integers(1, 5), st.integers(1, 2), st.integers(1, 4), st.integers(1, 6))
seeds = st.integers(0, 2**16)


def drawn(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def own_of(shape):
    """The first term holds every token."""
    own = torch.zeros(shape[:3], dtype=torch.bool)
    own[0] = True
    return own


def shared_terms(shape, seed, **how):
    labels = tuple(Component(str(k), "source") for k in range(shape[0]))
    return SharedTerms(DenseTerms(labels, drawn(seed, *shape)), own_of(shape), **how)


@settings(deadline=None)
@given(shape=shapes, seed=seeds, per_token=st.booleans())
def test_a_bias_is_shared_by_absolute_products_and_nothing_is_lost(shape, seed, per_token):
    before = drawn(seed, *shape)
    bias = drawn(seed + 1, *(shape[1:] if per_token else shape[-1:]))
    terms = before.clone()
    share_abs_dot(terms, bias, own_of(shape))
    torch.testing.assert_close(terms.sum(0), before.sum(0) + bias)
    products = (before * bias).sum(-1).abs()
    torch.testing.assert_close(terms - before, (products / products.sum(0)).unsqueeze(-1) * bias)


def test_where_all_products_are_zero_the_token_itself_takes_the_bias():
    terms = torch.tensor([[[0.0, 0.0], [2.0, 0.0]], [[0.0, 3.0], [0.0, 0.0]]], dtype=torch.float64)[:, None]
    bias = torch.tensor([1.0, 0.0], dtype=torch.float64)
    own = torch.tensor([[True, False], [False, True]])[:, None]
    share_abs_dot(terms, bias, own)
    assert terms[:, 0, 0].tolist() == [[1.0, 0.0], [0.0, 3.0]]
    assert terms[:, 0, 1].tolist() == [[3.0, 0.0], [0.0, 0.0]]


@settings(deadline=None)
@given(shape=shapes, seed=seeds, scale=st.sampled_from((1.0, 0.5)))
def test_a_bias_that_waits_is_shared_among_the_terms_of_the_stream(shape, seed, scale):
    """An attention's bias is shared behind the residual addition, not before it."""
    stream, addend = shared_terms(shape, seed), shared_terms(shape, seed + 1, deferred=True)
    bias = drawn(seed + 2, shape[-1])
    expected = stream.dense() + scale * addend.dense()
    share_abs_dot(expected, scale * bias, own_of(shape))
    addend.add(BIAS, bias)
    torch.testing.assert_close(addend.sum(), drawn(seed + 1, *shape).sum(0) + bias)
    torch.testing.assert_close(addend.dense(), drawn(seed + 1, *shape))
    stream.add_terms(addend, scale)
    torch.testing.assert_close(stream.dense(), expected)


@settings(deadline=None)
@given(shape=shapes, seed=seeds)
def test_a_norm_settles_what_waits_and_shares_its_own_bias_at_once(shape, seed):
    terms, (bias, offset) = shared_terms(shape, seed, deferred=True), drawn(seed + 1, 2, shape[-1])
    expected = terms.dense().clone()
    share_abs_dot(expected, bias, own_of(shape))
    expected *= 0.5
    share_abs_dot(expected, offset, own_of(shape))
    terms.add(BIAS, bias)
    terms.normalise(torch.full((*shape[1:3], 1), 0.5, dtype=torch.float64), torch.ones(shape[-1], dtype=torch.float64))
    terms.add(BIAS, offset)
    torch.testing.assert_close(terms.dense(), expected)


def test_a_bias_among_labelled_vectors_is_shared_after_all_others_are_added():
    shape = (2, 1, 3, 4)
    terms, vectors = shared_terms(shape, 0), drawn(1, 2, *shape[1:])
    expected = terms.dense().clone()
    expected[1] += vectors[1]
    share_abs_dot(expected, vectors[0], own_of(shape))
    terms.add_terms(DenseTerms((BIAS, terms.components[1]), vectors))
    torch.testing.assert_close(terms.dense(), expected)


def test_a_copy_keeps_what_waits():
    terms = shared_terms((2, 1, 3, 4), 0, deferred=True)
    terms.add(BIAS, drawn(1, 4))
    copied = terms.copy()
    terms.add(BIAS, drawn(2, 4))
    torch.testing.assert_close(copied.sum(), drawn(0, 2, 1, 3, 4).sum(0) + drawn(1, 4))


def test_a_start_says_which_term_holds_a_token():
    labels = (Component("noun", "pos"), Component("verb", "pos"))
    start = TokenStart(labels, torch.tensor([[1, 0, -1]]), shared=True)
    terms = start.terms(torch.zeros(1, 3, 2, dtype=torch.float64))
    assert isinstance(terms, SharedTerms)
    terms.add(BIAS, torch.ones(2, dtype=torch.float64))
    assert terms.dense()[:, 0, :, 0].tolist() == [[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]]


@pytest.mark.parametrize("name", ["norm", "gram"])
def test_products_are_those_of_the_vectors(name):
    terms = shared_terms((3, 1, 2, 4), 0)
    dense = DenseTerms(terms.components, terms.dense())
    torch.testing.assert_close(getattr(terms, name)(), getattr(dense, name)())
    total = dense.sum()
    for one, other in ((terms.dot(total), dense.dot(total)), (terms.distance(total), dense.distance(total))):
        torch.testing.assert_close(one, other)
