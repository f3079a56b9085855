"""What single tokens give to one number, by one derivative of the replay instead of a term for every token.

With attention weights, deviations and slopes frozen, a replay is linear: what a number y read off the terms owes to
token k, whose term starts as x_k, is x_k . dy/dx_k, and b . dy/db for the value biases that it brings along. So all
tokens of a sentence are carried as one term, forwards, and one backward pass tells them apart (Modarressi et al. 2023
carry a term for each; the shares are the same).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from prosect.errors import RunError
from prosect.terms.dense import DenseTerms
from prosect.terms.start import Carried
from prosect.terms.terms import Reduction
from prosect.vocab.components import Component

TOGETHER = Component("tokens", "source")


@dataclass
class Leaves:
    """What derivatives are taken for.

    Attributes
    ----------
    states
        The states at which the terms of tokens start, shape (batch, source, hidden).
    gates
        1 for every source token: factors on the value biases that it brings along.
    """

    states: Float[Tensor, "batch source hidden"]
    gates: Float[Tensor, "batch source"]


@dataclass
class AdjointStart:
    """Carries all tokens as one term, and remembers where it started.

    Attributes
    ----------
    rest
        Labels beside the tokens.
    sources
        Number of source positions.
    own
        In ``cross``: the label of the decoder's own stream; None where the tokens are the stream's.
    leaves
        Where the tokens started; None until they have.
    """

    rest: tuple[Component, ...]
    sources: int
    own: Component | None = None
    leaves: Leaves | None = None

    def terms(self, state: Float[Tensor, "batch token hidden"]) -> Carried:
        """Put the stream's states under the label of all tokens, or of the decoder's own."""
        if self.own is None:
            return self._start(state)
        slots = torch.full(state.shape[:2], 1 + self.rest.index(self.own), device=state.device)
        vectors = state.new_zeros(1 + len(self.rest), *state.shape)
        vectors[slots[0, 0]] = state
        return DenseTerms((TOGETHER, *self.rest), vectors, slots=slots)

    def encoder(self, state: Float[Tensor, "batch source hidden"]) -> Carried:
        """Put the encoder's states under the label of all tokens."""
        return self._start(state)

    def read(self, terms: Carried) -> AdjointTerms:
        """Tell apart what was carried together."""
        if not isinstance(terms, DenseTerms):
            raise RunError("terms of single tokens can only be told apart where they were carried together")
        return AdjointTerms(terms, self.leaves, self.rest, self.sources)

    def _start(self, state: Tensor) -> DenseTerms:
        # Every block of a decoder reads the encoder's one state: it is one leaf.
        if self.leaves is None:
            gates = state.new_ones(state.shape[:2]).requires_grad_()
            self.leaves = Leaves(state.detach().requires_grad_(), gates)
        leaves = self.leaves
        vectors = state.new_zeros(1 + len(self.rest), *state.shape)
        vectors[0] = leaves.states
        slots = torch.zeros(state.shape[:2], dtype=torch.int64, device=state.device)
        return DenseTerms((TOGETHER, *self.rest), vectors, slots=slots, gates=leaves.gates)


class AdjointTerms:
    """Terms per source token of which only products at one token of each sentence can be had.

    Parameters
    ----------
    carried
        All tokens as one term, and the others beside it.
    leaves
        Where they started; None before the encoder's have been read.
    rest
        Labels beside the tokens.
    sources
        Number of source positions.
    """

    def __init__(self, carried: DenseTerms, leaves: Leaves | None, rest: tuple[Component, ...], sources: int) -> None:
        self._carried, self._leaves, self._rest, self._sources = carried, leaves, rest, sources

    @property
    def components(self) -> tuple[Component, ...]:
        """Labels: the source positions, then the others."""
        tokens = (Component(str(position), "source") for position in range(self._sources))
        return (*tokens, *self._rest)

    def without(self, number: int) -> AdjointTerms:
        """Leave out the last labels beside the tokens."""
        return AdjointTerms(self._carried, self._leaves, self._rest[: len(self._rest) - number], self._sources)

    def sum(self) -> Float[Tensor, "*token hidden"]:
        """Sum of all terms."""
        return self._carried.sum().detach()

    def dot(self, other: Float[Tensor, "batch token hidden"]) -> Float[Tensor, " component batch token"]:
        """Dot product of every term with one vector per token, all 0 but for one token of each sentence.

        Raises
        ------
        RunError
            Vectors of two tokens of a sentence are not 0: their products would be mixed up.
        """
        looked_at = other.any(dim=-1)
        if bool((looked_at.sum(dim=-1) > 1).any()):
            raise RunError("products at several tokens of a sentence take a backward pass each: carry every token")
        vectors = self._carried.dense()
        rest = torch.einsum("k...d,...d->k...", vectors[1 : 1 + len(self._rest)].detach(), other)
        return torch.cat([self._shares(other).T.unsqueeze(-1) * looked_at, rest])

    def _shares(self, other: Tensor) -> Float[Tensor, "batch source"]:
        """Tell what every source token gives to the sum of products of its sentence."""
        vectors, leaves = self._carried.dense(), self._leaves
        shares = other.new_zeros(len(other), self._sources)
        if leaves is None:
            return shares
        with torch.enable_grad():
            value = (vectors[0] * other).sum()
            states, gates = torch.autograd.grad(
                value, (leaves.states, leaves.gates), retain_graph=True, allow_unused=True
            )
        if states is not None:
            shares += (leaves.states.detach() * states).sum(dim=-1)
        return shares if gates is None else shares + gates

    def norm(self) -> Tensor:
        """Refuse: there are no vectors of single tokens."""
        raise self._refusal()

    def distance(self, other: Tensor) -> Tensor:
        """Refuse: there are no vectors of single tokens."""
        raise self._refusal()

    def reduced(self, function: Reduction, other: Tensor) -> Tensor:
        """Refuse: there are no vectors of single tokens."""
        raise self._refusal()

    def gram(self) -> Tensor:
        """Refuse: there are no vectors of single tokens."""
        raise self._refusal()

    def dense(self) -> Tensor:
        """Refuse: there are no vectors of single tokens."""
        raise self._refusal()

    def _refusal(self) -> RunError:
        return RunError("a metric that reads logits only has no vectors of single tokens")
