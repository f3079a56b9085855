"""`Terms`: labelled vectors which sum to a hidden state. What a metric may ask of them."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from prosect.vocab.components import Component


@runtime_checkable
class Terms(Protocol):
    """Labelled vectors t_k with sum_k t_k = h, for every token of a batch.

    Shapes: ``component`` counts the labels, ``*token`` stands for any axes of tokens, ``hidden`` is the
    width of the residual stream. A metric that asks only for `norm`, `dot`, `distance`, `gram` and `sum`
    works for terms that are kept factored too; `dense` always works, at the price of memory.
    """

    @property
    def components(self) -> tuple[Component, ...]:
        """Labels in the order of the ``component`` axis."""
        ...

    def sum(self) -> Float[Tensor, "*token hidden"]:
        """Sum of all terms."""
        ...

    def norm(self) -> Float[Tensor, " component *token"]:
        """Euclidean norm of every term."""
        ...

    def dot(self, other: Float[Tensor, "*token hidden"]) -> Float[Tensor, " component *token"]:
        """Dot product of every term with one vector per token."""
        ...

    def distance(self, other: Float[Tensor, "*token hidden"]) -> Float[Tensor, " component *token"]:
        """Euclidean distance of every term from one vector per token."""
        ...

    def gram(self) -> Float[Tensor, "component component *token"]:
        """Dot products of the terms with each other."""
        ...

    def dense(self) -> Float[Tensor, "component *token hidden"]:
        """Return the vectors themselves; not to be changed in place."""
        ...


class DenseTerms:
    """Terms held as one tensor (component, *token, hidden), changed in place by the replay.

    Parameters
    ----------
    components
        Labels in the order of the first axis.
    vectors
        The terms; zeros for labels under which nothing is booked yet.
    """

    def __init__(self, components: tuple[Component, ...], vectors: Float[Tensor, "component *token hidden"]) -> None:
        self._components = components
        self._vectors = vectors
        self._place = {component: place for place, component in enumerate(components)}

    @classmethod
    def zeros(cls, components: tuple[Component, ...], like: Float[Tensor, "*token hidden"]) -> DenseTerms:
        """Make terms that are all zero, for tokens and dtype as in ``like``."""
        return cls(components, like.new_zeros((len(components), *like.shape)))

    @property
    def components(self) -> tuple[Component, ...]:
        """Labels in the order of the ``component`` axis."""
        return self._components

    def copy(self) -> DenseTerms:
        """Copy, so that one stream can be read in two ways."""
        return DenseTerms(self._components, self._vectors.clone())

    def add(self, component: Component, vectors: Float[Tensor, "*token hidden"] | Float[Tensor, " hidden"]) -> None:
        """Add vectors (or one vector for all tokens) to one term."""
        self._vectors[self._place[component]] += vectors

    def add_terms(self, other: DenseTerms, scale: float = 1.0) -> None:
        """Add each term of ``other`` to the term of the same label."""
        for component, vectors in zip(other.components, other.dense(), strict=True):
            self._vectors[self._place[component]].add_(vectors, alpha=scale)

    def scale(self, factors: Float[Tensor, "*token hidden"]) -> None:
        """Multiply every term by the same factors, elementwise."""
        self._vectors *= factors

    def mapped(self, weight: Float[Tensor, "hidden out"]) -> DenseTerms:
        """Send every term through the same linear map t W."""
        return DenseTerms(self._components, self._vectors @ weight)

    def centre(self) -> None:
        """Subtract from every term its own mean over ``hidden``."""
        self._vectors -= self._vectors.mean(dim=-1, keepdim=True)

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

    def gram(self) -> Float[Tensor, "component component *token"]:
        """Dot products of the terms with each other."""
        return torch.einsum("k...d,l...d->kl...", self._vectors, self._vectors)

    def dense(self) -> Float[Tensor, "component *token hidden"]:
        """Return the vectors themselves; not to be changed in place."""
        return self._vectors


class Reading:
    """One layer's terms beside the true hidden state, each product computed once for all metrics.

    Satisfies `Terms`; `dot` with the total and `norm` are remembered, since most metrics need them.

    Parameters
    ----------
    terms
        The terms of a layer.
    total
        The true hidden state that they sum to, shape (*token, hidden).
    """

    def __init__(self, terms: Terms, total: Float[Tensor, "*token hidden"]) -> None:
        self._terms = terms
        self.total = total
        self._norm: Tensor | None = None
        self._dot_total: Tensor | None = None

    @property
    def components(self) -> tuple[Component, ...]:
        """Labels in the order of the ``component`` axis."""
        return self._terms.components

    def sum(self) -> Float[Tensor, "*token hidden"]:
        """Sum of all terms."""
        return self._terms.sum()

    def norm(self) -> Float[Tensor, " component *token"]:
        """Euclidean norm of every term."""
        if self._norm is None:
            self._norm = self._terms.norm()
        return self._norm

    def dot(self, other: Float[Tensor, "*token hidden"]) -> Float[Tensor, " component *token"]:
        """Dot product of every term with one vector per token."""
        if other is not self.total:
            return self._terms.dot(other)
        if self._dot_total is None:
            self._dot_total = self._terms.dot(other)
        return self._dot_total

    def distance(self, other: Float[Tensor, "*token hidden"]) -> Float[Tensor, " component *token"]:
        """Euclidean distance of every term from one vector per token."""
        return self._terms.distance(other)

    def gram(self) -> Float[Tensor, "component component *token"]:
        """Dot products of the terms with each other."""
        return self._terms.gram()

    def dense(self) -> Float[Tensor, "component *token hidden"]:
        """Return the vectors themselves; not to be changed in place."""
        return self._terms.dense()
