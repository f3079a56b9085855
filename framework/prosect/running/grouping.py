"""Tokens put into groups by one of their coordinates, such as a column of parts of speech."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from prosect.errors import UsageError
from prosect.model.tokens import Batch, TokenStream
from prosect.vocab.components import Component

NOTHING: Final = "(none)"


@dataclass(frozen=True)
class Grouping:
    """The group of every token of a stream.

    Attributes
    ----------
    labels
        One for each value that occurs, in the order of the values; ``(none)`` where the annotation gives nothing.
    slots
        Place of each token's label, shape (token,).
    offsets
        Where sentences start on that axis.
    """

    labels: tuple[Component, ...]
    slots: npt.NDArray[np.int64]
    offsets: npt.NDArray[np.integer]

    def of(self, batch: Batch) -> npt.NDArray[np.int64]:
        """Place of the label of each token of a batch, shape (batch, position); -1 for padding."""
        index = self.offsets[batch.sentences][:, None] + np.arange(batch.ids.shape[1])
        real = batch.mask > 0
        return np.where(real, self.slots[np.where(real, index, 0)], -1)


def grouping(stream: TokenStream, name: str, taken: tuple[Component, ...]) -> Grouping:
    """Group the tokens of a stream by a coordinate.

    Parameters
    ----------
    stream
        The tokens.
    name
        The coordinate: an annotation of the corpus, or one that every stream has (``special``, ``word``, …).
    taken
        Further labels, which no value may have.

    Raises
    ------
    UsageError
        There is no such coordinate, or a value is the name of another label.
    """
    if name not in stream.coordinates:
        known = ", ".join(sorted(stream.coordinates))
        raise UsageError(f"tokens cannot be grouped by {name!r}: they have no such annotation, only {known}")
    values, slots = np.unique(np.asarray(stream.coordinates[name]), return_inverse=True)
    labels = tuple(Component(_label(value), name) for value in values.tolist())
    clash = sorted({label.label for label in labels} & {label.label for label in taken})
    if clash:
        raise UsageError(
            f"tokens cannot be grouped by {name!r}: its value {clash[0]!r} is the name of another term; "
            "rename it in the corpus"
        )
    return Grouping(labels, slots.reshape(-1).astype(np.int64), stream.offsets)


def _label(value: object) -> str:
    """Write a value as a label; no annotation (``""``, NaN) is a group of its own."""
    text = str(value)
    return NOTHING if text in ("", "nan") else text
