"""Closure: after every step the terms must sum to the true hidden state."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from prosect.errors import ClosureError
from prosect.terms.terms import Terms
from prosect.vocab.architecture import Architecture

TOLERANCE: Final = {"float64": 1e-9, "float32": 5e-6, "float16": 5e-3, "bfloat16": 5e-2}
FLOAT32_NORM_TOLERANCE: Final = 1e-6


def tolerance(dtype: str, architecture: Architecture | None) -> float:
    """Largest gap that rounding explains, for a model of that dtype.

    In float64 it is 1e-6 where the family computes its norms in float32 all the same.
    """
    norms = () if architecture is None else (norm for stream in architecture.streams for norm in stream.norms)
    if dtype == "float64" and any(norm.float32 for norm in norms):
        return FLOAT32_NORM_TOLERANCE
    return TOLERANCE[dtype]


def gap(terms: Terms, state: Float[Tensor, "*token hidden"]) -> Float[Tensor, "*token"]:
    """Relative gap ||sum of terms - h|| / ||h|| of every token; where h = 0, the norm of the sum itself."""
    size = torch.linalg.vector_norm(state, dim=-1)
    distance: Tensor = torch.linalg.vector_norm(terms.sum() - state, dim=-1)
    return distance / torch.where(size > 0, size, torch.ones_like(size))


def amplification(terms: Terms, state: Float[Tensor, "*token hidden"]) -> Float[Tensor, "*token"]:
    """max(1, sum of ||term|| / ||h||): how far terms that cancel amplify rounding."""
    size = torch.linalg.vector_norm(state, dim=-1)
    return (terms.norm().sum(dim=0) / torch.where(size > 0, size, torch.ones_like(size))).clamp(min=1.0)


@dataclass
class ClosureGauge:
    """Measures the gap after every step of a batch, and stops the run where it is too wide.

    Attributes
    ----------
    limit
        Tolerance of the dtype; it is multiplied by the token's `amplification`.
    largest
        Largest gap seen since the gauge was made, relative to ||h||.
    real
        Mask of the tokens that count, where terms and states come padded.
    """

    limit: float
    largest: float = 0.0
    real: Tensor | None = None
    _places: list[str] = field(default_factory=list)
    _gaps: list[Tensor] = field(default_factory=list)
    _excess: list[Tensor] = field(default_factory=list)

    def check(self, place: str, terms: Terms, state: Float[Tensor, "*token hidden"]) -> None:
        """Measure one step; what is too wide is told by `settle`, after the batch."""
        with torch.no_grad():
            self._check(place, terms, state)

    def _check(self, place: str, terms: Terms, state: Tensor) -> None:
        gaps = gap(terms, state)
        excess = (gaps / self._amplification(gaps, terms, state)).nan_to_num(nan=float("inf"))
        self._places.append(place)
        self._gaps.append(self._real(gaps).max())
        self._excess.append(self._real(excess).max())

    def _real(self, values: Tensor) -> Tensor:
        return values if self.real is None else values[self.real]

    def _amplification(self, gaps: Tensor, terms: Terms, state: Tensor) -> Tensor:
        # Norms of all terms cost more than the gap itself, and matter only where the plain gap is too wide.
        if bool((self._real(gaps) <= self.limit).all()):
            return torch.ones_like(gaps)
        return amplification(terms, state)

    def settle(self) -> None:
        """Read the measured gaps of a batch; ClosureError names the first step above the tolerance."""
        if not self._gaps:
            return
        gaps, excess = torch.stack(self._gaps).tolist(), torch.stack(self._excess).tolist()
        places = self._places[:]
        self._places, self._gaps, self._excess = [], [], []
        for place, worst, ratio in zip(places, gaps, excess, strict=True):
            if not ratio <= self.limit:
                raise ClosureError(
                    f"closure fails at {place}: the terms miss the hidden state by {worst:.2e} of its norm "
                    f"(tolerance {self.limit:.0e}). The description of the architecture does not fit this model, "
                    "or the hidden state is not finite; nothing of this batch was stored"
                )
        self.largest = max(self.largest, *gaps)
