"""The algebra of terms."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import layer_norm

from prosect.api import Component
from prosect.model.weights import NormWeights
from prosect.terms.dense import DenseTerms
from prosect.terms.norms import through_norm
from prosect.terms.reading import Reading
from prosect.terms.terms import Terms
from prosect.vocab.architecture import Norm

shapes = st.tuples(st.integers(1, 5), st.integers(1, 4), st.integers(2, 9))
seeds = st.integers(0, 2**31 - 1)


def random_terms(shape, seed) -> DenseTerms:
    generator = torch.Generator().manual_seed(seed)
    labels = tuple(Component(f"t{place}", "t") for place in range(shape[0]))
    return DenseTerms(labels, torch.randn(shape, generator=generator, dtype=torch.float64))


def norm_weights(kind, hidden, seed, *, bias=True) -> NormWeights:
    generator = torch.Generator().manual_seed(seed)
    gain = torch.randn(hidden, generator=generator, dtype=torch.float64)
    offset = torch.randn(hidden, generator=generator, dtype=torch.float64) if bias else None
    return NormWeights(Norm(path="norm", kind=kind, eps=1e-3), gain, offset)


@settings(deadline=None)
@given(shape=shapes, seed=seeds)
def test_norms_dots_and_distances_are_those_of_the_vectors(shape, seed):
    terms = random_terms(shape, seed)
    total = terms.sum()
    vectors = terms.dense()
    torch.testing.assert_close(total, vectors.sum(0))
    torch.testing.assert_close(terms.norm(), (vectors**2).sum(-1).sqrt())
    torch.testing.assert_close(terms.dot(total), (vectors * total).sum(-1))
    torch.testing.assert_close(terms.distance(total), ((vectors - total) ** 2).sum(-1).sqrt())
    assert isinstance(terms, Terms)


@settings(deadline=None)
@given(shape=shapes, seed=seeds)
def test_the_gram_matrix_is_symmetric_and_sums_to_the_squared_norm_of_the_total(shape, seed):
    terms = random_terms(shape, seed)
    gram = terms.gram()
    torch.testing.assert_close(gram, gram.transpose(0, 1))
    torch.testing.assert_close(gram.sum((0, 1)), terms.sum().square().sum(-1))
    torch.testing.assert_close(gram.diagonal().movedim(-1, 0), terms.norm() ** 2)


@settings(deadline=None)
@given(shape=shapes, seed=seeds, own_mean=st.booleans(), kind=st.sampled_from(["layer_norm", "rms_norm"]))
def test_terms_through_a_norm_sum_to_the_norm_of_their_sum(shape, seed, own_mean, kind):
    terms, weights = random_terms(shape, seed), norm_weights(kind, shape[-1], seed)
    y = terms.sum()
    through_norm(terms, weights, y, terms.components[0], own_mean=own_mean)
    if kind == "layer_norm":
        expected = layer_norm(y, (shape[-1],), weights.gain, weights.bias, weights.shape.eps)
    else:
        expected = y / (y.square().mean(-1, keepdim=True) + weights.shape.eps).sqrt() * weights.gain + weights.bias
    torch.testing.assert_close(terms.sum(), expected, rtol=1e-9, atol=1e-9)


@settings(deadline=None)
@given(shape=shapes, seed=seeds, factor=st.floats(-3, 3))
def test_a_norm_is_linear_in_the_terms_once_its_statistics_are_frozen(shape, seed, factor):
    weights = norm_weights("layer_norm", shape[-1], seed, bias=False)
    one, other = random_terms(shape, seed), random_terms(shape, seed + 1)
    y = torch.randn(shape[1:], generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    mixed = DenseTerms(one.components, one.dense() + factor * other.dense())
    for terms in (one, other, mixed):
        through_norm(terms, weights, y, terms.components[0], own_mean=True)
    torch.testing.assert_close(mixed.dense(), one.dense() + factor * other.dense(), rtol=1e-8, atol=1e-8)


def test_a_copy_does_not_change_with_its_original():
    terms = random_terms((2, 3, 4), 0)
    before = terms.copy()
    terms.add(terms.components[1], torch.ones(4, dtype=torch.float64))
    assert not torch.equal(before.dense(), terms.dense())
    assert torch.equal(before.dense()[0], terms.dense()[0])


def test_terms_of_another_set_of_labels_are_added_by_label():
    terms, addend = random_terms((3, 2, 4), 0), random_terms((3, 2, 4), 1)
    shuffled = DenseTerms(addend.components[::-1], addend.dense().flip(0))
    expected = terms.dense() + 2 * addend.dense()
    terms.add_terms(shuffled, scale=2.0)
    torch.testing.assert_close(terms.dense(), expected)


class Counting(DenseTerms):
    """Counts how often its products are asked for."""

    calls = 0

    def dot(self, other):
        type(self).calls += 1
        return super().dot(other)


def test_a_reading_computes_the_product_with_the_total_once():
    terms = random_terms((2, 3, 4), 0)
    counting = Counting(terms.components, terms.dense())
    reading = Reading(counting, terms.sum())
    first, second = reading.dot(reading.total), reading.dot(reading.total)
    other = reading.dot(terms.dense()[0])
    assert first is second
    assert Counting.calls == 2
    torch.testing.assert_close(other, terms.dot(terms.dense()[0]))
