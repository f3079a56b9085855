"""`MovedTerms`: what every attention head moved from every source token, without the vectors of all pairs.

A sub-layer that is a source enters the stream and is rescaled by norms only. Of one attention the part that head h
brought token i from token j is therefore, at any later point,

    t_ij^h = r_i alpha_ij^h (v_j^h W_O^h) A

with v_j^h the value without its bias, r_i the product of 1 / s_i of all norms passed since, and A what those norms do
to any vector (gains, and centring where every term is centred by its own mean). So A goes into the output projection,

    |t_ij^h| = |r_i alpha_ij^h| |v_j^h W_O^h A|,     t_ij^h . y_i = r_i alpha_ij^h (v_j^h . (y_i (W_O^h A)^T)),

and memory grows as n^2 H for every block passed; n^2 d numbers exist for one head and a few queries at a time, and
only where a metric asks for what does not factor.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from prosect.errors import RunError
from prosect.model.weights import AttentionWeights
from prosect.terms.dense import DenseTerms
from prosect.terms.passed import Passed
from prosect.terms.terms import Reduction, Terms
from prosect.vocab.architecture import Stream
from prosect.vocab.components import Component, Site
from prosect.vocab.rules import Rules, components, split_heads

BUDGET: Final = 256 * 2**20


@dataclass(frozen=True)
class Moved:
    """r_i alpha_ij^h (v_j^h W_O^h) A, of all heads of one attention.

    Attributes
    ----------
    labels
        Components of the heads.
    alpha
        Attention weights (batch, head, token, source).
    values
        v, shape (batch, source, head, head_dim); fewer heads where queries are grouped.
    output
        W_O, shape (head, head_dim, hidden).
    passed
        r and A.
    """

    labels: tuple[Component, ...]
    alpha: Float[Tensor, "batch head token source"]
    values: Float[Tensor, "batch source kv_head head_dim"]
    output: Float[Tensor, "head head_dim hidden"]
    passed: Passed

    @property
    def row(self) -> Float[Tensor, "batch token 1"]:
        """Return r."""
        return self.passed.row

    def projection(self) -> Float[Tensor, "head head_dim out"]:
        """W_O A."""
        return self.passed.mapped(self.output)

    def total(self) -> Float[Tensor, "batch token out"]:
        """Sum over heads and source tokens."""
        mixed = torch.einsum("bhij,bjhe->bihe", self.alpha, self._values())
        return torch.einsum("bihe,hed->bid", mixed, self.projection()) * self.row

    def norms(self) -> Float[Tensor, "batch head token source"]:
        """|t_ij^h|."""
        vectors = (vectors for _, vectors in self._vectors())
        lengths = torch.stack([torch.linalg.vector_norm(one, dim=-1) for one in vectors], dim=1)
        return self.alpha.abs() * lengths[:, :, None] * self.row.abs()[:, None]

    def dots(self, other: Float[Tensor, "batch token out"]) -> Float[Tensor, "batch head token source"]:
        """t_ij^h . y_i."""
        queries = torch.einsum("bid,hed->bihe", other, self.projection())
        return self.alpha * torch.einsum("bihe,bjhe->bhij", queries, self._values()) * self.row[:, None]

    def pairs(self, budget: int) -> Iterator[tuple[int, slice, Float[Tensor, "batch query source out"]]]:
        """Make the vectors themselves, head by head, for as many queries at a time as the budget allows."""
        tokens = self.row.shape[1]
        for head, vectors in self._vectors():
            size = max(1, budget // max(1, 2 * vectors.numel() * vectors.element_size()))
            for start in range(0, tokens, size):
                queries = slice(start, min(tokens, start + size))
                weights = (self.alpha[:, head, queries] * self.row[:, queries]).unsqueeze(-1)
                yield head, queries, weights * vectors[:, None]

    def passing(self, step: Callable[[Passed], Passed]) -> Moved:
        """Pass a step of the replay."""
        return replace(self, passed=step(self.passed))

    def _values(self) -> Float[Tensor, "batch source head head_dim"]:
        group = self.output.shape[0] // self.values.shape[2]
        return self.values.repeat_interleave(group, dim=2) if group > 1 else self.values

    def _vectors(self) -> Iterator[tuple[int, Float[Tensor, "batch source out"]]]:
        """Make v_j^h W_O^h A, head by head."""
        group = self.output.shape[0] // self.values.shape[2]
        for head, projection in enumerate(self.projection()):
            yield head, self.values[:, :, head // group] @ projection


@dataclass
class MovedTerms:
    """Terms of which those of attention heads are split by source token; the others are dense.

    Attributes
    ----------
    heads
        Labels of the heads that are split, of all blocks; each stands for ``sources`` terms.
    sources
        Number of source positions.
    rest
        Terms under all other labels; they come last.
    total
        Sum of what was moved, shape (batch, token, hidden), which passes every step beside its parts.
    parts
        What was moved so far, by attention.
    budget
        Bytes that vectors of pairs may take at a time.
    """

    heads: tuple[Component, ...]
    sources: int
    rest: DenseTerms
    total: Float[Tensor, "batch token hidden"]
    parts: tuple[Moved, ...] = ()
    budget: int = field(default=BUDGET, repr=False)

    @property
    def components(self) -> tuple[Component, ...]:
        """Labels: for every head its source positions, then all others."""
        pairs = (replace(head, label=f"{head.label}.{source}") for head in self.heads for source in range(self.sources))
        return (*pairs, *self.rest.components)

    def copy(self) -> MovedTerms:
        """Copy; the parts are never changed in place, so they can be shared."""
        return replace(self, rest=self.rest.copy())

    def add(self, component: Component, vectors: Tensor) -> None:
        """Add vectors to one of the terms that are not split."""
        self.rest.add(component, vectors)

    def add_terms(self, other: Terms, scale: float = 1.0) -> None:
        """Add terms; what another attention moved is put beside what is there."""
        if not isinstance(other, MovedTerms):
            self.rest.add_terms(other, scale)
            return
        self.rest.add_terms(other.rest, scale)
        self.parts = (*self.parts, *(part.passing(lambda passed: passed.scaled(scale)) for part in other.parts))
        self.total = self.total + other.total * scale

    def normalise(self, inverse: Float[Tensor, "batch token 1"], gain: Float[Tensor, "*hidden"]) -> None:
        """Multiply every term by one number per token and one per coordinate."""
        self.rest.normalise(inverse, gain)
        self.parts = tuple(part.passing(lambda passed: passed.normalised(inverse, gain)) for part in self.parts)
        self.total = self.total * (inverse * gain)

    def centre(self) -> None:
        """Subtract from every term its own mean over ``hidden``."""
        self.rest.centre()
        self.parts = tuple(part.passing(Passed.centred) for part in self.parts)
        self.total = self.total - self.total.mean(dim=-1, keepdim=True)

    def mapped(self, weight: Float[Tensor, "hidden out"]) -> MovedTerms:
        """Send every term through the same linear map."""
        parts = tuple(part.passing(lambda passed: passed.through(weight)) for part in self.parts)
        return replace(self, rest=self.rest.mapped(weight), parts=parts, total=self.total @ weight)

    def attended(self, *_arguments: object, **_keywords: object) -> MovedTerms:
        """Refuse: sub-layers are sources here."""
        raise RunError("terms that are split by source token pass norms only: 'attention' must be 'source'")

    def fed_forward(self, *_arguments: object) -> MovedTerms:
        """Refuse: sub-layers are sources here."""
        raise RunError("terms that are split by source token pass norms only: 'feed_forward' must be 'source'")

    def sum(self) -> Float[Tensor, "batch token hidden"]:
        """Sum of all terms."""
        return self.rest.sum() + self.total

    def norm(self) -> Float[Tensor, " component batch token"]:
        """Euclidean norm of every term."""
        return self._joined(Moved.norms, self.rest.norm())

    def dot(self, other: Float[Tensor, "batch token hidden"]) -> Float[Tensor, " component batch token"]:
        """Dot product of every term with one vector per token."""
        return self._joined(lambda part: part.dots(other), self.rest.dot(other))

    def distance(self, other: Float[Tensor, "batch token hidden"]) -> Float[Tensor, " component batch token"]:
        """Euclidean distance of every term from one vector per token."""
        return self.reduced(lambda terms, states: torch.linalg.vector_norm(terms - states, dim=-1), other)

    def reduced(
        self, function: Reduction, other: Float[Tensor, "batch token hidden"]
    ) -> Float[Tensor, " component batch token"]:
        """Reduce the vectors of all terms, a few queries of one head at a time: ``function`` drops the last axis."""
        nothing = function(torch.zeros_like(other), other)

        def reduce(part: Moved) -> Tensor:
            out = torch.empty_like(part.alpha)
            for head, queries, vectors in part.pairs(self.budget):
                out[:, head, queries] = function(vectors, other[:, queries, None])
            return out

        return self._joined(reduce, self.rest.reduced(function, other), nothing)

    def gram(self) -> Float[Tensor, "component component batch token"]:
        """Refuse: the products of all pairs of heads and sources would take (n H L)^2 numbers for every token."""
        raise RunError("the Gram matrix of heads split by source token is not computed; use by: head")

    def dense(self) -> Float[Tensor, " component batch token hidden"]:
        """Make the vectors of all terms."""
        batch, tokens, hidden = self.total.shape
        out = self.total.new_zeros(len(self.heads), self.sources, batch, tokens, hidden)
        for place, part in self._places():
            for head, queries, vectors in part.pairs(self.budget):
                out[place + head, :, :, queries] = vectors.movedim(2, 0)
        return torch.cat([out.flatten(0, 1), self.rest.dense()])

    def _joined(self, make: Callable[[Moved], Tensor], rest: Tensor, nothing: Tensor | None = None) -> Tensor:
        """Put what is made of every part in its place; heads that moved nothing yet get ``nothing``, or 0."""
        batch, tokens, _ = self.total.shape
        out = self.total.new_zeros(len(self.heads), self.sources, batch, tokens)
        if nothing is not None:
            out += nothing
        for place, part in self._places():
            out[place : place + len(part.labels)] = make(part).permute(1, 3, 0, 2)
        return torch.cat([out.flatten(0, 1), rest])

    def _places(self) -> Iterator[tuple[int, Moved]]:
        return ((self.heads.index(part.labels[0]), part) for part in self.parts)


def moved(
    labels: tuple[Component, ...],
    alpha: Float[Tensor, "batch head token source"],
    states: Float[Tensor, "batch source hidden"],
    weights: AttentionWeights,
    bias: Component,
) -> MovedTerms:
    """Split the unbiased output of an attention by head and source token.

    Parameters
    ----------
    labels
        Components of its heads.
    alpha
        Its weights.
    states
        What its value projection read.
    weights
        Its projections.
    bias
        Label of a term that is 0 yet.
    """
    shape = weights.shape
    values = (states @ weights.value.weight).reshape(*states.shape[:-1], shape.kv_heads, shape.head_dim)
    passed = Passed(torch.ones_like(alpha[:, 0, :, :1]))
    part = Moved(labels, alpha, values, weights.output_heads, passed)
    total = part.total()
    return MovedTerms(labels, alpha.shape[-1], DenseTerms.zeros((bias,), total), total, (part,))


@dataclass(frozen=True)
class MovedStart:
    """The state is one term, under the label of the input; heads will be split by source token.

    Attributes
    ----------
    stream, rules
        Whose labels they are.
    sources
        Number of source positions, where they are another sequence's.
    budget
        Bytes that vectors of pairs may take at a time.
    """

    stream: Stream
    rules: Rules
    sources: int | None = None
    budget: int = BUDGET

    def terms(self, state: Float[Tensor, "batch token hidden"]) -> MovedTerms:
        """Make terms that are all zero but for the input."""
        heads = split_heads(self.stream, self.rules)
        others = tuple(label for label in components(self.stream, self.rules) if label not in heads)
        rest = DenseTerms.zeros(others, state)
        rest.add(self.rules.book(Site("input")), state)
        sources = state.shape[1] if self.sources is None else self.sources
        return MovedTerms(heads, sources, rest, torch.zeros_like(state), budget=self.budget)

    def encoder(self, state: Float[Tensor, "batch source hidden"]) -> MovedTerms:
        """Refuse: cross-attention is a source here."""
        raise RunError("terms that are split by source token pass norms only: 'cross_attention' must be 'source'")
