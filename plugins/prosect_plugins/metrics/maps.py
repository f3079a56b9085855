"""Metrics of maps: terms whose labels are source tokens, kept factored.

Tensors have the axes (batch, position) where a declaration says ``token``.
"""

from __future__ import annotations

import torch

from prosect.api import Options, UsageError
from prosect.api.tensors import Attended, FactoredTerms, Float, Reading, Tensor
from prosect_plugins.metrics.options import ShareOptions, ValueZeroingOptions
from prosect_plugins.metrics.shares import pair_shares


def weight(reading: Reading, total: Tensor, options: ShareOptions) -> Float[Tensor, "head batch token source"]:
    """Attention weights alpha themselves."""
    return pair_shares(_part(reading).alpha.movedim(1, 0), reading, options.normalise)


def value_norm(reading: Reading, total: Tensor, _options: Options) -> Float[Tensor, "head batch token"]:
    """|f^h(x_j)|, the norm of each token's transformed value (Kobayashi et al. 2020)."""
    norms: Tensor = torch.linalg.vector_norm(_part(reading).vectors(), dim=-1)
    return norms.movedim(-1, 0)


def weighted_norm(reading: Reading, total: Tensor, options: ShareOptions) -> Float[Tensor, "head batch token source"]:
    """|t^h_ij| = |alpha_ij^h| |f^h(x_j)|, head by head (Kobayashi et al. 2020).

    Behind residual and norm it is the part of the head alone: norms passed since scale it, what a token keeps of itself
    is no part of it.
    """
    part = _part(reading)
    alpha = (part.alpha * part.row[:, None]).abs().movedim(1, 0)
    return pair_shares(alpha * value_norm(reading, total, options)[:, :, None], reading, options.normalise)


def attention_norm(reading: Reading, total: Tensor, options: ShareOptions) -> Float[Tensor, "batch token source"]:
    """|sum_h alpha_ij^h f^h(x_j)|: heads summed as vectors, then the norm (Kobayashi et al. 2020)."""
    norms = reading.norm()[: _factored(reading).sources].movedim(0, -1)
    return pair_shares(norms, reading, options.normalise)


def mixing_ratio(reading: Reading, total: Tensor, _options: Options) -> Float[Tensor, "batch token"]:
    """|sum_{j != i} t_ij| / (|sum_{j != i} t_ij| + |t_ii|) (Kobayashi et al. 2021); NaN where both are 0.

    Across streams, what all tokens of the encoder give stands against what the decoder's own stream holds.
    """
    terms = _factored(reading)
    mixed = torch.linalg.vector_norm(terms.mixed(), dim=-1)
    ratio: Tensor = mixed / (mixed + torch.linalg.vector_norm(terms.own(), dim=-1))
    return ratio


def weight_mixing_ratio(reading: Reading, total: Tensor, _options: Options) -> dict[str, Float[Tensor, "batch token"]]:
    """sum_{j != i} of the weights averaged over heads (Attn-W), and half of that (AttnRes-W; Kobayashi et al. 2021).

    The half is what Abnar & Zuidema 2020 take for the residual: 0.5 A + 0.5 I. Across streams every source counts.
    """
    mean = _part(reading).alpha.mean(dim=1)
    mixed = mean.sum(dim=-1)
    if not _factored(reading).crossing:
        mixed = mixed - mean.diagonal(dim1=-2, dim2=-1)
    return {"weight_mixing_ratio": mixed, "weight_mixing_ratio_res": 0.5 * mixed}


def value_zeroing(reading: Reading, total: Tensor, options: ValueZeroingOptions) -> Float[Tensor, "batch token source"]:
    """1 - cos(o_i, o_i without the value of j): the block run again with v_j = 0 in all heads (Mohebbi et al. 2023).

    Attention weights stay what they were, and the block reads its true input.
    """
    terms, onward = _factored(reading), reading.onward
    true = onward.output

    def distance(pairs: Float[Tensor, "batch source query hidden"], queries: slice) -> Tensor:
        changed = onward(-pairs, queries)
        return 1 - torch.cosine_similarity(changed, true[:, None, queries], dim=-1, eps=torch.finfo(true.dtype).tiny)

    lost = terms.by_pair(distance, width=onward.width).clamp(min=0)
    return pair_shares(lost, reading, options.normalise)


def _factored(reading: Reading) -> FactoredTerms:
    if not isinstance(reading.terms, FactoredTerms):
        raise UsageError("this metric reads maps: use it with the decompositions attention_norms or attention_maps")
    return reading.terms


def _part(reading: Reading) -> Attended:
    part = _factored(reading).attended_part
    if part is None:
        raise UsageError(
            "this metric reads the scopes of an attention, before a feed-forward block: use it with the decomposition "
            "attention_norms, or choose the scopes of attention_maps"
        )
    return part
