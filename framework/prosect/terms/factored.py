"""`FactoredTerms`: the terms of a token-by-token map, without the vectors of all pairs.

Within one block the part of source token j in token i is

    t_ij = r_i sum_h alpha_ij^h F_j^h                                             (attention)
         + p_i ((theta_i * (r_i sum_h alpha_ij^h P_j^h)) W)     (what the feed-forward block made of it)
         + [i = j] D_i,

with alpha the true weights and theta the slopes. Every norm passed since goes into the vectors F and the matrix W
(centring and gain) and into r and p (1 / s_i). What belongs to no token is one vector per token, under the bias.

Norms, dot products and sums of the attention part come from H x H Gram matrices: memory grows as n^2 H.
What does not factor is made dense for a few queries at a time, under a byte budget.
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
from prosect.terms.terms import Reduction, Terms
from prosect.vocab.components import BIAS, Component

BUDGET: Final = 256 * 2**20


@dataclass(frozen=True)
class Attended:
    """r_i sum_h alpha_ij^h F_j^h.

    Attributes
    ----------
    alpha
        Attention weights (batch, head, token, source).
    values
        F, shape (batch, source, head, hidden).
    row
        r, shape (batch, token, 1).
    """

    alpha: Float[Tensor, "batch head token source"]
    values: Float[Tensor, "batch source head hidden"]
    row: Float[Tensor, "batch token 1"]

    def pairs(self, queries: slice, sources: int) -> Float[Tensor, "batch query source hidden"]:
        """Make the vectors of some queries, for the first ``sources`` sources."""
        alpha = self.alpha[:, :, queries, :sources]
        mixed = torch.einsum("bhij,bjhd->bijd", alpha, self.values[:, :sources])
        return mixed * self.row[:, queries, :, None]

    def own(self) -> Float[Tensor, "batch token hidden"]:
        """Make t_ii."""
        diagonal = self.alpha.diagonal(dim1=-2, dim2=-1)
        return torch.einsum("bhi,bihd->bid", diagonal, self.values) * self.row

    def total(self) -> Float[Tensor, "batch token hidden"]:
        """Sum over sources."""
        return torch.einsum("bhij,bjhd->bid", self.alpha, self.values) * self.row

    def squares(self) -> Float[Tensor, "batch token source"]:
        """|t_ij|^2 from the Gram matrices F_j F_j^T, in float64 against cancellation."""
        gram = torch.einsum("bjhd,bjgd->bjhg", self.values.double(), self.values.double())
        weights = self.alpha.double().permute(0, 3, 2, 1)
        products = ((weights @ gram) * weights).sum(dim=-1).clamp(min=0)
        return (products.transpose(1, 2) * self.row.double() ** 2).to(self.row.dtype)

    def dots(self, other: Float[Tensor, "batch token hidden"]) -> Float[Tensor, "batch token source"]:
        """t_ij . y_i."""
        products = torch.einsum("bid,bjhd->bhij", other, self.values)
        return (self.alpha * products).sum(dim=1) * self.row

    def normalised(self, inverse: Tensor, gain: Tensor) -> Attended:
        """Pass a norm's scales."""
        return replace(self, values=self.values * gain, row=self.row * inverse)

    def centred(self) -> Attended:
        """Subtract each term's mean."""
        return replace(self, values=self.values - self.values.mean(dim=-1, keepdim=True))

    def scaled(self, factor: float) -> Attended:
        """Multiply by a number."""
        return self if factor == 1.0 else replace(self, row=self.row * factor)


@dataclass(frozen=True)
class Fed:
    """p_i (theta_i * (r_i sum_h alpha_ij^h P_j^h)) W, and the same for a gate's slope.

    Attributes
    ----------
    inner
        The attention part before the feed-forward block, its values already sent through the first map (and the
        gate's, one after the other).
    slopes
        theta for each of them, shape (batch, token, inner).
    down
        W, shape (inner, hidden).
    row
        p, shape (batch, token, 1).
    """

    inner: tuple[Attended, ...]
    slopes: tuple[Float[Tensor, "batch token inner"], ...]
    down: Float[Tensor, "inner hidden"]
    row: Float[Tensor, "batch token 1"]

    def pairs(self, queries: slice, sources: int) -> Float[Tensor, "batch query source hidden"]:
        """Make the vectors of some queries, for the first ``sources`` sources."""
        mixed = self._mix(lambda part: part.pairs(queries, sources), lambda slope: slope[:, queries, None])
        return (mixed @ self.down) * self.row[:, queries, :, None]

    def own(self) -> Float[Tensor, "batch token hidden"]:
        """Make t_ii."""
        return (self._mix(Attended.own, lambda slope: slope) @ self.down) * self.row

    def total(self) -> Float[Tensor, "batch token hidden"]:
        """Sum over sources."""
        return (self._mix(Attended.total, lambda slope: slope) @ self.down) * self.row

    def normalised(self, inverse: Tensor, gain: Tensor) -> Fed:
        """Pass a norm's scales."""
        return replace(self, down=self.down * gain, row=self.row * inverse)

    def centred(self) -> Fed:
        """Subtract each term's mean."""
        return replace(self, down=self.down - self.down.mean(dim=-1, keepdim=True))

    def scaled(self, factor: float) -> Fed:
        """Multiply by a number."""
        return self if factor == 1.0 else replace(self, row=self.row * factor)

    def _mix(self, make: Callable[[Attended], Tensor], cut: Callable[[Tensor], Tensor]) -> Tensor:
        parts = [make(part) * cut(slope) for part, slope in zip(self.inner, self.slopes, strict=True)]
        return parts[0] if len(parts) == 1 else parts[0] + parts[1]


@dataclass
class FactoredTerms:
    """Terms per source token, kept factored; the last label is the bias.

    Attributes
    ----------
    own_part
        D, shape (batch, token, hidden); None where sources are another sequence (cross-attention).
    bias
        What belongs to no token, shape (batch, token, hidden).
    sources
        Number of source positions.
    causal
        A token gets nothing from later ones.
    attended, fed
        The attention part and what the feed-forward block made of it, where they have been passed.
    budget
        Bytes that vectors of pairs may take at a time.
    """

    own_part: Float[Tensor, "batch token hidden"] | None
    bias: Float[Tensor, "batch token hidden"]
    sources: int
    causal: bool = False
    attended_part: Attended | None = None
    fed: Fed | None = None
    budget: int = BUDGET

    @property
    def components(self) -> tuple[Component, ...]:
        """Labels: the source positions, then the bias."""
        return (*(Component(str(j), "source") for j in range(self.sources)), BIAS)

    def copy(self) -> FactoredTerms:
        """Copy; the parts are never changed in place, so they can be shared."""
        return replace(self)

    def add(self, component: Component, vectors: Tensor) -> None:
        """Add vectors to the bias; nothing else can be added to."""
        if component != BIAS:
            raise RunError(f"factored terms have no label {component.label!r}: only the bias can be added to")
        self.bias = self.bias + vectors

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
        if other.own_part is not None:
            self.own_part = other.own_part * scale if self.own_part is None else self.own_part + other.own_part * scale
        self.bias = self.bias + other.bias * scale

    def normalise(self, inverse: Float[Tensor, "batch token 1"], gain: Float[Tensor, "*hidden"]) -> None:
        """Multiply every term by one number per token and one per coordinate."""
        factors = inverse * gain
        self.attended_part = None if self.attended_part is None else self.attended_part.normalised(inverse, gain)
        self.fed = None if self.fed is None else self.fed.normalised(inverse, gain)
        self.own_part = None if self.own_part is None else self.own_part * factors
        self.bias = self.bias * factors

    def centre(self) -> None:
        """Subtract from every term its own mean over ``hidden``."""
        self.attended_part = None if self.attended_part is None else self.attended_part.centred()
        self.fed = None if self.fed is None else self.fed.centred()
        own = self.own_part
        self.own_part = None if own is None else own - own.mean(dim=-1, keepdim=True)
        self.bias = self.bias - self.bias.mean(dim=-1, keepdim=True)

    def mapped(self, weight: Tensor) -> FactoredTerms:
        """Send every term through a linear map; only terms of single tokens can be."""
        own = self._untouched()
        return replace(self, own_part=own @ weight, bias=self.bias @ weight)

    def attended(
        self, alpha: Float[Tensor, "batch head token source"], weights: AttentionWeights, *, value_bias: bool
    ) -> FactoredTerms:
        """Mix terms of single tokens with the true attention weights."""
        own = self._untouched()
        values = _values(own, weights, value_bias=value_bias)
        mixed = torch.einsum("bhij,bjhd->bid", alpha, _values(self.bias, weights, value_bias=False))
        row = torch.ones_like(mixed[..., :1])
        return replace(
            self,
            own_part=None if alpha.shape[-1] != alpha.shape[-2] else torch.zeros_like(mixed),
            bias=mixed,
            attended_part=Attended(alpha, values, row),
        )

    def fed_forward(self, lin: Linearised, bias: Component) -> FactoredTerms:
        """Send every term through a feed-forward block made linear; its constant part is booked under ``bias``."""
        if self.fed is not None:
            raise RunError("two feed-forward blocks in a row do not stay factored")
        fed = replace(
            self,
            own_part=None if self.own_part is None else lin.apply(self.own_part.unsqueeze(0))[0],
            bias=lin.apply(self.bias.unsqueeze(0))[0],
            attended_part=None,
            fed=None if self.attended_part is None else _fed(self.attended_part, lin),
        )
        fed.add(bias, lin.constant())
        return fed

    def sum(self) -> Float[Tensor, "batch token hidden"]:
        """Sum of all terms."""
        return self.source_sum() + self.bias

    def source_sum(self) -> Float[Tensor, "batch token hidden"]:
        """Sum over source tokens, without the bias."""
        parts = [part.total() for part in (self.attended_part, self.fed) if part is not None]
        return sum(parts, torch.zeros_like(self.bias) if self.own_part is None else self.own_part)

    def own(self) -> Float[Tensor, "batch token hidden"]:
        """t_ii: what a token keeps of itself."""
        parts = [part.own() for part in (self.attended_part, self.fed) if part is not None]
        return sum(parts, torch.zeros_like(self.bias) if self.own_part is None else self.own_part)

    def norm(self) -> Float[Tensor, " component batch token"]:
        """Euclidean norm of every term."""
        if self.fed is not None:
            return self._reduced(
                lambda pairs, _queries: torch.linalg.vector_norm(pairs, dim=-1), self.bias.norm(dim=-1)
            )
        squares = self._zeros() if self.attended_part is None else self.attended_part.squares()
        return self._with_own(squares.sqrt(), self.own().norm(dim=-1), self.bias.norm(dim=-1))

    def dot(self, other: Float[Tensor, "batch token hidden"]) -> Float[Tensor, " component batch token"]:
        """Dot product of every term with one vector per token."""
        bias = (self.bias * other).sum(dim=-1)
        if self.fed is not None:
            return self._reduced(lambda pairs, queries: (pairs * other[:, queries, None]).sum(dim=-1), bias)
        products = self._zeros() if self.attended_part is None else self.attended_part.dots(other)
        return self._with_own(products, (self.own() * other).sum(dim=-1), bias)

    def distance(self, other: Float[Tensor, "batch token hidden"]) -> Float[Tensor, " component batch token"]:
        """Euclidean distance of every term from one vector per token."""
        return self.reduced(lambda pairs, states: torch.linalg.vector_norm(pairs - states, dim=-1), other)

    def reduced(
        self, function: Reduction, other: Float[Tensor, "batch token hidden"]
    ) -> Float[Tensor, " component batch token"]:
        """Reduce the vectors of all pairs, a few queries at a time: ``function(pairs, states)`` drops the last axis."""
        bias = function(self.bias[:, :, None], other[:, :, None])[..., 0]
        return self._reduced(lambda pairs, queries: function(pairs, other[:, queries, None]), bias)

    def gram(self) -> Float[Tensor, "component component batch token"]:
        """Refuse: the products of all pairs of sources would take n^3 numbers."""
        raise RunError("the Gram matrix of a map is n x n x n numbers; it is not computed")

    def dense(self, queries: slice | None = None) -> Float[Tensor, " component batch query hidden"]:
        """Make the vectors of some queries, or of all."""
        queries = slice(0, self.bias.shape[1]) if queries is None else queries
        pairs = self._pairs(queries, self.sources)
        return torch.cat([pairs.permute(2, 0, 1, 3), self.bias[:, queries].unsqueeze(0)])

    def _untouched(self) -> Tensor:
        if self.own_part is None or self.attended_part is not None or self.fed is not None:
            raise RunError("attention over terms which are mixed already does not stay factored")
        return self.own_part

    def _zeros(self) -> Tensor:
        batch, tokens, _ = self.bias.shape
        return self.bias.new_zeros(batch, tokens, self.sources)

    def _with_own(self, pairs: Tensor, own: Tensor, bias: Tensor) -> Tensor:
        if self.own_part is not None:
            pairs.diagonal(dim1=-2, dim2=-1).copy_(own)
        return torch.cat([pairs.permute(2, 0, 1), bias.unsqueeze(0)])

    def _pairs(self, queries: slice, sources: int) -> Tensor:
        found = [part.pairs(queries, sources) for part in (self.attended_part, self.fed) if part is not None]
        batch, _, hidden = self.bias.shape
        pairs = found[0] if found else self.bias.new_zeros(batch, queries.stop - queries.start, sources, hidden)
        for more in found[1:]:
            pairs = pairs + more
        if self.own_part is not None:
            places = torch.arange(queries.start, queries.stop, device=pairs.device)
            pairs[:, places - queries.start, places] += self.own_part[:, queries]
        return pairs

    def _reduced(self, function: Callable[[Tensor, slice], Tensor], bias: Tensor) -> Tensor:
        out = self._zeros()
        for queries in self._query_chunks():
            sources = queries.stop if self.causal and self.own_part is not None else self.sources
            out[:, queries, :sources] = function(self._pairs(queries, sources), queries)
            if sources < self.sources:
                nothing = self.bias.new_zeros(len(out), queries.stop - queries.start, 1, self.bias.shape[-1])
                out[:, queries, sources:] = function(nothing, queries)
        return torch.cat([out.permute(2, 0, 1), bias.unsqueeze(0)])

    def _query_chunks(self) -> Iterator[slice]:
        batch, tokens, hidden = self.bias.shape
        inner = 0 if self.fed is None else 2 * self.fed.down.shape[0]
        size = max(1, self.budget // max(1, batch * self.sources * (2 * hidden + inner) * self.bias.element_size()))
        for start in range(0, tokens, size):
            yield slice(start, min(tokens, start + size))


def _values(
    states: Float[Tensor, "batch source hidden"], weights: AttentionWeights, *, value_bias: bool
) -> Float[Tensor, "batch source head hidden"]:
    """F_j^h = (x_j W_V^h [+ b_V^h]) W_O^h."""
    shape = weights.shape
    values = (states @ weights.value.weight).reshape(*states.shape[:-1], shape.kv_heads, shape.head_dim)
    values = values.repeat_interleave(shape.heads // shape.kv_heads, dim=-2)
    if value_bias and weights.value_bias_heads is not None:
        values = values + weights.value_bias_heads
    return torch.einsum("bjhe,hed->bjhd", values, weights.output_heads)


def _fed(part: Attended, lin: Linearised) -> Fed:
    maps, slopes = [lin.weights.up.weight], [lin.up]
    if lin.gate is not None and lin.weights.gate is not None:
        maps.append(lin.weights.gate.weight)
        slopes.append(lin.gate)
    inner = tuple(replace(part, values=part.values @ map_) for map_ in maps)
    return Fed(inner, tuple(slopes), lin.weights.down.weight, torch.ones_like(part.row))


@dataclass(frozen=True)
class FactoredStart:
    """Starts maps: every token is its own label, within one block.

    Attributes
    ----------
    causal
        A token gets nothing from later ones.
    sources
        None for self-attention; for cross-attention the number of encoder positions, where the decoder's own
        stream belongs to no source token.
    budget
        Bytes that vectors of pairs may take at a time.
    """

    causal: bool
    sources: int | None = None
    budget: int = BUDGET

    def terms(self, state: Float[Tensor, "batch token hidden"]) -> FactoredTerms:
        """Put every token's state under its own label; in cross-attention, under none."""
        if self.sources is not None:
            return FactoredTerms(None, state, self.sources, budget=self.budget)
        return FactoredTerms(state, torch.zeros_like(state), state.shape[1], self.causal, budget=self.budget)

    def encoder(self, state: Float[Tensor, "batch source hidden"]) -> FactoredTerms:
        """Put every source token's state under its own label."""
        return FactoredTerms(state, torch.zeros_like(state), state.shape[1], budget=self.budget)
