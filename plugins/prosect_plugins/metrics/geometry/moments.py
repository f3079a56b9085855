"""Count, mean and second moments about the mean, merged by the formula of Chan, Golub & LeVeque 1983 in float64.

With delta = m_b - m and n' = n + n_b:  m += delta n_b / n',  M += M_b + delta delta' n n_b / n'.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch

from prosect.api.tensors import Float, State, Tensor

Pairs = Sequence[tuple[int, int]]


@dataclass
class Moments:
    """Moments of some vectors y_1 … y_S over tokens.

    Attributes
    ----------
    count
        Number of tokens n.
    mean
        Their means, shape (vector, *hidden), float64.
    second
        Sums about the mean: with ``pairs`` the matrices sum (y_i - m_i) (y_j - m_j)' of shape (pair, hidden,
        hidden), without the squares of every number, in the shape of ``mean``.
    pairs
        Places (i, j) of the vectors of each matrix.
    """

    count: int
    mean: Float[Tensor, "vector ..."]
    second: Tensor
    pairs: Pairs | None = None

    @classmethod
    def of(cls, vectors: Float[Tensor, "vector token ..."], pairs: Pairs | None = None) -> Moments:
        """Moments of one batch, about its own mean."""
        mean = vectors.mean(dim=1)
        centred = vectors - mean.unsqueeze(1)
        if pairs is None:
            return cls(vectors.shape[1], mean, centred.square().sum(dim=1))
        return cls(vectors.shape[1], mean, torch.stack([centred[i].T @ centred[j] for i, j in pairs]), pairs)

    def add(self, other: Moments) -> None:
        """Take in the moments of other tokens, in place."""
        total = self.count + other.count
        delta = other.mean - self.mean
        weight = self.count * other.count / total
        self.second += other.second
        if self.pairs is None:
            self.second.add_(delta.square(), alpha=weight)
        else:
            for place, (i, j) in enumerate(self.pairs):
                self.second[place].addr_(delta[i], delta[j], alpha=weight)
        self.mean.add_(delta, alpha=other.count / total)
        self.count = total

    def copy(self) -> Moments:
        """Copy, so that others can be added to it."""
        return Moments(self.count, self.mean.clone(), self.second.clone(), self.pairs)


class MomentsByCell:
    """Moments of every cell that has tokens.

    Parameters
    ----------
    pairs
        As for `Moments`.
    """

    def __init__(self, pairs: Pairs | None = None) -> None:
        self._pairs = pairs
        self._found: dict[int, Moments] = {}

    def add(self, cell: int, moments: Moments) -> None:
        """Take in the moments of some tokens of a cell."""
        if cell in self._found:
            self._found[cell].add(moments)
        else:
            self._found[cell] = moments.copy()

    def union(self, cells: Iterable[int]) -> Moments | None:
        """Moments of the tokens of several cells, merged in the order of the cells; None where there are none."""
        found = [self._found[cell] for cell in cells if cell in self._found]
        if len(found) < 2:  # noqa: PLR2004 - nothing to merge
            return found[0] if found else None
        total = found[0].copy()
        for moments in found[1:]:
            total.add(moments)
        return total

    def state(self) -> State:
        """Tensors by name."""
        found = {}
        for cell, moments in sorted(self._found.items()):
            found[f"count.{cell}"] = torch.tensor(moments.count, dtype=torch.int64)
            found[f"mean.{cell}"], found[f"second.{cell}"] = moments.mean, moments.second
        return found

    def merge(self, state: State) -> None:
        """Take in later tokens."""
        cells = sorted(int(name.removeprefix("count.")) for name in state if name.startswith("count."))
        for cell in cells:
            count = int(state[f"count.{cell}"])
            self.add(cell, Moments(count, state[f"mean.{cell}"], state[f"second.{cell}"], self._pairs))
