"""`logit_contribution`: what terms give to the logits of a model's own head, token by token."""

from __future__ import annotations

import numpy as np
import torch

from prosect.api import UsageError
from prosect.api.tensors import Bool, Float, Int, Reading, Tensor, head_contributions
from prosect_plugins.metrics.readouts.gold import masked_ids, next_ids
from prosect_plugins.metrics.readouts.options import ContributionOptions
from prosect_plugins.metrics.readouts.scores import check_vocabulary, rows_at_a_time


def logit_contribution(
    reading: Reading, total: Float[Tensor, "*token hidden"], options: ContributionOptions
) -> dict[str, Tensor]:
    """Share t.g of every term in a logit y of its token, and what the head adds itself: sum_t t.g + constant = y.

    g is the derivative of the head made linear at the true state: its activations by ``activation``, its norms at their
    true deviation. NaN at tokens whose logits nobody asked for.
    """
    outputs = _outputs(reading, total, options)
    outputs = outputs.masked_fill(~_read(reading, total).unsqueeze(-1), -1)
    contributions, constants = head_contributions(reading, outputs, options.activation)
    if not isinstance(options.output, tuple):
        return {"logit_contribution": contributions[..., 0], "logit_constant": constants[..., 0]}
    return {"logit_contribution": contributions.movedim(-1, 1), "logit_constant": constants.movedim(-1, 0)}


def _outputs(reading: Reading, total: Tensor, options: ContributionOptions) -> Int[Tensor, "*token output"]:
    """Numbers of the outputs that are asked for; -1 where there is none."""
    if isinstance(options.output, tuple):
        most = reading.head.head.outputs
        if not all(0 <= output < most for output in options.output):
            raise UsageError(
                f"the head of {reading.head.head.family} has outputs 0 to {most - 1}, not {options.output}"
            )
        return torch.tensor(options.output, device=total.device).expand(*total.shape[:-1], -1)
    if options.output == "predicted":
        return _predicted(reading, total).unsqueeze(-1)
    check_vocabulary(reading)
    view = reading.tokens
    ids = masked_ids(view) if options.output == "masked" else next_ids(view, special=options.special)
    return torch.from_numpy(ids).to(total.device).unsqueeze(-1)


def _predicted(reading: Reading, total: Tensor) -> Int[Tensor, "*token"]:
    """Likeliest output of every token that the head reads."""
    found = torch.full(total.shape[:-1], -1, device=total.device)
    read = _read(reading, total)
    states = total[read]
    likeliest = torch.empty(len(states), dtype=found.dtype, device=total.device)
    step = rows_at_a_time(reading.head, states)
    for start in range(0, len(states), step):
        part = slice(start, start + step)
        likeliest[part] = reading.head.logits(states[part], final_norm=False).argmax(dim=-1)
    found[read] = likeliest
    return found


def _read(reading: Reading, total: Tensor) -> Bool[Tensor, "*token"]:
    """Tokens that have logits: all, or where they are the sentence's the one that the head reads."""
    index, reads = reading.tokens.index.to(total.device), reading.head.head.reads
    if reads == "token":
        return index >= 0
    offsets = np.asarray(reading.tokens.stream.offsets, dtype=np.int64)
    places = torch.from_numpy(offsets[:-1] if reads == "first" else offsets[1:] - 1).to(total.device)
    return torch.isin(index, places)
