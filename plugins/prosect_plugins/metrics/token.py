"""Token metrics: from the terms of a layer and the true hidden state to numbers per term and token.

Each takes ``terms`` (any `Terms`), ``total`` (the hidden state e, shape (*token, hidden)) and its options,
and returns a tensor whose axes are those its declaration names. 0/0 is NaN.
"""

from __future__ import annotations

import torch

from prosect.api import Options
from prosect.api.tensors import Float, Tensor, Terms


def importance(
    terms: Terms, total: Float[Tensor, "*token hidden"], _options: Options
) -> Float[Tensor, " component *token"]:
    """Share e.t / |e|^2 of every term in the embedding (Mickus, Paperno & Constant 2022); sums to 1 over terms."""
    return terms.dot(total) / total.square().sum(dim=-1)


def norm(terms: Terms, total: Float[Tensor, "*token hidden"], _options: Options) -> Float[Tensor, " component *token"]:
    """Euclidean norm |t| of every term."""
    return terms.norm()


def norm_ratio(
    terms: Terms, total: Float[Tensor, "*token hidden"], _options: Options
) -> Float[Tensor, " component *token"]:
    """|t| / |e| of every term."""
    return terms.norm() / _size(total)


def cosine(
    terms: Terms, total: Float[Tensor, "*token hidden"], _options: Options
) -> Float[Tensor, " component *token"]:
    """Cosine e.t / (|e| |t|) of every term; NaN for a term that is 0."""
    return terms.dot(total) / (terms.norm() * _size(total))


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


def _size(total: Float[Tensor, "*token hidden"]) -> Float[Tensor, "*token"]:
    size: Tensor = torch.linalg.vector_norm(total, dim=-1)
    return size
