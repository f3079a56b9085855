"""`DenseTerms`: terms held as one tensor, and the linear steps that the replay sends them through."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from prosect.model.weights import AttentionWeights
from prosect.terms.linearise import Linearised
from prosect.terms.terms import Reduction, Terms
from prosect.vocab.components import Component

# Bytes of the intermediate values that a step may hold beside the terms themselves.
CHUNK_BYTES: Final = 64 * 2**20


class DenseTerms:
    """Terms held as one tensor (component, *token, hidden), changed in place by the replay.

    Parameters
    ----------
    components
        Labels in the order of the first axis.
    vectors
        The terms; zeros for labels under which nothing is booked yet.
    partial
        These are some of the labels only: what is booked under others is left to their own replay.
    slots
        Where labels are tokens: the place of each token's label, -1 for tokens under none of these labels.
    gates
        A factor of 1 for each source token on the value bias that it brings along; derivatives are taken for it.
    """

    def __init__(
        self,
        components: tuple[Component, ...],
        vectors: Float[Tensor, "component *token hidden"],
        *,
        partial: bool = False,
        slots: Int[Tensor, "batch source"] | None = None,
        gates: Float[Tensor, "batch source"] | None = None,
    ) -> None:
        self._components = components
        self._vectors = vectors
        self._partial = partial
        self._slots, self._gates = slots, gates
        self._place = {component: place for place, component in enumerate(components)}

    @classmethod
    def zeros(
        cls, components: tuple[Component, ...], like: Float[Tensor, "*token hidden"], *, partial: bool = False
    ) -> DenseTerms:
        """Make terms that are all zero, for tokens and dtype as in ``like``."""
        return cls(components, like.new_zeros((len(components), *like.shape)), partial=partial)

    @property
    def components(self) -> tuple[Component, ...]:
        """Labels in the order of the ``component`` axis."""
        return self._components

    def copy(self) -> DenseTerms:
        """Copy, so that one stream can be read in two ways."""
        return self.with_vectors(self._vectors.clone())

    def add(self, component: Component, vectors: Float[Tensor, "*token hidden"] | Float[Tensor, " hidden"]) -> None:
        """Add vectors (or one vector for all tokens) to one term."""
        place = self._place.get(component)
        if place is not None:
            self._vectors[place] += vectors
        elif not self._partial:
            raise KeyError(component)

    def add_terms(self, other: Terms, scale: float = 1.0) -> None:
        """Add each term of ``other`` to the term of the same label."""
        if other.components == self._components:
            self._vectors.add_(other.dense(), alpha=scale)
            return
        for component, vectors in zip(other.components, other.dense(), strict=True):
            self.add(component, vectors if scale == 1.0 else vectors * scale)

    def normalise(self, inverse: Float[Tensor, "*token 1"], gain: Float[Tensor, "*hidden"]) -> None:
        """Multiply every term by one number per token and one per coordinate."""
        self._vectors *= inverse * gain

    def times(self, factor: Float[Tensor, "*token hidden"] | Float[Tensor, ""]) -> None:
        """Multiply every term coordinate by coordinate."""
        self._vectors *= factor

    def centre(self) -> None:
        """Subtract from every term its own mean over ``hidden``."""
        self._vectors -= self._vectors.mean(dim=-1, keepdim=True)

    def first(self, number: int) -> DenseTerms:
        """Take the first terms only; the vectors are shared, not copied."""
        if number == len(self._components):
            return self
        return DenseTerms(self._components[:number], self._vectors[:number], partial=True)

    def mapped(self, weight: Float[Tensor, "hidden out"]) -> DenseTerms:
        """Send every term through the same linear map t W."""
        return self.with_vectors(self._vectors @ weight)

    def attended(
        self, alpha: Float[Tensor, "batch head token source"], weights: AttentionWeights, *, value_bias: bool
    ) -> DenseTerms:
        """Mix every term with the true attention weights: sum_h alpha_h (t W_V^h) W_O^h.

        Terms have the axes (component, batch, source, hidden). With ``value_bias`` what b_V adds goes to the token
        it comes with: t_j += sum_h alpha_ij^h b_V^h W_O^h; otherwise no bias is added.
        """
        shape = weights.shape
        labels, batch, _, _ = self._vectors.shape
        out = self._vectors.new_empty(labels, batch, alpha.shape[2], weights.output.weight.shape[-1])
        for some in self._chunks(4 * shape.heads * shape.head_dim):
            out[some] = _mixed(self._vectors[some], alpha, weights) @ weights.output.weight
        if value_bias and weights.value_bias_share is not None and self._slots is not None:
            self._add_value_biases(out, alpha, weights.value_bias_share)
        return self.with_vectors(out)

    def _add_value_biases(
        self,
        out: Float[Tensor, "component batch token hidden"],
        alpha: Float[Tensor, "batch head token source"],
        share: Float[Tensor, "head hidden"],
    ) -> None:
        """Add what b_V brings along from every source token to the term of that token, some sources at a time."""
        if self._slots is None:
            return
        gated = alpha if self._gates is None else alpha * self._gates[:, None, None, :]
        size = max(1, CHUNK_BYTES // max(1, 2 * out[0].numel() * out.element_size()))
        for start in range(0, alpha.shape[-1], size):
            some = slice(start, start + size)
            brought = torch.einsum("bhij,hd->bjid", gated[..., some], share)
            slots = self._slots[:, some]
            row, source = torch.nonzero(slots >= 0, as_tuple=True)
            out.index_put_((slots[row, source], row), brought[row, source], accumulate=True)

    def fed_forward(self, lin: Linearised, bias: Component) -> DenseTerms:
        """Send every term through a feed-forward block made linear; its constant part is booked under ``bias``."""
        out = torch.empty_like(self._vectors)
        for some in self._chunks(3 * lin.width):
            out[some] = lin.apply(self._vectors[some])
        addend = self.with_vectors(out)
        addend.add(bias, lin.constant())
        return addend

    def sum(self) -> Float[Tensor, "*token hidden"]:
        """Sum of all terms."""
        return self._vectors.sum(dim=0)

    def norm(self) -> Float[Tensor, " component *token"]:
        """Euclidean norm of every term."""
        norms: Tensor = torch.linalg.vector_norm(self._vectors, dim=-1)
        return norms

    def dot(self, other: Float[Tensor, "*token hidden"]) -> Float[Tensor, " component *token"]:
        """Dot product of every term with one vector per token."""
        return torch.einsum("k...d,...d->k...", self._vectors, other)

    def distance(self, other: Float[Tensor, "*token hidden"]) -> Float[Tensor, " component *token"]:
        """Euclidean distance of every term from one vector per token."""
        return torch.stack([torch.linalg.vector_norm(term - other, dim=-1) for term in self._vectors])

    def reduced(self, function: Reduction, other: Float[Tensor, "*token hidden"]) -> Float[Tensor, " component *token"]:
        """Reduce every vector with one vector per token: ``function(terms, other)`` drops the last axis of both."""
        return torch.stack([function(term, other) for term in self._vectors])

    def gram(self) -> Float[Tensor, "component component *token"]:
        """Dot products of the terms with each other."""
        return torch.einsum("k...d,l...d->kl...", self._vectors, self._vectors)

    def dense(self) -> Float[Tensor, "component *token hidden"]:
        """Return the vectors themselves; not to be changed in place."""
        return self._vectors

    def with_vectors(self, vectors: Float[Tensor, "component *token hidden"]) -> DenseTerms:
        """Make terms of other vectors under the same labels."""
        return DenseTerms(self._components, vectors, partial=self._partial, slots=self._slots, gates=self._gates)

    def _chunks(self, width: int) -> Iterator[slice]:
        """Cut the labels so that ``width`` numbers per token and label stay within the budget."""
        tokens = self._vectors[0].numel() // self._vectors.shape[-1]
        size = max(1, CHUNK_BYTES // max(1, tokens * width * self._vectors.element_size()))
        for start in range(0, len(self._vectors), size):
            yield slice(start, start + size)


def _mixed(
    vectors: Float[Tensor, "component batch source hidden"],
    alpha: Float[Tensor, "batch head token source"],
    weights: AttentionWeights,
) -> Float[Tensor, "component batch token values"]:
    """Mix the heads' values of every term: what the output projection reads."""
    shape = weights.shape
    values = vectors @ weights.value.weight
    values = values.reshape(*values.shape[:-1], shape.kv_heads, shape.head_dim)
    if shape.heads > shape.kv_heads:
        values = values.repeat_interleave(shape.heads // shape.kv_heads, dim=-2)
    return torch.einsum("bhij,kbjhe->kbihe", alpha, values).flatten(-2)


def source_terms(
    components: tuple[Component, ...],
    vectors: Float[Tensor, "batch token hidden"],
    slots: Int[Tensor, "batch token"],
    *,
    partial: bool = False,
) -> DenseTerms:
    """Start with every token under its own label, or that of its group.

    Parameters
    ----------
    components
        Labels.
    vectors
        The states from which the replay starts.
    slots
        For each token the place of its label; -1 for a token under none of these labels.
    partial
        As for `DenseTerms`.
    """
    terms = vectors.new_zeros((len(components), *vectors.shape))
    batch, token = torch.nonzero(slots >= 0, as_tuple=True)
    terms[slots[batch, token], batch, token] = vectors[batch, token]
    return DenseTerms(components, terms, partial=partial, slots=slots)
