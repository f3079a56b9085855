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
    _steps: list[tuple[str, float, float]] = field(default_factory=list)

    def check(self, place: str, terms: Terms, state: Float[Tensor, "*token hidden"]) -> None:
        """Measure one step; what is too wide is told by `settle`, after the batch."""
        with torch.no_grad():
            gaps = gap(terms, state)
            # Numbers, not tensors: small ones that live on between large ones that do not would fragment the memory.
            worst = ratio = float(self._real(gaps).max())
            # Norms of all terms cost more than the gap itself, and matter only where the plain gap is too wide.
            if not worst <= self.limit:
                excess = gaps / amplification(terms, state)
                ratio = float(self._real(excess.nan_to_num(nan=float("inf"))).max())
        self._steps.append((place, worst, ratio))

    def _real(self, values: Tensor) -> Tensor:
        return values if self.real is None else values[self.real]

    def settle(self) -> None:
        """Read the measured gaps of a batch; ClosureError names the first step above the tolerance."""
        steps, self._steps = self._steps, []
        for place, worst, ratio in steps:
            if not ratio <= self.limit:
                raise ClosureError(
                    f"closure fails at {place}: the terms miss the hidden state by {worst:.2e} of its norm "
                    f"(tolerance {self.limit:.0e}). The description of the architecture does not fit this model, "
                    "or the hidden state is not finite; nothing of this batch was stored"
                )
        self.largest = max([self.largest, *(worst for _, worst, _ in steps)])
