"""What a replay starts from: the labels, and how the first state is put under them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from prosect.model.weights import AttentionWeights
from prosect.terms.dense import DenseTerms, source_terms
from prosect.terms.linearise import Linearised
from prosect.terms.shared import SharedTerms
from prosect.terms.terms import Terms
from prosect.vocab.architecture import Stream
from prosect.vocab.components import Component, Site
from prosect.vocab.rules import Rules, components


@runtime_checkable
class Carried(Terms, Protocol):
    """Terms that the replay can send through the steps of a network; `Terms` is what a metric sees of them."""

    def copy(self) -> Carried:
        """Copy, so that one stream can be read in two ways."""
        ...

    def add(self, component: Component, vectors: Tensor) -> None:
        """Add vectors (or one vector for all tokens) to one term, in place."""
        ...

    def add_terms(self, other: Carried, scale: float = 1.0) -> None:
        """Add each term of ``other`` to the term of the same label, in place."""
        ...

    def normalise(self, inverse: Tensor, gain: Tensor) -> None:
        """Multiply every term by one number per token and one per coordinate, in place."""
        ...

    def centre(self) -> None:
        """Subtract from every term its own mean over ``hidden``, in place."""
        ...

    def mapped(self, weight: Tensor) -> Carried:
        """Send every term through the same linear map."""
        ...

    def attended(self, alpha: Tensor, weights: AttentionWeights, *, value_bias: bool) -> Carried:
        """Mix every term with the true attention weights."""
        ...

    def fed_forward(self, lin: Linearised, bias: Component) -> Carried:
        """Send every term through a feed-forward block made linear; its constant part is booked under ``bias``."""
        ...


@runtime_checkable
class Start(Protocol):
    """Puts states under labels."""

    def terms(self, state: Float[Tensor, "*token hidden"]) -> Carried:
        """Make terms which sum to a state that is not taken apart any further."""
        ...

    def encoder(self, state: Float[Tensor, "batch source hidden"]) -> Carried:
        """Make terms of the encoder's last state, as cross-attention reads it."""
        ...


@dataclass(frozen=True)
class InputStart:
    """The state is one term, under the label of the input.

    Attributes
    ----------
    stream, rules
        Whose labels they are.
    """

    stream: Stream
    rules: Rules

    def terms(self, state: Float[Tensor, "*token hidden"]) -> Carried:
        """Make terms that are all zero but for the input."""
        terms = DenseTerms.zeros(components(self.stream, self.rules), state)
        terms.add(self.rules.book(Site("input")), state)
        return terms

    def encoder(self, state: Float[Tensor, "batch source hidden"]) -> Carried:
        """Put the encoder's state under the label of cross-attention."""
        terms = DenseTerms.zeros(components(self.stream, self.rules), state)
        terms.add(self.rules.book(Site("cross_attention")), state)
        return terms


@dataclass
class Held:
    """The last terms of a finished stream, held until the stream that reads them has ended.

    Attributes
    ----------
    terms
        The terms; None until the stream has ended.
    """

    terms: Carried | None = None

    def take(self, _layer: int, terms: Carried, _state: Tensor) -> None:
        """Hold terms, as the sink of a replay."""
        self.terms = terms


@dataclass(frozen=True)
class TokenStart:
    """Every token of the sentence, or group of them, is a term of its own.

    Attributes
    ----------
    labels
        Labels in the order of the ``component`` axis.
    slots
        Place of each token's label, shape (batch, position); -1 for tokens under none of these labels.
    partial
        These are some of the labels only; what is booked under others is left out.
    encoder_slots
        The same for the tokens of the encoder, where they have labels of their own.
    shared
        Biases are shared out among the terms; there is no label for them.
    held
        The encoder's own terms, where it has been taken apart: they are read instead.
    """

    labels: tuple[Component, ...]
    slots: Int[Tensor, "batch token"]
    partial: bool = False
    encoder_slots: Int[Tensor, "batch source"] | None = None
    shared: bool = False
    held: Held | None = None

    def terms(self, state: Float[Tensor, "batch token hidden"]) -> Carried:
        """Put every token's state under its own label."""
        return self._start(state, self.slots)

    def encoder(self, state: Float[Tensor, "batch source hidden"]) -> Carried:
        """Put the encoder's state at every source token under the label of that token; or return its own terms."""
        if self.held is not None and self.held.terms is not None:
            return self.held.terms
        if self.encoder_slots is None:
            raise RuntimeError("source tokens have no labels")
        return self._start(state, self.encoder_slots)

    def _start(self, state: Tensor, slots: Tensor) -> Carried:
        terms = source_terms(self.labels, state, slots, partial=self.partial)
        if not self.shared:
            return terms
        places = torch.arange(len(self.labels), device=slots.device)
        return SharedTerms(terms, slots.unsqueeze(0) == places[:, None, None])
