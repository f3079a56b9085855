"""Judging predictions of the development and the test part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from prosect_plugins.probes.items import DEV, TEST, TRAIN, Index, Items
from prosect_plugins.probes.kernels.baselines import guessed, majority, seen_labels
from prosect_plugins.probes.kernels.scores import (
    NOTHING,
    Codes,
    accuracy,
    counts,
    f1_by_label,
    is_bio,
    macro_f1,
    micro_f1,
    span_f1,
)
from prosect_plugins.probes.options import ItemOptions

Criterion = Literal["accuracy", "macro_f1", "micro_f1", "span_f1"]
CRITERIA: Final[tuple[Criterion, ...]] = ("accuracy", "macro_f1", "micro_f1", "span_f1")


@dataclass(frozen=True)
class Judge:
    """Knows the items, and what counts.

    Attributes
    ----------
    items
        All items.
    options
        Which classes are left out of F1, and what becomes of items whose group was not seen in training.
    """

    items: Items
    options: ItemOptions

    @cached_property
    def table(self) -> Codes:
        """How often each class occurs in each group of the training part, shape (group, label)."""
        train = self.items.of(TRAIN)
        shape = self.items.groups, len(self.items.labels)
        return seen_labels(self.items.label[train], self.items.group[train], shape)

    @cached_property
    def seen(self) -> npt.NDArray[np.bool_]:
        """Whether the group of each item has items in the training part."""
        found: npt.NDArray[np.bool_] = (self.table.sum(axis=1) > 0)[self.items.group]
        return found

    def settled(self, predicted: Codes, part: int) -> Codes:
        """Predictions of a part after the policy for unseen groups; -1 is wrong."""
        if self.options.unseen != "majority":
            return predicted
        common = int(self.table.sum(axis=0).argmax())
        return np.where(self.seen[self.items.of(part)], predicted, common)

    def value(self, criterion: Criterion, predicted: Codes, part: int) -> float:
        """Judge the predictions of a part by one criterion."""
        items, predicted = self._counted(self.settled(predicted, part), part)
        gold, labels = self.items.label[items], len(self.items.labels)
        if criterion == "accuracy":
            return accuracy(gold, predicted)
        if criterion == "span_f1":
            return self._span_f1(items, predicted)
        mean = macro_f1 if criterion == "macro_f1" else micro_f1
        return mean(gold, predicted, labels, self._left_out)

    def scores(self, predicted: Codes) -> dict[str, float]:
        """Judge the predictions of the test part by everything."""
        items, seen = self.items.of(TEST), self.seen[self.items.of(TEST)]
        found: dict[str, float] = {name: self.value(name, predicted, TEST) for name in CRITERIA}
        return {**found, "accuracy_seen": accuracy(self.items.label[items][seen], predicted[seen])}

    def by_label(self, predicted: Codes) -> npt.NDArray[np.float64]:
        """F1 of every class in the test part, shape (label,)."""
        items, predicted = self._counted(self.settled(predicted, TEST), TEST)
        return f1_by_label(counts(self.items.label[items], predicted, len(self.items.labels)))

    def baselines(self) -> Mapping[str, float]:
        """Judge the most frequent class of each group, and guessing among its classes, on the test part."""
        items = self._counted(self.items.label[self.items.of(TEST)], TEST)[0]
        gold, groups = self.items.label[items], self.items.group[items]
        chances = guessed(self.table, groups, gold)
        common = majority(self.table, self.items.group[self.items.of(TEST)])
        found = self.scores(common)
        return {
            "majority_accuracy": found["accuracy"],
            "majority_macro_f1": found["macro_f1"],
            "random_accuracy": float(chances.mean()) if len(chances) else float("nan"),
        }

    @cached_property
    def _left_out(self) -> tuple[int, ...]:
        return tuple(place for place, label in enumerate(self.items.labels) if label in self.options.left_out)

    def _counted(self, predicted: Codes, part: int) -> tuple[Index, Codes]:
        """Items of a part that count, and their predictions."""
        items = self.items.of(part)
        if self.options.unseen != "drop":
            return items, predicted
        kept = self.seen[items]
        return items[kept], predicted[kept]

    def _span_f1(self, items: Index, predicted: Codes) -> float:
        """F1 of spans; NaN where classes are no BIO tags, or sentences lie in several parts."""
        sentences = self.items.sentence
        torn = np.isin(sentences[items], np.delete(sentences, items)).any()
        if torn or not items.size or not is_bio(self.items.labels):
            return float("nan")
        names = np.array([*self.items.labels, "O"])
        cuts = np.flatnonzero(np.diff(sentences[items])) + 1
        gold = [tags.tolist() for tags in np.split(names[self.items.label[items]], cuts)]
        said = [tags.tolist() for tags in np.split(names[np.where(predicted == NOTHING, -1, predicted)], cuts)]
        return span_f1(gold, said)


__all__ = ["CRITERIA", "DEV", "TEST", "TRAIN", "Criterion", "Judge"]
