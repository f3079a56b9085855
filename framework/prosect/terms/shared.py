"""`SharedTerms`: terms among which every bias is shared out as soon as it comes (DecompX's AbsDot)."""

from __future__ import annotations

from typing import Final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from prosect.model.weights import AttentionWeights
from prosect.terms.dense import DenseTerms
from prosect.terms.linearise import Linearised
from prosect.terms.terms import Reduction, Terms
from prosect.vocab.components import Component

# Bytes of the inner vectors of a feed-forward block that are held at a time.
CHUNK_BYTES: Final = 64 * 2**20


def share_abs_dot(
    terms: Float[Tensor, "component *token space"],
    bias: Float[Tensor, "*token space"] | Float[Tensor, " space"],
    own: Bool[Tensor, " component *token"],
) -> None:
    """Share a bias b out among terms, in place: t_k <- t_k + w_k b with w_k = |b.t_k| / sum_l |b.t_l|.

    Where all products are 0 there is nothing to go by, and the bias goes to the token's ``own`` term.

    Parameters
    ----------
    terms
        Vectors t_k, in any space.
    bias
        One vector per token, or one for all.
    own
        True at the term that holds the token itself; exactly one per token.
    """
    weights = shares(torch.einsum("k...d,...d->k...", terms, bias.expand(terms.shape[1:])), own)
    for place, weight in enumerate(weights):
        terms[place] += weight.unsqueeze(-1) * bias


def shares(
    products: Float[Tensor, " component *token"], own: Bool[Tensor, " component *token"]
) -> Float[Tensor, " component *token"]:
    """Shares of terms in a bias, from its dot products with them: w_k = |b.t_k| / sum_l |b.t_l|."""
    weights = products.abs()
    total = weights.sum(dim=0)
    return torch.where(total > 0, weights / torch.where(total > 0, total, 1.0), own.to(weights.dtype))


class SharedTerms:
    """Terms without a bias among them: what would be added to one is shared out by `share_abs_dot`.

    A bias is shared where it arises: among the vectors behind a norm, behind each affine map of a feed-forward block
    (in its inner space before the activation), and for an attention among those of the stream to which its output has
    been added, all as in the authors' code (Modarressi et al. 2023, section 3).

    Parameters
    ----------
    terms
        The terms.
    own
        True at the term that holds the token itself, shape (component, batch, token).
    deferred
        The bias waits until these terms are added to others, or pass a norm.
    """

    def __init__(self, terms: DenseTerms, own: Bool[Tensor, " component *token"], *, deferred: bool = False) -> None:
        self._terms, self._own, self._deferred = terms, own, deferred
        self._waiting: Tensor | None = None

    @property
    def components(self) -> tuple[Component, ...]:
        """Labels in the order of the ``component`` axis."""
        return self._terms.components

    def copy(self) -> SharedTerms:
        """Copy, so that one stream can be read in two ways."""
        copied = SharedTerms(self._terms.copy(), self._own, deferred=self._deferred)
        copied._waiting = self._waiting
        return copied

    def add(self, component: Component, vectors: Tensor) -> None:
        """Add vectors to one term; those of a label that is none of the terms are shared out among all."""
        if component in self.components:
            self._terms.add(component, vectors)
        elif self._deferred:
            self._waiting = vectors if self._waiting is None else self._waiting + vectors
        else:
            share_abs_dot(self._terms.dense(), vectors, self._own)

    def add_terms(self, other: Terms, scale: float = 1.0) -> None:
        """Add each term of ``other`` to the term of the same label, then share out the bias that came with it."""
        if isinstance(other, SharedTerms):
            self._terms.add_terms(other._terms, scale)
            if other._waiting is not None:
                share_abs_dot(self._terms.dense(), other._waiting * scale, self._own)
            return
        found = list(zip(other.components, other.dense(), strict=True))
        for component, vectors in sorted(found, key=lambda pair: pair[0] not in self.components):
            self.add(component, vectors * scale)

    def normalise(self, inverse: Float[Tensor, "*token 1"], gain: Float[Tensor, "*hidden"]) -> None:
        """Multiply every term by one number per token and one per coordinate."""
        self._settle()
        self._terms.normalise(inverse, gain)

    def centre(self) -> None:
        """Subtract from every term its own mean over ``hidden``."""
        self._settle()
        self._terms.centre()

    def times(self, factor: Tensor) -> None:
        """Multiply every term coordinate by coordinate."""
        self._settle()
        self._terms.times(factor)

    def rows(self, rows: Bool[Tensor, "batch token"]) -> SharedTerms:
        """Take some tokens, on one axis; the vectors are copied."""
        own = self._own[:, rows]
        return SharedTerms(DenseTerms(self.components, self._terms.dense()[:, rows]), own)

    @property
    def own(self) -> Bool[Tensor, " component *token"]:
        """True at the term that holds the token itself."""
        return self._own

    def mapped(self, weight: Float[Tensor, "hidden out"]) -> SharedTerms:
        """Send every term through the same linear map t W."""
        self._settle()
        return SharedTerms(self._terms.mapped(weight), self._own)

    def attended(
        self, alpha: Float[Tensor, "batch head token source"], weights: AttentionWeights, *, value_bias: bool
    ) -> SharedTerms:
        """Mix every term with the true attention weights; the output's bias waits for the residual addition."""
        return SharedTerms(self._terms.attended(alpha, weights, value_bias=value_bias), self._own, deferred=True)

    def fed_forward(self, lin: Linearised, bias: Component) -> SharedTerms:
        """Send every term through a feed-forward block made linear; each of its biases is shared out where it arises.

        ``bias`` plays no part.
        """
        del bias
        vectors = self._terms.dense()
        flat, own, lin = vectors.flatten(1, -2), self._own.flatten(1), lin.flat()
        out = torch.empty_like(flat)
        size = max(1, CHUNK_BYTES // max(1, 3 * len(flat) * lin.width * flat.element_size()))
        for start in range(0, flat.shape[1], size):
            some = slice(start, start + size)
            out[:, some] = _fed(flat[:, some], lin.tokens(some), own[:, some])
        return SharedTerms(self._terms.with_vectors(out.reshape(vectors.shape)), self._own)

    def sum(self) -> Float[Tensor, "*token hidden"]:
        """Sum of all terms."""
        total = self._terms.sum()
        return total if self._waiting is None else total + self._waiting

    def norm(self) -> Float[Tensor, " component *token"]:
        """Euclidean norm of every term."""
        return self._terms.norm()

    def dot(self, other: Float[Tensor, "*token hidden"]) -> Float[Tensor, " component *token"]:
        """Dot product of every term with one vector per token."""
        return self._terms.dot(other)

    def distance(self, other: Float[Tensor, "*token hidden"]) -> Float[Tensor, " component *token"]:
        """Euclidean distance of every term from one vector per token."""
        return self._terms.distance(other)

    def reduced(self, function: Reduction, other: Float[Tensor, "*token hidden"]) -> Float[Tensor, " component *token"]:
        """Reduce every vector with one vector per token."""
        return self._terms.reduced(function, other)

    def gram(self) -> Float[Tensor, "component component *token"]:
        """Dot products of the terms with each other."""
        return self._terms.gram()

    def dense(self) -> Float[Tensor, "component *token hidden"]:
        """Return the vectors themselves; not to be changed in place."""
        return self._terms.dense()

    def _settle(self) -> None:
        """Share out what waits; from here on nothing waits any more."""
        self._deferred = False
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            share_abs_dot(self._terms.dense(), waiting, self._own)


def _fed(
    terms: Float[Tensor, "component token hidden"], lin: Linearised, own: Bool[Tensor, "component token"]
) -> Float[Tensor, "component token hidden"]:
    """One share after each step: the inner maps, the constant that the slopes leave, the outer map."""
    inner = terms @ lin.weights.up.weight
    if lin.weights.up.bias is not None:
        share_abs_dot(inner, lin.weights.up.bias, own)
    inner *= lin.up
    if lin.gate is not None and lin.weights.gate is not None:
        gate = terms @ lin.weights.gate.weight
        if lin.weights.gate.bias is not None:
            share_abs_dot(gate, lin.weights.gate.bias, own)
        inner.addcmul_(gate, lin.gate)
    share_abs_dot(inner, lin.rest, own)
    out = inner @ lin.weights.down.weight
    if lin.weights.down.bias is not None:
        share_abs_dot(out, lin.weights.down.bias, own)
    return out
