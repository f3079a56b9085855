"""Terms carried through a model's own head, to the logits of chosen outputs.

A head is a chain of steps (`prosect.model.headtrace`). With its activations made linear at the true state, and its
norms frozen at their true deviation, it is an affine map of the last hidden state: a term t gives t.g to a logit, where
g is the transpose of the chain's linear part, and the head's biases and what its slopes leave give a constant.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor

from prosect.errors import ModelError, UsageError
from prosect.model.headtrace import Elementwise, Scale, Shift, Step, applied
from prosect.model.weights import Affine, NormWeights
from prosect.terms.linearise import SLOPES
from prosect.terms.norms import through_norm
from prosect.terms.reading import Reading
from prosect.terms.shared import SharedTerms, shares
from prosect.vocab.components import BIAS

Rule = Literal["secant", "tangent"]


def head_contributions(
    reading: Reading, outputs: Int[Tensor, "*token output"], rule: Rule
) -> tuple[Float[Tensor, "component *token output"], Float[Tensor, "*token output"]]:
    """Take logits apart: what every term gives to each of the chosen ones, and what the head adds of itself.

    Parameters
    ----------
    reading
        Terms of a layer, and the head.
    outputs
        Numbers of the chosen outputs of every token; -1 where a token has none.
    rule
        How activations in the head are made linear: ``secant`` from zero (DecompX), or ``tangent``.

    Returns
    -------
    tuple of Tensor
        Contributions and constants, which sum to the logits; NaN where an output is -1. Where biases are shared out
        among the terms, so are those of the head, and the constants are 0.

    Raises
    ------
    UsageError
        The final norm is still due at this layer.
    ModelError
        The head is no chain of steps.
    """
    if reading.head.norm_due is not False:
        raise UsageError(
            "terms of this layer stand before the final norm, and no head reads them as they are: "
            "read the last layer ('layers: -1'), or the final norm at every layer ('readout: final_norm')"
        )
    steps, rows = reading.head.head.steps, (outputs >= 0).all(dim=-1)
    shape = (len(reading.components), *outputs.shape)
    contributions, constants = reading.total.new_full(shape, torch.nan), reading.total.new_full(shape[1:], torch.nan)
    states, chosen = reading.total[rows], outputs[rows]
    if isinstance(reading.terms, SharedTerms):
        contributions[:, rows] = _shared(reading.terms.rows(rows), steps, states, chosen, rule)
        constants[rows] = 0.0
        return contributions, constants
    logits, gradients = gradient(steps, states, chosen, rule)
    constants[rows] = logits - (gradients * states.unsqueeze(-2)).sum(dim=-1)
    for output in range(chosen.shape[-1]):
        along = torch.zeros_like(reading.total)
        along[rows] = gradients[:, output]
        contributions[..., output][:, rows] = reading.dot(along)[:, rows]
    return contributions, constants


def gradient(
    steps: Sequence[Step], states: Float[Tensor, "token hidden"], outputs: Int[Tensor, "token output"], rule: Rule
) -> tuple[Float[Tensor, "token output"], Float[Tensor, "token output hidden"]]:
    """Compute chosen logits, and the linear part of the chain behind each of them."""
    body, last, tail = _parted(steps)
    before = [states]
    for step in body:
        before.append(applied(step, before[-1]))
    columns = last.weight.T[outputs]
    logits = (columns * before[-1].unsqueeze(-2)).sum(dim=-1)
    logits = logits if last.bias is None else logits + last.bias[outputs]
    linear = columns
    for step in tail:
        linear = linear * _slope(step, logits, rule).unsqueeze(-1)
        logits = logits + step.bias[outputs] if isinstance(step, Shift) else applied(step, logits)
    for step, state in zip(reversed(body), reversed(before[:-1]), strict=True):
        linear = _transposed(step, state, linear, rule)
    return logits, linear


def _parted(steps: Sequence[Step]) -> tuple[Sequence[Step], Affine, Sequence[Step]]:
    """Tell what comes before the map to the logits, that map, and what comes behind it."""
    place = max((place for place, step in enumerate(steps) if isinstance(step, Affine)), default=None)
    if place is None or any(isinstance(step, NormWeights) for step in steps[place:]):
        raise ModelError("terms cannot be carried through a head that does not end with a map to its logits")
    last = steps[place]
    if not isinstance(last, Affine):
        raise TypeError(last)
    return steps[:place], last, steps[place + 1 :]


def _slope(step: Step, state: Tensor, rule: Rule) -> Tensor:
    """Slope of an elementwise step at its true input."""
    if isinstance(step, Elementwise):
        return SLOPES[rule](step.function, "", state)
    return torch.full_like(state, step.factor if isinstance(step, Scale) else 1.0)


def _transposed(step: Step, state: Tensor, linear: Tensor, rule: Rule) -> Tensor:
    """Go back through the linear part of a step whose true input was ``state``."""
    if isinstance(step, Affine):
        return linear @ step.weight.T
    if isinstance(step, NormWeights):
        scaled = linear * step.gain * _inverse(step, state).unsqueeze(-2)
        centred: Tensor = scaled - scaled.mean(dim=-1, keepdim=True)
        return centred
    return linear * _slope(step, state, rule).unsqueeze(-2)


def _inverse(norm: NormWeights, state: Tensor) -> Tensor:
    variance = (state - state.mean(dim=-1, keepdim=True)).square().mean(dim=-1, keepdim=True)
    return torch.rsqrt(variance + norm.shape.eps)


def _shared(
    terms: SharedTerms,
    steps: Sequence[Step],
    states: Float[Tensor, "token hidden"],
    outputs: Int[Tensor, "token output"],
    rule: Rule,
) -> Float[Tensor, "component token output"]:
    """Send terms through the chain, each bias shared out where it arises, in the space of all outputs at the end."""
    body, last, tail = _parted(steps)
    for step in body:
        terms, states = _stepped(terms, step, states, rule), applied(step, states)
    vectors = terms.dense()
    parts = torch.einsum("kth,toh->kto", vectors, last.weight.T[outputs])
    weights = vectors.new_zeros(vectors.shape[:-1])
    if last.bias is not None:
        weights = shares(vectors @ (last.weight @ last.bias), terms.own)
        parts = parts + weights.unsqueeze(-1) * last.bias[outputs]
    for place, step in enumerate(tail):
        if isinstance(step, Shift):
            if place:
                raise ModelError("only one bias behind the map to the logits can be shared out")
            own = 0.0 if last.bias is None else last.bias @ step.bias
            share = shares(vectors @ (last.weight @ step.bias) + weights * own, terms.own)
            parts = parts + share.unsqueeze(-1) * step.bias[outputs]
        else:
            # From zero, whatever the rule: a tangent leaves a constant in the space of all logits.
            parts = parts * _slope(step, parts.sum(dim=0), "secant")
    return parts


def _stepped(terms: SharedTerms, step: Step, state: Tensor, rule: Rule) -> SharedTerms:
    if isinstance(step, Affine):
        terms = terms.mapped(step.weight)
        if step.bias is not None:
            terms.add(BIAS, step.bias)
    elif isinstance(step, NormWeights):
        through_norm(terms, step, state, BIAS, own_mean=True)
    elif isinstance(step, Shift):
        terms.add(BIAS, step.bias)
    else:
        slope = _slope(step, state, rule)
        terms.times(slope)
        terms.add(BIAS, applied(step, state) - slope * state)
    return terms
