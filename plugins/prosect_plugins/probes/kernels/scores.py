"""How good predicted classes are: accuracy, F1 per class and its means, spans of BIO tags."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

#: Predicted where a probe says nothing.
NOTHING: Final = -1


class Counts(NamedTuple):
    """Per class: predicted rightly, predicted at all, and there at all; each of shape (label,)."""

    right: Codes
    predicted: Codes
    true: Codes


def counts(gold: Codes, predicted: Codes, labels: int) -> Counts:
    """Count per class; predictions of nothing are no class."""
    said = predicted[predicted >= 0]
    return Counts(
        np.bincount(gold[gold == predicted], minlength=labels),
        np.bincount(said, minlength=labels),
        np.bincount(gold, minlength=labels),
    )


def accuracy(gold: Codes, predicted: Codes) -> float:
    """Share of items predicted rightly; NaN without items."""
    return float(np.mean(gold == predicted)) if len(gold) else float("nan")


def f1_by_label(found: Counts) -> Floats:
    """F1 of every class, 2 right / (predicted + true); NaN for one that is neither predicted nor there."""
    total = found.predicted + found.true
    f1: Floats = np.divide(2.0 * found.right, total, out=np.full(len(total), np.nan), where=total > 0)
    return f1


def macro_f1(gold: Codes, predicted: Codes, labels: int, left_out: Collection[int] = ()) -> float:
    """Mean F1 of the classes that are predicted or there, but for those left out; NaN without any."""
    f1 = f1_by_label(counts(gold, predicted, labels))
    f1[list(left_out)] = np.nan
    return float(np.nanmean(f1)) if not np.isnan(f1).all() else float("nan")


def micro_f1(gold: Codes, predicted: Codes, labels: int, left_out: Collection[int] = ()) -> float:
    """F1 of all decisions together, 2 Σ right / Σ (predicted + true), over classes that are not left out."""
    found, kept = counts(gold, predicted, labels), np.ones(labels, dtype=bool)
    kept[list(left_out)] = False
    total = int((found.predicted + found.true)[kept].sum())
    return 2.0 * int(found.right[kept].sum()) / total if total else float("nan")


class Span(NamedTuple):
    """Something that is named: its type, and its first and last place."""

    kind: str
    first: int
    last: int


def spans(tags: Sequence[str]) -> Iterator[Span]:
    """Read the spans off BIO tags (``B-PER``, ``I-PER``, ``O``) of one sentence.

    As in the evaluation of CoNLL-2000: a span begins at ``B-`` or at an ``I-`` that continues no span of its type, and
    ends before the next tag that does not continue it.
    """
    begun: tuple[str, int] | None = None
    for place, tag in enumerate((*tags, "O")):
        mark, _, kind = tag.partition("-")
        if begun is not None and (mark != "I" or kind != begun[0]):
            yield Span(begun[0], begun[1], place - 1)
            begun = None
        if begun is None and mark in {"B", "I"}:
            begun = (kind, place)


def span_f1(gold: Sequence[Sequence[str]], predicted: Sequence[Sequence[str]]) -> float:
    """F1 of whole spans: type and both borders must be right; NaN where there are none at all.

    Parameters
    ----------
    gold, predicted
        Tags of every sentence.
    """
    right = total = 0
    for true, said in zip(gold, predicted, strict=True):
        one, other = set(spans(true)), set(spans(said))
        right, total = right + len(one & other), total + len(one) + len(other)
    return 2.0 * right / total if total else float("nan")


def is_bio(labels: Collection[str]) -> bool:
    """Tell whether labels are BIO tags."""
    return any(label.startswith("B-") for label in labels) and all(
        label == "O" or label[:2] in {"B-", "I-"} for label in labels
    )
