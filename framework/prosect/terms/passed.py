"""What norms have done to a vector since it entered the stream, kept as factors and applied when it is read.

A frozen norm maps a term t of token i to (t - mean(t)) g / s_i, or to t g / s_i where the mean goes elsewhere. So all
norms passed since are one number r_i per token and one linear map A that is the same for all tokens: t r_i A.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class Passed:
    """r and A.

    Attributes
    ----------
    row
        r, shape (*token, 1).
    steps
        A, step by step: a vector is a gain, None is the subtraction of the mean, a matrix a linear map.
    """

    row: Float[Tensor, "*token 1"]
    steps: tuple[Tensor | None, ...] = ()

    def mapped(self, vectors: Float[Tensor, "*any hidden"]) -> Float[Tensor, "*any out"]:
        """Apply A."""
        for step in self.steps:
            if step is None:
                vectors = vectors - vectors.mean(dim=-1, keepdim=True)
            else:
                vectors = vectors @ step if step.dim() == 2 else vectors * step  # noqa: PLR2004 - a matrix
        return vectors

    def normalised(self, inverse: Tensor, gain: Tensor) -> Passed:
        """Pass a norm's scales; gains in a row become one."""
        row, last = self.row * inverse, self.steps[-1] if self.steps else None
        if last is None or last.dim() == 2:  # noqa: PLR2004 - as above
            return replace(self, row=row, steps=(*self.steps, gain))
        return replace(self, row=row, steps=(*self.steps[:-1], last * gain))

    def centred(self) -> Passed:
        """Pass the subtraction of each term's mean."""
        return replace(self, steps=(*self.steps, None))

    def through(self, weight: Tensor) -> Passed:
        """Pass a linear map."""
        return replace(self, steps=(*self.steps, weight))

    def scaled(self, factor: float) -> Passed:
        """Pass a number."""
        return self if factor == 1.0 else replace(self, row=self.row * factor)
