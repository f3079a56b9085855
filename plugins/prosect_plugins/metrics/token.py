"""Token metrics: from the terms of a layer and the true hidden state to numbers per term and token.

Each takes ``terms`` (any `Terms`), ``total`` (the hidden state e, shape (*token, hidden)) and its options,
and returns a tensor whose axes are those its declaration names. 0/0 is NaN.
"""

from __future__ import annotations

import torch

from prosect.api import Options
from prosect.api.tensors import Float, Tensor, Terms
from prosect_plugins.metrics.options import AltiOptions, NormOptions, ShareOptions
from prosect_plugins.metrics.shares import term_shares


def importance(
    terms: Terms, total: Float[Tensor, "*token hidden"], _options: Options
) -> Float[Tensor, " component *token"]:
    """Share e.t / |e|^2 of every term in the embedding (Mickus, Paperno & Constant 2022); sums to 1 over terms."""
    return terms.dot(total) / total.square().sum(dim=-1)


def norm(
    terms: Terms, total: Float[Tensor, "*token hidden"], options: NormOptions
) -> Float[Tensor, " component *token"]:
    """Norm of every term: Euclidean, or of order 1."""
    values = terms.norm() if options.order == 2 else terms.reduced(_order_1, total)  # noqa: PLR2004 - Euclidean
    return term_shares(values, terms, options.normalise)


def alti(
    terms: Terms, total: Float[Tensor, "*token hidden"], options: AltiOptions
) -> Float[Tensor, " component *token"]:
    """max(0, |e| - |e - t|) of every term, by default in the norm of order 1 and as shares (Ferrando et al. 2022)."""
    order = float(options.order)
    size: Tensor = torch.linalg.vector_norm(total, ord=order, dim=-1)
    distances = terms.reduced(lambda t, e: torch.linalg.vector_norm(e - t, ord=order, dim=-1), total)
    return term_shares((size - distances).clamp(min=0), terms, options.normalise)


def norm_ratio(
    terms: Terms, total: Float[Tensor, "*token hidden"], _options: Options
) -> Float[Tensor, " component *token"]:
    """|t| / |e| of every term."""
    return terms.norm() / _size(total)


def cosine(
    terms: Terms, total: Float[Tensor, "*token hidden"], options: ShareOptions
) -> Float[Tensor, " component *token"]:
    """Cosine e.t / (|e| |t|) of every term; NaN for a term that is 0."""
    return term_shares(terms.dot(total) / (terms.norm() * _size(total)), terms, options.normalise)


def output_dot(
    terms: Terms, total: Float[Tensor, "*token hidden"], options: ShareOptions
) -> Float[Tensor, " component *token"]:
    """Dot product e.t of every term and the embedding."""
    return term_shares(terms.dot(total), terms, options.normalise)


def distance(
    terms: Terms, total: Float[Tensor, "*token hidden"], _options: Options
) -> Float[Tensor, " component *token"]:
    """Euclidean distance |t - e| of every term from the embedding."""
    return terms.distance(total)


def dot(
    terms: Terms, total: Float[Tensor, "*token hidden"], _options: Options
) -> Float[Tensor, " component component *token"]:
    """Dot products of the terms with each other."""
    return terms.gram()


def _order_1(terms: Tensor, _total: Tensor) -> Tensor:
    return terms.abs().sum(dim=-1)


def _size(total: Float[Tensor, "*token hidden"]) -> Float[Tensor, "*token"]:
    size: Tensor = torch.linalg.vector_norm(total, dim=-1)
    return size
