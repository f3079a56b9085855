"""Metrics of maps: terms whose labels are source tokens, kept factored.

Tensors have the axes (batch, position) where a declaration says ``token``.
"""

from __future__ import annotations

import torch

from prosect.api import Options, UsageError
from prosect.api.tensors import Attended, FactoredTerms, Float, Reading, Tensor


def weight(reading: Reading, total: Tensor, _options: Options) -> Float[Tensor, "head batch token source"]:
    """Attention weights alpha themselves."""
    return _part(reading).alpha.movedim(1, 0)


def value_norm(reading: Reading, total: Tensor, _options: Options) -> Float[Tensor, "head batch token"]:
    """|f^h(x_j)|, the norm of each token's transformed value (Kobayashi et al. 2020)."""
    norms: Tensor = torch.linalg.vector_norm(_part(reading).vectors(), dim=-1)
    return norms.movedim(-1, 0)


def weighted_norm(reading: Reading, total: Tensor, options: Options) -> Float[Tensor, "head batch token source"]:
    """|alpha_ij^h f^h(x_j)| = |alpha_ij^h| |f^h(x_j)|, head by head (Kobayashi et al. 2020)."""
    return weight(reading, total, options).abs() * value_norm(reading, total, options)[:, :, None]


def attention_norm(reading: Reading, total: Tensor, _options: Options) -> Float[Tensor, "batch token source"]:
    """|sum_h alpha_ij^h f^h(x_j)|: heads summed as vectors, then the norm (Kobayashi et al. 2020)."""
    return reading.norm()[: _factored(reading).sources].movedim(0, -1)


def mixing_ratio(reading: Reading, total: Tensor, _options: Options) -> Float[Tensor, "batch token"]:
    """|sum_{j != i} t_ij| / (|sum_{j != i} t_ij| + |t_ii|) (Kobayashi et al. 2021); NaN where both are 0.

    Across streams, what all tokens of the encoder give stands against what the decoder's own stream holds.
    """
    terms = _factored(reading)
    mixed = torch.linalg.vector_norm(terms.mixed(), dim=-1)
    ratio: Tensor = mixed / (mixed + torch.linalg.vector_norm(terms.own(), dim=-1))
    return ratio


def _factored(reading: Reading) -> FactoredTerms:
    if not isinstance(reading.terms, FactoredTerms):
        raise UsageError("this metric reads maps: use it with the decompositions attention_norms or attention_maps")
    return reading.terms


def _part(reading: Reading) -> Attended:
    part = _factored(reading).attended_part
    if part is None:
        raise UsageError("this metric reads the attention scope: use it with the decomposition attention_norms")
    return part
