"""`Reading`: what a measure is given, the terms of one layer beside the true state and the tokens they belong to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from prosect.errors import UsageError
from prosect.model.head import HeadView
from prosect.model.tokens import TokenStream
from prosect.terms.onward import Onward
from prosect.terms.terms import Reduction, Terms
from prosect.terms.watched import SublayerView
from prosect.vocab.components import Component


@dataclass(frozen=True)
class TokenView:
    """The tokens that the axes ``*token`` of a reading stand for.

    Attributes
    ----------
    stream
        All tokens of the corpus, with their coordinates.
    index
        Place of each token on the flat axis of the stream, shape (*token,); -1 for padding.
    unit
        Range of the flat axis that the unit of work owns; None where it owns all tokens.
    """

    stream: TokenStream
    index: Int[Tensor, "*token"]
    unit: tuple[int, int] | None = None

    @property
    def own(self) -> Bool[Tensor, "*token"]:
        """Tokens that the unit owns, shape (*token,): those of a measure that counts every token once."""
        return self._within(self.index)

    @property
    def led(self) -> Bool[Tensor, "*token"]:
        """Tokens of the sentences whose first token the unit owns, for a measure that counts every sentence once."""
        offsets = torch.as_tensor(np.asarray(self.stream.offsets, dtype=np.int64), device=self.index.device)
        sentence = torch.searchsorted(offsets, self.index.contiguous(), right=True) - 1
        return self._within(offsets[sentence.clamp(min=0)]) & (self.index >= 0)

    def _within(self, places: Tensor) -> Tensor:
        start, stop = self.unit or (0, self.stream.tokens)
        return (places >= start) & (places < stop)

    def coordinate(self, name: str) -> npt.NDArray[Any]:
        """Values of a coordinate of the corpus (``token_id``, ``special``, an annotation), shape (*token,).

        What stands in places of padding has no meaning.

        Raises
        ------
        UsageError
            The corpus has no such coordinate.
        """
        if name not in self.stream.coordinates:
            known = ", ".join(sorted(self.stream.coordinates))
            raise UsageError(f"the corpus has no coordinate {name!r}; it has {known}")
        values: npt.NDArray[Any] = np.asarray(self.stream.coordinates[name])
        found: npt.NDArray[Any] = values[self.index.cpu().numpy()]
        return found


class Reading:
    """One layer's terms beside the true hidden state, each product computed once for all metrics.

    Satisfies `Terms`; `dot` with the total and `norm` are remembered, since most metrics need them.

    Parameters
    ----------
    terms
        The terms of a layer.
    total
        The true hidden state that they sum to, shape (*token, hidden).
    tokens
        The tokens; None where terms are measured by themselves.
    layer
        The layer; a block's number where a scope is read.
    head
        The model's own head, where the measure declared that it requires it.
    onward
        The rest of the block behind an attention, at the scope of that attention.
    gain
        At a scope: gain of the norm behind which it lies, or else before which; None away from any norm.
    sublayers
        What the sub-layers of the block read and wrote, where the measure declared that it requires it.
    """

    def __init__(  # noqa: PLR0913 - a measure may ask for any of these
        self,
        terms: Terms,
        total: Float[Tensor, "*token hidden"],
        tokens: TokenView | None = None,
        layer: int | None = None,
        head: HeadView | None = None,
        onward: Onward | None = None,
        *,
        gain: Float[Tensor, " hidden"] | None = None,
        sublayers: SublayerView | None = None,
    ) -> None:
        self._terms = terms
        self.total = total
        self.layer = layer
        self._tokens = tokens
        self._head = head
        self._onward = onward
        self.gain = gain
        self.sublayers = sublayers
        self._norm: Tensor | None = None
        self._dot_total: Tensor | None = None

    @property
    def tokens(self) -> TokenView:
        """The tokens; UsageError where terms are measured by themselves."""
        if self._tokens is None:
            raise UsageError("this metric asks for the tokens of a corpus, and there are none here")
        return self._tokens

    @property
    def real(self) -> Bool[Tensor, "*token"] | None:
        """Which of the axes ``*token`` are tokens and not padding; None where nothing is known of them."""
        return None if self._tokens is None else self._tokens.index >= 0

    @property
    def head(self) -> HeadView:
        """The model's own head: ``head.logits(states)`` for the hidden state or any sum of terms of this layer.

        Raises
        ------
        UsageError
            The metric's declaration does not say that it requires a head, or terms are measured by themselves.
        """
        if self._head is None:
            raise UsageError("this metric asks for the model's own head: its declaration must say requires={'head'}")
        return self._head

    @property
    def onward(self) -> Onward:
        """The rest of the block, to be run with another output of the attention; UsageError at any other scope."""
        if self._onward is None:
            raise UsageError("this metric runs a block on from its attention: use it with attention_norms")
        return self._onward

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
