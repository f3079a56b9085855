"""Accumulators of the readouts: accuracy and cross-entropy of sums of components over a corpus."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch

from prosect.api.tensors import Axis, Context, Reading, State, Tensor, TokenView, Values
from prosect_plugins.metrics.geometry.cells import cells_of
from prosect_plugins.metrics.readouts.gold import Ids, masked_ids, next_ids
from prosect_plugins.metrics.readouts.options import MaskedCorpusOptions, NextCorpusOptions, subset_labels
from prosect_plugins.metrics.readouts.scores import scored
from prosect_plugins.subsets import SUBSET

AXIS = "components whose sum the head reads"


def masked_tokens(options: MaskedCorpusOptions, context: Context) -> ReadoutMeans:
    """Accumulate over masked tokens."""
    return ReadoutMeans("masked", options, context, masked_ids)


def next_tokens(options: NextCorpusOptions, context: Context) -> ReadoutMeans:
    """Accumulate over next tokens."""
    return ReadoutMeans("next", options, context, lambda tokens: next_ids(tokens, special=options.special))


class ReadoutMeans:
    """Mean correctness and mean cross-entropy over the tokens that are to be predicted, each counted once.

    Parameters
    ----------
    name
        In front of the names of its variables.
    options, context
        As for every accumulator.
    gold
        Right ids of the tokens of a reading, -1 where there are none.
    """

    def __init__(
        self,
        name: str,
        options: MaskedCorpusOptions | NextCorpusOptions,
        context: Context,
        gold: Callable[[TokenView], Ids],
    ) -> None:
        self._name, self._options, self._gold = name, options, gold
        self._labels = subset_labels(options, [component.label for component in context.components])
        self._cells = cells_of(options, context)
        shape = self._cells.number, len(self._labels)
        nothing = torch.zeros(shape, dtype=torch.float64, device=context.device)
        self._sums: dict[str, Tensor] = {"right": nothing, "loss": nothing.clone()}
        self._counts = torch.zeros(self._cells.number, dtype=torch.int64, device=context.device)

    def update(self, reading: Reading) -> None:
        """Score the unit's own tokens of a reading."""
        view = reading.tokens
        gold = torch.from_numpy(self._gold(view)).to(reading.total.device)
        cells = torch.where(view.own, self._cells.codes[view.index.clamp(min=0)], -1)
        scores, positions = scored(reading, torch.where(cells >= 0, gold, -1), self._options)
        owner = cells.flatten()[positions]
        self._counts.index_add_(0, owner, torch.ones_like(owner))
        for kind, values in (("right", scores.correct), ("loss", scores.loss)):
            self._sums[kind].index_add_(0, owner, values.T.double())

    def state(self) -> State:
        """Return sums and counts of every cell of tokens."""
        return {**self._sums, "count": self._counts}

    def merge(self, state: State) -> None:
        """Add the sums of later tokens."""
        if state:
            for kind in self._sums:
                self._sums[kind] += state[kind].to(self._counts.device)
            self._counts += state["count"].to(self._counts.device)

    def finalise(self) -> Values:
        """Return means (*token axes, subset) and the number of tokens (*token axes)."""
        # There is one block of sentences.
        members = torch.from_numpy(self._cells.members[..., 0, :]).to(self._counts.device)
        count = (members.long() * self._counts).sum(dim=-1)
        means = {kind: (members.double() @ sums) / count[..., None] for kind, sums in self._sums.items()}
        named: dict[str, Tensor] = {
            f"{self._name}_accuracy": self._declared(means["right"]),
            f"{self._name}_cross_entropy": self._declared(means["loss"]),
            f"{self._name}_n_used": count,
        }
        return named

    def axes(self) -> Mapping[str, Axis]:
        """Return ``subset`` and what the options ask for besides."""
        own = {} if self._options.subsets == "total" else {SUBSET: Axis(np.array(self._labels), AXIS)}
        return {**self._cells.axes, **own}

    def _declared(self, means: Tensor) -> Tensor:
        return means[..., 0] if self._options.subsets == "total" else means
