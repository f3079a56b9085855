"""A metric: terms in, one number per component and token out. It is imported when a spec names it."""

from __future__ import annotations

from prosect.api import Options
from prosect.api.tensors import Float, Tensor, Terms


def largest_coordinate(
    terms: Terms, _total: Float[Tensor, "*token hidden"], _options: Options
) -> Float[Tensor, " component *token"]:
    """Largest absolute coordinate of every term, max over d of |t_d|."""
    return terms.dense().abs().amax(dim=-1)
