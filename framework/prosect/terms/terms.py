"""`Terms`: labelled vectors which sum to a hidden state. What a metric may ask of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from prosect.vocab.components import Component

Reduction = Callable[[Tensor, Tensor], Tensor]


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

    def reduced(self, function: Reduction, other: Float[Tensor, "*token hidden"]) -> Float[Tensor, " component *token"]:
        """Reduce every vector with one vector per token: ``function(terms, other)`` drops the last axis of both."""
        ...

    def gram(self) -> Float[Tensor, "component component *token"]:
        """Dot products of the terms with each other."""
        ...

    def dense(self) -> Float[Tensor, "component *token hidden"]:
        """Return the vectors themselves; not to be changed in place."""
        ...


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
    def terms(self) -> Terms:
        """The terms themselves, for a metric that reads what only one kind of terms has."""
        return self._terms

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

    def reduced(self, function: Reduction, other: Float[Tensor, "*token hidden"]) -> Float[Tensor, " component *token"]:
        """Reduce the vectors of all terms, as few at a time as memory asks for."""
        return self._terms.reduced(function, other)

    def gram(self) -> Float[Tensor, "component component *token"]:
        """Dot products of the terms with each other."""
        return self._terms.gram()

    def dense(self) -> Float[Tensor, "component *token hidden"]:
        """Return the vectors themselves; not to be changed in place."""
        return self._terms.dense()
