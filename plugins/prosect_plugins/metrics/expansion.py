"""Expansion rate of an attention: how far its affine map stretches vectors, from the weights alone."""

from __future__ import annotations

import torch

from prosect.api import Options, UsageError
from prosect.api.tensors import Context, FactoredTerms, Float, Reading, State, Tensor, Values


def expansion_rates(
    value: Float[Tensor, "hidden heads"],
    value_bias: Float[Tensor, " heads"] | None,
    output: Float[Tensor, "heads hidden"],
    output_bias: Float[Tensor, " hidden"] | None,
) -> tuple[float, float]:
    """sqrt(sum_k s_k^2 / (d + 1)) over the singular values s_k of the map in homogeneous coordinates.

    The sum is the squared Frobenius norm. With equal weights in all heads the map is x -> x W_V W_O + b_V W_O + b_O, so

        M = [[W_V W_O, 0], [b_V W_O + b_O, 1]]

    The authors' code puts b_O into a column of the second factor, which gives

        M' = [[W_V W_O, W_V b_O^T], [b_V W_O, b_V . b_O + 1]].

    Parameters
    ----------
    value, value_bias, output, output_bias
        W_V, b_V of all query heads side by side, W_O, b_O.

    Returns
    -------
    tuple
        The rates of M and of M'; the second is NaN where the heads together are not as wide as the stream.
    """
    hidden, width = output.shape[1], output.shape[0]
    b_v = output.new_zeros(width) if value_bias is None else value_bias
    b_o = output.new_zeros(hidden) if output_bias is None else output_bias
    square = (value @ output).square().sum()
    described = square + (b_v @ output + b_o).square().sum() + 1
    scale = hidden + 1
    if width != hidden:
        return float((described / scale).sqrt()), float("nan")
    coded = square + (value @ b_o).square().sum() + (b_v @ output).square().sum() + (b_v @ b_o + 1).square()
    return float((described / scale).sqrt()), float((coded / scale).sqrt())


class ExpansionRate:
    """Both rates of the attention of one block; every reading gives the same (Kobayashi et al. 2021)."""

    def __init__(self, _options: Options, _context: Context) -> None:
        self._rates: Tensor | None = None

    def update(self, reading: Reading) -> None:
        """Take the weights from the first reading."""
        if self._rates is None:
            self._rates = torch.tensor(_rates(reading), dtype=torch.float64)

    def state(self) -> State:
        """Return the rates, once they are known."""
        return {} if self._rates is None else {"rates": self._rates}

    def merge(self, state: State) -> None:
        """Take the rates from another part of the corpus, where they are not known yet."""
        if self._rates is None:
            self._rates = state["rates"]

    def finalise(self) -> Values:
        """Both rates; NaN where nothing was read."""
        rates = torch.full((2,), torch.nan, dtype=torch.float64) if self._rates is None else self._rates
        return {"expansion_rate": rates[0], "expansion_rate_as_coded": rates[1]}


def _rates(reading: Reading) -> tuple[float, float]:
    terms = reading.terms
    part = terms.attended_part if isinstance(terms, FactoredTerms) else None
    if part is None or part.weights is None:
        raise UsageError("the expansion rate is one of an attention: use it with the decomposition attention_norms")
    shape, value, output = part.weights.shape, part.weights.value, part.weights.output
    by_head = value.weight.double().reshape(-1, shape.kv_heads, shape.head_dim)
    by_head = by_head.repeat_interleave(shape.heads // shape.kv_heads, dim=1)
    bias = part.weights.value_bias_heads
    return expansion_rates(
        by_head.flatten(1),
        None if bias is None else bias.double().flatten(),
        output.weight.double(),
        None if output.bias is None else output.bias.double(),
    )
