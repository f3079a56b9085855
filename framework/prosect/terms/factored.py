"""`FactoredTerms`: the terms of a token-by-token map, without the vectors of all pairs.

Within one block the part of source token j in token i is

    t_ij = r_i sum_h alpha_ij^h v_j^h M^h                                             (attention)
         + p_i ((theta_i * (r_i sum_h alpha_ij^h v_j^h M^h W_1)) W)     (what the feed-forward block made of it)
         + [i = j] D_i,

with alpha the true weights and theta the slopes. Every norm passed since goes into the matrix M (centring and gain), or
is applied to what the feed-forward block made when that is read, and into r and p (1 / s_i). What belongs to no token
is one vector per token and label.

Norms, dot products and sums of the attention part come from H x H Gram matrices: memory grows as n^2 H.
What does not factor is made dense for some sources and queries at a time, under a byte budget.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from prosect.errors import RunError
from prosect.model.weights import AttentionWeights
from prosect.terms.linearise import Linearised
from prosect.terms.pairs import Attended, Fed, attended, fed, mixed
from prosect.terms.terms import Reduction, Terms
from prosect.vocab.components import BIAS, Component

BUDGET: Final = 256 * 2**20
# A causal map is cut at least into that many ranges of queries, so that little is computed above its diagonal.
CAUSAL_CUTS: Final = 8


@dataclass
class FactoredTerms:
    """Terms per source token, kept factored; behind them stand labels of one vector per token, the bias last.

    Attributes
    ----------
    own_part
        D, shape (batch, token, hidden); None where sources are another sequence (cross-attention).
    rest
        Vectors of ``labels``, shape (label, batch, token, hidden).
    sources
        Number of source positions.
    labels
        What stands beside the source tokens: what cross-attention brings in; where the sources are the encoder's
        tokens, what a token holds of its own stream; always the bias, last.
    causal
        A token gets nothing from later ones.
    crossing
        The sources are another sequence, the encoder's.
    attended_part, fed
        The attention part and what the feed-forward block made of it, where they have been passed.
    budget
        Bytes that vectors of pairs may take at a time; behind a feed-forward block half of it is for what is kept of
        them from one reader to the next.
    """

    own_part: Float[Tensor, "batch token hidden"] | None
    rest: Float[Tensor, "label batch token hidden"]
    sources: int
    labels: tuple[Component, ...] = (BIAS,)
    causal: bool = False
    crossing: bool = False
    attended_part: Attended | None = None
    fed: Fed | None = None
    budget: int = BUDGET

    @property
    def components(self) -> tuple[Component, ...]:
        """Labels: the source positions, then what stands beside them."""
        return (*(Component(str(j), "source") for j in range(self.sources)), *self.labels)

    def copy(self) -> FactoredTerms:
        """Copy; the parts are never changed in place, so they can be shared."""
        return replace(self)

    def add(self, component: Component, vectors: Tensor) -> None:
        """Add vectors to a label beside the source tokens; nothing else can be added to."""
        if component not in self.labels:
            raise RunError(f"factored terms have no label {component.label!r} that can be added to")
        self.rest = self.rest.clone()
        self.rest[self.labels.index(component)] += vectors

    def add_terms(self, other: Terms, scale: float = 1.0) -> None:
        """Add terms of the same block: each part can be added once."""
        if not isinstance(other, FactoredTerms):
            for component, vectors in zip(other.components, other.dense(), strict=True):
                self.add(component, vectors * scale)
            return
        if (self.attended_part and other.attended_part) or (self.fed and other.fed):
            raise RunError("two attention or two feed-forward parts of one block do not stay factored")
        if other.attended_part is not None:
            self.attended_part = other.attended_part.scaled(scale)
        if other.fed is not None:
            self.fed = other.fed.scaled(scale)
        if self.own_part is not None and other.own_part is not None:
            self.own_part = self.own_part + other.own_part * scale
        self.rest = self.rest + other.rest * scale

    def normalise(self, inverse: Float[Tensor, "batch token 1"], gain: Float[Tensor, "*hidden"]) -> None:
        """Multiply every term by one number per token and one per coordinate."""
        factors = inverse * gain
        self.attended_part = None if self.attended_part is None else self.attended_part.normalised(inverse, gain)
        self.fed = None if self.fed is None else self.fed.normalised(inverse, gain)
        self.own_part = None if self.own_part is None else self.own_part * factors
        self.rest = self.rest * factors

    def centre(self) -> None:
        """Subtract from every term its own mean over ``hidden``."""
        self.attended_part = None if self.attended_part is None else self.attended_part.centred()
        self.fed = None if self.fed is None else self.fed.centred()
        own = self.own_part
        self.own_part = None if own is None else own - own.mean(dim=-1, keepdim=True)
        self.rest = self.rest - self.rest.mean(dim=-1, keepdim=True)

    def mapped(self, weight: Tensor) -> FactoredTerms:
        """Send every term through a linear map; only terms of single tokens can be."""
        return replace(self, own_part=self._untouched() @ weight, rest=self.rest @ weight)

    def attended(
        self, alpha: Float[Tensor, "batch head token source"], weights: AttentionWeights, *, value_bias: bool
    ) -> FactoredTerms:
        """Mix terms of single tokens with the true attention weights."""
        part = attended(self._untouched(), alpha, weights, value_bias=value_bias)
        rest = mixed(self.rest, alpha, weights)
        own = None if self.crossing else torch.zeros_like(rest[0])
        return replace(self, own_part=own, rest=rest, attended_part=part)

    def fed_forward(self, lin: Linearised, bias: Component) -> FactoredTerms:
        """Send every term through a feed-forward block made linear; its constant part is booked under ``bias``."""
        if self.fed is not None:
            raise RunError("two feed-forward blocks in a row do not stay factored")
        through = replace(
            self,
            own_part=None if self.own_part is None else lin.apply(self.own_part.unsqueeze(0))[0],
            rest=lin.apply(self.rest),
            attended_part=None,
            fed=None if self.attended_part is None else fed(self.attended_part, lin, self.budget // 2),
        )
        through.add(bias, lin.constant())
        return through

    def sum(self) -> Float[Tensor, "batch token hidden"]:
        """Sum of all terms."""
        return self.source_sum() + self.rest.sum(dim=0)

    def source_sum(self) -> Float[Tensor, "batch token hidden"]:
        """Sum over source tokens, without what stands beside them."""
        return sum((part.total() for part in self._parts), self._own_part())

    def own(self) -> Float[Tensor, "batch token hidden"]:
        """Return what a token keeps of itself: t_ii; across streams, the first label beside the sources."""
        if self.crossing:
            return self.rest[0]
        return sum((part.own() for part in self._parts), self._own_part())

    def mixed(self) -> Float[Tensor, "batch token hidden"]:
        """Sum what a token gets from all others."""
        return self.source_sum() if self.crossing else self.source_sum() - self.own()

    def norm(self) -> Float[Tensor, " component batch token"]:
        """Euclidean norm of every term."""
        rest = torch.linalg.vector_norm(self.rest, dim=-1)
        if self.fed is not None:
            return self._reduced(lambda pairs, _queries: torch.linalg.vector_norm(pairs, dim=-1), rest)
        pairs = self._factored(lambda part, queries, sources: part.squares(queries, sources).sqrt())
        return self._with_own(pairs, lambda own: torch.linalg.vector_norm(own, dim=-1), rest)

    def dot(self, other: Float[Tensor, "batch token hidden"]) -> Float[Tensor, " component batch token"]:
        """Dot product of every term with one vector per token."""
        rest = (self.rest * other).sum(dim=-1)
        if self.fed is not None:
            return self._reduced(lambda pairs, queries: (pairs * other[:, None, queries]).sum(dim=-1), rest)
        pairs = self._factored(lambda part, queries, sources: part.dots(other, queries, sources))
        return self._with_own(pairs, lambda own: (own * other).sum(dim=-1), rest)

    def distance(self, other: Float[Tensor, "batch token hidden"]) -> Float[Tensor, " component batch token"]:
        """Euclidean distance of every term from one vector per token."""
        return self.reduced(lambda pairs, states: torch.linalg.vector_norm(pairs - states, dim=-1), other)

    def reduced(
        self, function: Reduction, other: Float[Tensor, "batch token hidden"]
    ) -> Float[Tensor, " component batch token"]:
        """Reduce the vectors of all pairs, some at a time: ``function(pairs, states)`` drops the last axis."""
        rest = torch.stack([function(vectors, other) for vectors in self.rest])
        return self._reduced(lambda pairs, queries: function(pairs, other[:, None, queries]), rest)

    def by_pair(
        self,
        function: Callable[[Float[Tensor, "batch source query hidden"], slice], Tensor],
        *,
        width: int = 0,
    ) -> Float[Tensor, "batch token source"]:
        """Reduce the vectors of all pairs that can differ from 0, some at a time; 0 stands in all other places.

        Parameters
        ----------
        function
            ``(vectors, queries) -> values`` (batch, source, query); ``queries`` are the tokens that get them.
        width
            Numbers that the function itself holds for each pair.
        """
        pairs = self._over_pairs(function, width).transpose(1, 2)
        return pairs.tril() if self.causal else pairs

    def gram(self) -> Float[Tensor, "component component batch token"]:
        """Refuse: the products of all pairs of sources would take n^3 numbers."""
        raise RunError("the Gram matrix of a map is n x n x n numbers; it is not computed")

    def dense(self, queries: slice | None = None) -> Float[Tensor, " component batch query hidden"]:
        """Make the vectors of some queries, or of all."""
        queries = slice(0, self.rest.shape[2]) if queries is None else queries
        sources = slice(0, self.sources)
        pairs = self._pairs([part.vectors() for part in self._parts], queries, sources)
        return torch.cat([pairs.transpose(0, 1), self.rest[:, :, queries]])

    @property
    def _parts(self) -> tuple[Attended | Fed, ...]:
        return tuple(part for part in (self.attended_part, self.fed) if part is not None)

    def _own_part(self) -> Tensor:
        return torch.zeros_like(self.rest[0]) if self.own_part is None else self.own_part

    def _untouched(self) -> Tensor:
        if self.own_part is None or self._parts:
            raise RunError("attention over terms which are mixed already does not stay factored")
        return self.own_part

    def _zeros(self) -> Tensor:
        _, batch, tokens, _ = self.rest.shape
        return self.rest.new_zeros(batch, self.sources, tokens)

    def _factored(self, measure: Callable[[Attended, slice, slice], Tensor]) -> Tensor:
        """Measure pairs of the attention part, as few at a time as the budget asks for; (batch, source, token)."""
        out, part = self._zeros(), self.attended_part
        if part is None:
            return out
        heads, _, width = part.output.shape
        for queries, sources in self._blocks(2 * heads * width, 6 * heads):
            out[:, sources, queries] = measure(part, queries, sources)
        return out

    def _with_own(self, pairs: Tensor, measure: Callable[[Tensor], Tensor], rest: Tensor) -> Tensor:
        if self.own_part is not None:
            pairs.diagonal(dim1=-2, dim2=-1).copy_(measure(self.own()))
        return torch.cat([pairs.transpose(0, 1), rest])

    def _pairs(self, vectors: list[Tensor | tuple[Tensor, ...]], queries: slice, sources: slice) -> Tensor:
        """Make the vectors of some pairs, shape (batch, source, query, hidden)."""
        _, batch, _, hidden = self.rest.shape
        pairs: Tensor | None = None
        for part, given in zip(self._parts, vectors, strict=True):
            # Each part gets back what its own method made.
            more = part.pairs(given, queries, sources)  # type: ignore[arg-type]
            pairs = more if pairs is None else pairs.add_(more)
        if pairs is None:
            pairs = self.rest.new_zeros(batch, sources.stop - sources.start, queries.stop - queries.start, hidden)
        if self.own_part is not None:
            start = max(queries.start, sources.start)
            places = torch.arange(start, max(start, min(queries.stop, sources.stop)), device=pairs.device)
            pairs[:, places - sources.start, places - queries.start] += self.own_part[:, places]
        return pairs

    def _reduced(self, function: Callable[[Tensor, slice], Tensor], rest: Tensor) -> Tensor:
        pairs = self._over_pairs(function, 0)
        if self.causal:
            # What is never computed, above the diagonal, is what the function makes of nothing.
            _, batch, tokens, hidden = self.rest.shape
            nothing = function(self.rest.new_zeros(batch, 1, 1, hidden), slice(0, tokens)).expand_as(pairs)
            later = torch.ones(pairs.shape[1:], dtype=torch.bool, device=pairs.device).tril(-1)
            pairs = torch.where(later, nothing, pairs)
        return torch.cat([pairs.transpose(0, 1), rest])

    def _over_pairs(self, function: Callable[[Tensor, slice], Tensor], width: int) -> Tensor:
        """Reduce the vectors of pairs, shape (batch, source, token), as few at a time as the budget asks for."""
        out, hidden = self._zeros(), self.rest.shape[-1]
        inner = max((part.width for part in self._parts), default=0)
        heads = max((part.heads for part in self._parts), default=0)
        seen, given = slice(0, 0), list[Tensor | tuple[Tensor, ...]]()
        for queries, sources in self._blocks(heads * inner, 4 * hidden + inner + width):
            if sources != seen:
                seen, given = sources, [part.vectors(sources) for part in self._parts]
            out[:, sources, queries] = function(self._pairs(given, queries, sources), queries)
        return out

    def _blocks(self, per_source: int, per_pair: int) -> Iterator[tuple[slice, slice]]:
        """Cut the map into ranges of queries and sources, so that so many numbers for each stay within the budget."""
        _, batch, tokens, _ = self.rest.shape
        room = max(1, self.budget // (batch * self.rest.element_size()))
        if self.fed is not None:
            room //= 2  # the other half is for what it keeps
        # A quarter is for the vectors of single sources, most of the rest for those of pairs.
        width = min(self.sources, max(1, room // 4 // max(1, per_source)))
        height = max(1, min(tokens, 5 * room // 8 // (width * per_pair)))
        if self.causal:
            cut = max(1, -(-tokens // CAUSAL_CUTS))
            width, height = min(width, cut), min(height, cut)
        for start in range(0, self.sources, width):
            stop = min(self.sources, start + width)
            for first in range(start if self.causal else 0, tokens, height):
                yield slice(first, min(tokens, first + height)), slice(start, stop)


@dataclass(frozen=True)
class FactoredStart:
    """Starts maps: every token is its own label, within one block.

    Attributes
    ----------
    causal
        A token gets nothing from later ones.
    labels
        Labels beside the tokens.
    sources
        None for self-attention; for cross-attention the number of encoder positions, and the decoder's own stream
        stands under the first of ``labels``.
    budget
        Bytes that vectors of pairs may take at a time.
    """

    causal: bool
    labels: tuple[Component, ...] = (BIAS,)
    sources: int | None = None
    budget: int = BUDGET

    def terms(self, state: Float[Tensor, "batch token hidden"]) -> FactoredTerms:
        """Put every token's state under its own label; in cross-attention, all under one."""
        rest = state.new_zeros((len(self.labels), *state.shape))
        if self.sources is None:
            return FactoredTerms(state, rest, state.shape[1], self.labels, self.causal, budget=self.budget)
        rest[0] = state
        return FactoredTerms(None, rest, self.sources, self.labels, crossing=True, budget=self.budget)

    def encoder(self, state: Float[Tensor, "batch source hidden"]) -> FactoredTerms:
        """Put every source token's state under its own label."""
        rest = state.new_zeros((len(self.labels), *state.shape))
        return FactoredTerms(state, rest, state.shape[1], self.labels, crossing=True, budget=self.budget)
