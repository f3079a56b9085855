"""How much is held at a time: tokens of a batch, labels of a replay, captured tensors."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Self

import torch

from prosect.errors import UsageError
from prosect.running.work import StreamWork
from prosect.vocab.rules import SHARED

LEAST: Final = 256
MOST: Final = {"cpu": 4096, "cuda": 65536}
# Fewer labels at a time would pay more for the two that every part of them carries beside.
LEAST_LABELS: Final = 8
# What a replay holds at a time: the terms, what a sub-layer reads of them, what it adds, and a step between.
COPIES: Final = 4


@dataclass(frozen=True, kw_only=True)
class Budget:
    """Bytes that may be held at a time.

    Attributes
    ----------
    terms
        The terms of a batch. On a CPU more than the caches hold gains nothing; on a GPU batches must be large enough
        to keep it busy.
    kept
        Captured tensors that are kept where the labels of a batch take several replays; beyond it the forward pass is
        run again for each.
    whole
        Terms that cannot be replayed a few labels at a time.
    """

    terms: int
    kept: int
    whole: int

    @classmethod
    def of(cls, device: torch.device) -> Self:
        """Return the budget of a kind of device; it depends on nothing else, so that a resumed run has the same."""
        if device.type == "cuda":
            return cls(terms=2 * 2**30, kept=8 * 2**30, whole=32 * 2**30)
        return cls(terms=64 * 2**20, kept=2**30, whole=8 * 2**30)


@dataclass(frozen=True)
class Cut:
    """Labels that one replay carries: source positions from ``start`` to ``stop``.

    Attributes
    ----------
    start, stop
        The positions.
    width
        All positions of the batch; what stands at the others is carried as one term, so that every replay closes.
    backward
        All positions are carried as one term, and told apart by a backward pass.
    """

    start: int
    stop: int
    width: int
    backward: bool = False

    @property
    def whole(self) -> bool:
        """Whether these are all positions."""
        return self.stop - self.start == self.width

    @property
    def labels(self) -> int:
        """Number of positions that have a label of their own."""
        return self.stop - self.start


def cuts(work: StreamWork, tokens: int, width: int, budget: Budget, itemsize: int) -> tuple[Cut, ...]:
    """Cut the labels of a batch so that the terms of one replay fit into the budget.

    Parameters
    ----------
    work
        The analysis.
    tokens
        Tokens of the batch, padding included.
    width
        Source positions of the batch.
    budget, itemsize
        Bytes that may be held, and of one number.
    """
    if not work.cuttable:
        return (Cut(0, width, width),)
    if work.backward and _graph(work, tokens, width) * itemsize <= budget.kept:
        return (Cut(0, width, width, backward=True),)
    each = tokens * work.hidden * itemsize
    # Beside the positions: those that stand in none of the labels, and what is no token.
    fit = max(LEAST_LABELS, budget.terms // each - len(work.rest) - 1)
    if width + len(work.rest) <= max(LEAST_LABELS, budget.terms // each):
        return (Cut(0, width, width),)
    return tuple(Cut(start, min(width, start + fit), width) for start in range(0, width, fit))


def batch_tokens(
    wanted: int | Literal["auto"], works: Sequence[StreamWork], hidden: int, device: torch.device, dtype: torch.dtype
) -> int:
    """Token budget of a batch, padding included.

    ``auto`` lets the terms of a batch take a fixed number of bytes (64 MiB on a CPU, 2 GiB on a GPU), within
    256 to 4096 (65536) tokens. It depends on the kind of device and the analysis alone, so it can be repeated.
    """
    if wanted != "auto":
        return wanted
    labels = max(_labels(work) for work in works)
    fit = Budget.of(device).terms // (labels * hidden * dtype.itemsize)
    return max(LEAST, min(MOST[device.type], fit))


def refuse_too_large(node: str, work: StreamWork, budget: Budget, itemsize: int) -> None:
    """Refuse terms that must be held all at once, and do not fit for the longest sentence.

    Raises
    ------
    UsageError
        It says how much they take.
    """
    if work.rules is None or work.rules.start == "input" or work.rules.span != "stack" or work.cuttable:
        return
    needed = COPIES * _labels(work) * work.longest * work.hidden * itemsize
    if needed <= budget.whole:
        return
    reasons = {
        "'bias: share_abs_dot'": work.rules.bias == SHARED,
        f"'group: {work.rules.group}'": not work.sources,
        "a measure over the whole corpus": work.accumulation is not None,
        "a metric that compares terms": True,
    }
    reason = next(name for name, holds in reasons.items() if holds)
    raise UsageError(
        f"{node}: {reason} needs all {_labels(work):,} terms of a token at once. For the longest sentence "
        f"({work.longest:,} tokens) that is {needed / 2**30:.1f} GiB, and {budget.whole / 2**30:.1f} GiB may be used: "
        "cut long sentences with the corpus option 'window', or do without"
    )


def _graph(work: StreamWork, tokens: int, width: int) -> int:
    """Count what a backward pass needs of every block: attention weights, slopes (about 4 hidden widths), scales."""
    blocks = () if work.stream is None else work.stream.blocks
    heads = sum(attention.heads for block in blocks for attention in block.attentions)
    return tokens * (heads * width + 8 * work.hidden * len(blocks))


def _labels(work: StreamWork) -> int:
    """Vectors held per token: terms of single blocks stay factored, others have one for every label.

    Of heads split by source token there are values of every block, and numbers for every head and source: the
    weights, and what two metrics make of them.
    """
    if work.split:
        return 3 * work.depth + 3 * len(work.labels) * work.width // work.hidden
    carried = work.sources and work.rules is not None and work.rules.span == "stack"
    return len(work.rest) + work.width if carried else len(work.labels)
