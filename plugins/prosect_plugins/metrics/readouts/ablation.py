"""`delta_log_probability`: what a term adds to the log-probability of the right token, by leaving it out."""

from __future__ import annotations

import math

import torch

from prosect.api import UsageError
from prosect.api.tensors import Float, HeadView, Int, Reading, Tensor
from prosect_plugins.metrics.readouts.gold import masked_ids, next_ids
from prosect_plugins.metrics.readouts.options import AblationOptions
from prosect_plugins.metrics.readouts.scores import check_vocabulary, rows_at_a_time


def delta_log_probability(
    reading: Reading, total: Float[Tensor, "*token hidden"], options: AblationOptions
) -> Float[Tensor, " component *token"]:
    """log2 p(right | e) - log2 p(right | e - t) of every term (Oh & Schuler 2023); NaN where nothing is predicted."""
    check_vocabulary(reading)
    view = reading.tokens
    ids = masked_ids(view) if options.target == "masked" else next_ids(view, special=options.special)
    gold = torch.from_numpy(ids).to(total.device).flatten()
    places = torch.nonzero(gold >= 0)[:, 0]
    judge = _Judge(reading.head, gold[places], final_norm=options.final_norm == "applied")
    states = total.flatten(0, -2)[places]
    whole = judge.bits(states)

    def without(term: Tensor, state: Tensor) -> Tensor:
        if term.shape != state.shape:
            raise UsageError("terms of single blocks are no parts of a state that the head reads: use 'token_wise'")
        own = term.flatten(0, -2)[places]
        # A token that cannot be looked at from here has a term of zeros: leaving it out changes nothing.
        touched = torch.nonzero(own.any(dim=-1))[:, 0]
        change = torch.zeros_like(whole)
        change[touched] = whole[touched] - judge.bits(states[touched] - own[touched], touched)
        values = total.new_full(gold.shape, float("nan"))
        values[places] = change
        return values.reshape(state.shape[:-1])

    return reading.reduced(without, total)


class _Judge:
    """Gives the log-probability of the right tokens in bits, some rows at a time."""

    def __init__(self, head: HeadView, gold: Int[Tensor, " position"], *, final_norm: bool) -> None:
        self._head, self._gold, self._final_norm = head, gold, final_norm

    def bits(self, states: Float[Tensor, "some hidden"], rows: Int[Tensor, " some"] | None = None) -> Tensor:
        """Read states that belong to some of the positions, or to all of them."""
        gold, found = self._gold if rows is None else self._gold[rows], states.new_empty(len(states))
        step = rows_at_a_time(self._head, states)
        for start in range(0, len(states), step):
            part = slice(start, start + step)
            logits = self._head.logits(states[part], final_norm=self._final_norm)
            loss = torch.nn.functional.cross_entropy(logits, gold[part], reduction="none")
            found[part] = -loss / math.log(2.0)
        return found
