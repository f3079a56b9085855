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
