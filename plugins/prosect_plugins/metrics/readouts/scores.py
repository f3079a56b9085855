"""Kernels of the readouts: sums of components, through the head, against the right tokens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import torch

from prosect.api import UsageError
from prosect.api.tensors import Float, HeadView, Int, Reading, Tensor
from prosect_plugins.metrics.readouts.options import ReadoutOptions, read_subsets
from prosect_plugins.subsets import Subset

# Bytes that the logits of a chunk may take.
LOGIT_BYTES: Final = 128 * 2**20


@dataclass(frozen=True)
class Reader:
    """Reads sums of components at some positions of a layer.

    Attributes
    ----------
    head
        The head at this layer.
    vectors
        Components at the positions, shape (component, position, hidden).
    subsets
        What is summed.
    with_bias
        Whether each subset has the final bias.
    final_norm
        Whether the final norm is applied where it is due.
    """

    head: HeadView
    vectors: Float[Tensor, "component position hidden"]
    subsets: tuple[Subset, ...]
    with_bias: tuple[bool, ...]
    final_norm: bool

    @classmethod
    def at(cls, reading: Reading, positions: Int[Tensor, " position"], options: ReadoutOptions) -> Reader:
        """Read a layer at some places of its flattened tokens."""
        names = [component.label for component in reading.components]
        vectors = reading.dense().flatten(1, -2).index_select(1, positions)
        chosen = read_subsets(options, names)
        bias = len(names) if options.final_bias == "own" else _bias_place(names, options)
        return cls(
            head=reading.head,
            vectors=vectors,
            subsets=tuple(Subset(one.label, tuple(p for p in one.members if p < len(names))) for one in chosen),
            with_bias=tuple(bias is None or bias in one.members for one in chosen),
            final_norm=options.final_norm == "applied",
        )

    def chunks(self, subset: int) -> Iterator[tuple[slice, Float[Tensor, "position output"]]]:
        """Yield the logits of one subset, a slice of the positions at a time."""
        step = rows_at_a_time(self.head, self.vectors)
        # An empty sum (the final bias alone) is a state of zeros.
        members = list(self.subsets[subset].members)
        for start in range(0, self.vectors.shape[1], step):
            part = slice(start, start + step)
            states = self.vectors[members, part].sum(dim=0)
            yield part, self.head.logits(states, bias=self.with_bias[subset], final_norm=self.final_norm)


@dataclass(frozen=True)
class Scores:
    """How well a head predicts the right tokens.

    Attributes
    ----------
    correct
        1 where the largest logit is that of the right token, else 0; shape (subset, position).
    loss
        Its cross-entropy, -ln p(right token), in nats; same shape.
    """

    correct: Float[Tensor, "subset position"]
    loss: Float[Tensor, "subset position"]


def score(reader: Reader, gold: Int[Tensor, " position"]) -> Scores:
    """Score the predictions of every subset at positions whose right tokens are given."""
    correct = reader.vectors.new_empty((len(reader.subsets), len(gold)))
    loss = torch.empty_like(correct)
    for subset in range(len(reader.subsets)):
        for part, logits in reader.chunks(subset):
            right = gold[part]
            correct[subset, part] = (logits.argmax(dim=-1) == right).to(correct.dtype)
            loss[subset, part] = torch.nn.functional.cross_entropy(logits, right, reduction="none")
    return Scores(correct, loss)


def scored(reading: Reading, gold: Int[Tensor, "*token"], options: ReadoutOptions) -> tuple[Scores, Tensor]:
    """Score the positions where there is something to predict; returns their places among the flattened tokens."""
    check_vocabulary(reading)
    flat = gold.flatten()
    positions = torch.nonzero(flat >= 0)[:, 0]
    return score(Reader.at(reading, positions, options), flat[positions]), positions


def check_vocabulary(reading: Reading) -> None:
    """Raise UsageError for a head that classifies instead of predicting tokens."""
    head = reading.head.head
    if not head.vocabulary:
        raise UsageError(f"the head of {head.family} classifies into {head.outputs} labels: it predicts no tokens")


def rows_at_a_time(head: HeadView, states: Tensor) -> int:
    """How many states may be read at once."""
    return max(1, LOGIT_BYTES // (head.head.outputs * states.element_size()))


def spread(
    values: Float[Tensor, "subset position"], positions: Int[Tensor, " position"], tokens: Sequence[int]
) -> Float[Tensor, " subset *token"]:
    """Put values back to their places among all tokens; NaN elsewhere."""
    whole = values.new_full((len(values), torch.Size(tokens).numel()), float("nan"))
    return whole.index_copy_(1, positions, values).reshape(len(values), *tokens)


def _bias_place(names: Sequence[str], options: ReadoutOptions) -> int | None:
    if options.final_bias == "head":
        return None
    if "bias" not in names:
        raise UsageError(f"'final_bias: bias' needs a component 'bias'; there are {', '.join(names)}")
    return list(names).index("bias")
