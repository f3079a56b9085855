"""What tokens give to each other within one block, kept as factors: `Attended` and `Fed`.

The output projection of every head is kept as one matrix into which all norms passed since are folded (gain, centring),
and the first map of a feed-forward block too. Vectors of pairs are made when they are read; only of what a feed-forward
block made of them some are kept, under a budget, for the next reader.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace

import torch
from jaxtyping import Float
from torch import Tensor

from prosect.model.weights import AttentionWeights
from prosect.terms.linearise import Linearised
from prosect.terms.passed import Passed


@dataclass(frozen=True)
class Attended:
    """t_ij = r_i sum_h alpha_ij^h v_j^h M^h.

    Attributes
    ----------
    alpha
        Attention weights (batch, head, token, source).
    values
        v, the values of each head (batch, source, head, head_dim).
    output
        M, shape (head, head_dim, width): W_O^h and the linear maps passed since.
    row
        r, shape (batch, token, 1).
    weights
        The attention's own weights, as they are.
    """

    alpha: Float[Tensor, "batch head token source"]
    values: Float[Tensor, "batch source head head_dim"]
    output: Float[Tensor, "head head_dim width"]
    row: Float[Tensor, "batch token 1"]
    weights: AttentionWeights | None = None

    @property
    def heads(self) -> int:
        """Number of heads."""
        return self.output.shape[0]

    @property
    def width(self) -> int:
        """Width of the vectors."""
        return self.output.shape[-1]

    def vectors(self, sources: slice | None = None) -> Float[Tensor, "batch source head width"]:
        """f^h(x_j) = v_j^h M^h of some sources, or of all."""
        values = self.values if sources is None else self.values[:, sources]
        return torch.einsum("bjhe,hed->bjhd", values, self.output)

    def pairs(
        self, vectors: Float[Tensor, "batch source head width"], queries: slice, sources: slice
    ) -> Float[Tensor, "batch source query width"]:
        """Make the vectors of some pairs, given those of their sources."""
        alpha = self.alpha[:, :, queries, sources] * self.row[:, None, queries]
        return alpha.permute(0, 3, 2, 1) @ vectors

    def own(self) -> Float[Tensor, "batch token width"]:
        """Make t_ii."""
        diagonal = self.alpha.diagonal(dim1=-2, dim2=-1).transpose(1, 2)
        return ((self.values * diagonal.unsqueeze(-1)).flatten(-2) @ self.output.flatten(0, 1)) * self.row

    def total(self) -> Float[Tensor, "batch token width"]:
        """Sum over sources."""
        mixed = torch.einsum("bhij,bjhe->bihe", self.alpha, self.values)
        return (mixed.flatten(-2) @ self.output.flatten(0, 1)) * self.row

    def squares(self, queries: slice, sources: slice) -> Float[Tensor, "batch source query"]:
        """|t_ij|^2 = r_i^2 a_ij G_j a_ij with G_j = F_j F_j^T (head x head), in float64 against cancellation."""
        vectors = self.vectors(sources).double()
        gram = vectors @ vectors.transpose(-1, -2)
        weights = self.alpha[:, :, queries, sources].double().permute(0, 3, 2, 1)
        products = (weights @ gram).mul_(weights).sum(dim=-1).clamp_(min=0)
        return (products * self.row[:, queries, 0].double().unsqueeze(1) ** 2).to(self.row.dtype)

    def dots(
        self, other: Float[Tensor, "batch token width"], queries: slice, sources: slice
    ) -> Float[Tensor, "batch source query"]:
        """t_ij . y_i = r_i sum_h alpha_ij^h (M^h y_i) . v_j^h."""
        seen = torch.einsum("bid,hed->bihe", other[:, queries] * self.row[:, queries], self.output)
        products = torch.einsum("bihe,bjhe->bhji", seen, self.values[:, sources])
        return products.mul_(self.alpha[:, :, queries, sources].transpose(-1, -2)).sum(dim=1)

    def normalised(self, inverse: Tensor, gain: Tensor) -> Attended:
        """Pass a norm's scales."""
        return replace(self, output=self.output * gain, row=self.row * inverse)

    def centred(self) -> Attended:
        """Subtract each term's mean."""
        return replace(self, output=self.output - self.output.mean(dim=-1, keepdim=True))

    def scaled(self, factor: float) -> Attended:
        """Multiply by a number."""
        return self if factor == 1.0 else replace(self, row=self.row * factor)

    def mapped(self, weight: Float[Tensor, "width other"]) -> Attended:
        """Pass a linear map, merged with the output projections: W_O^h W."""
        return replace(self, output=self.output @ weight)


@dataclass
class Kept:
    """Vectors that are read at several points of a block, or by several measures, while there is room.

    Attributes
    ----------
    room
        Bytes that may still be kept.
    """

    room: int
    _held: dict[Hashable, Tensor] = field(default_factory=dict, repr=False)

    def of(self, key: Hashable, make: Callable[[], Tensor]) -> Tensor:
        """Return vectors that nobody may change."""
        found = self._held.get(key)
        if found is None:
            found = make()
            if found.nbytes <= self.room:
                self.room -= found.nbytes
                self._held[key] = found
        return found


@dataclass(frozen=True)
class Fed:
    """t_ij = p_i ((theta_i * u_ij) W) A, u_ij what attention gave after the first map; and the same for a gate's slope.

    Attributes
    ----------
    inner
        u, and what the gate's map makes of the same input, where there is one.
    slopes
        theta for each of them, shape (batch, token, inner).
    down
        W, shape (inner, hidden).
    passed
        p and A, of the norms passed since.
    kept
        (theta_i * u_ij) W of some pairs: the dearest product of a block, and the same at all points behind it.
    """

    inner: tuple[Attended, ...]
    slopes: tuple[Float[Tensor, "batch token inner"], ...]
    down: Float[Tensor, "inner hidden"]
    passed: Passed
    kept: Kept

    @property
    def heads(self) -> int:
        """Number of heads."""
        return self.inner[0].heads

    @property
    def width(self) -> int:
        """Numbers of the inner space for each pair, the gate's included."""
        return len(self.inner) * self.down.shape[0]

    def vectors(self, sources: slice | None = None) -> tuple[Float[Tensor, "batch source head inner"], ...]:
        """Make the inner vectors of each head, of some sources or of all."""
        return tuple(part.vectors(sources) for part in self.inner)

    def pairs(
        self, vectors: tuple[Float[Tensor, "batch source head inner"], ...], queries: slice, sources: slice
    ) -> Float[Tensor, "batch source query hidden"]:
        """Make the vectors of some pairs, given the inner vectors of their sources."""
        key = (queries.start, queries.stop, sources.start, sources.stop)
        made = self.kept.of(key, lambda: self._fed_pairs(vectors, queries, sources))
        return self.passed.mapped(made) * self.passed.row[:, None, queries]

    def own(self) -> Float[Tensor, "batch token hidden"]:
        """Make t_ii."""
        return self._mixed("own", Attended.own)

    def total(self) -> Float[Tensor, "batch token hidden"]:
        """Sum over sources."""
        return self._mixed("total", Attended.total)

    def normalised(self, inverse: Tensor, gain: Tensor) -> Fed:
        """Pass a norm's scales."""
        return replace(self, passed=self.passed.normalised(inverse, gain))

    def centred(self) -> Fed:
        """Subtract each term's mean."""
        return replace(self, passed=self.passed.centred())

    def scaled(self, factor: float) -> Fed:
        """Multiply by a number."""
        return replace(self, passed=self.passed.scaled(factor))

    def _fed_pairs(
        self, vectors: tuple[Float[Tensor, "batch source head inner"], ...], queries: slice, sources: slice
    ) -> Float[Tensor, "batch source query hidden"]:
        mixed: Tensor | None = None
        for part, given, slope in zip(self.inner, vectors, self.slopes, strict=True):
            own = part.pairs(given, queries, sources).mul_(slope[:, queries].unsqueeze(1))
            mixed = own if mixed is None else mixed.add_(own)
        if mixed is None:
            raise RuntimeError("a feed-forward block without a first map")
        return mixed @ self.down

    def _mixed(self, name: str, make: Callable[[Attended], Tensor]) -> Tensor:
        def fed() -> Tensor:
            parts = [make(part) * slope for part, slope in zip(self.inner, self.slopes, strict=True)]
            return sum(parts[1:], parts[0]) @ self.down

        return self.passed.mapped(self.kept.of(name, fed)) * self.passed.row


def attended(
    states: Float[Tensor, "*batch source hidden"],
    alpha: Float[Tensor, "batch head token source"],
    weights: AttentionWeights,
    *,
    value_bias: bool,
) -> Attended:
    """Send states of single tokens through an attention: v_j^h = x_j W_V^h [+ b_V^h]."""
    values = head_values(states, weights)
    if value_bias and weights.value_bias_heads is not None:
        values = values + weights.value_bias_heads
    row = alpha.new_ones((alpha.shape[0], alpha.shape[2], 1))
    return Attended(alpha, values, weights.output_heads, row, weights)


def mixed(
    states: Float[Tensor, "label batch source hidden"],
    alpha: Float[Tensor, "batch head token source"],
    weights: AttentionWeights,
) -> Float[Tensor, "label batch token hidden"]:
    """Mix whole sequences of vectors with the true weights, without biases."""
    values = torch.einsum("bhij,kbjhe->kbihe", alpha, head_values(states, weights))
    return values.flatten(-2) @ weights.output.weight


def head_values(
    states: Float[Tensor, "*token hidden"], weights: AttentionWeights
) -> Float[Tensor, "*token head head_dim"]:
    """Compute the value x W_V^h of every query head, without a bias."""
    shape = weights.shape
    values = (states @ weights.value.weight).reshape(*states.shape[:-1], shape.kv_heads, shape.head_dim)
    group = shape.heads // shape.kv_heads
    return values.repeat_interleave(group, dim=-2) if group > 1 else values


def fed(part: Attended, lin: Linearised, room: int) -> Fed:
    """Send an attention part through a feed-forward block made linear; ``room`` are the bytes of pairs to keep."""
    maps, slopes = [lin.weights.up.weight], [lin.up]
    if lin.gate is not None and lin.weights.gate is not None:
        maps.append(lin.weights.gate.weight)
        slopes.append(lin.gate)
    inner = tuple(part.mapped(map_) for map_ in maps)
    return Fed(inner, tuple(slopes), lin.weights.down.weight, Passed(torch.ones_like(part.row)), Kept(room))
