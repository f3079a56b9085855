"""Exact nearest neighbours: a shortlist from expanded distances, then distances from differences in float64.

|x - y|^2 = |x|^2 + |y|^2 - 2 x.y is fast, and wrong in its last digits where points are near: so it only chooses
candidates, of centred points in float64. Where its own error could have hidden a neighbour, a point is compared with
all others by differences.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from prosect.api.tensors import Context, Float, Int, Reading, State, Tensor
from prosect_plugins.metrics.geometry.neighbour_options import SamplingOptions
from prosect_plugins.metrics.geometry.sample import Sample
from prosect_plugins.metrics.geometry.sampling import SamplingPlan, plan_of

IntArray = npt.NDArray[np.int64]
FloatArray = npt.NDArray[np.float64]

#: Candidates beyond those asked for.
SPARE: Final = 8
#: Bytes of a block of distances, or of differences.
BLOCK_BYTES: Final = 64 * 2**20
EPSILON: Final = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class Neighbours:
    """The k nearest other points of every point, the nearest first; equal ones in the order of their places.

    Attributes
    ----------
    squares
        Squared distances, shape (point, k), float64.
    index
        Which points they are, shape (point, k).
    """

    squares: FloatArray
    index: IntArray


def nearest(points: Float[Tensor, "point hidden"], k: int) -> Neighbours:
    """Find the k nearest other points of every point, exactly; fewer where there are fewer."""
    number = len(points)
    k = min(k, number - 1)
    if k < 1:
        return Neighbours(np.zeros((number, 0)), np.zeros((number, 0), dtype=np.int64))
    wide = points.double()
    wide = wide - wide.mean(dim=0)
    sizes = wide.square().sum(dim=1)
    squares, index = [], []
    rows = max(1, BLOCK_BYTES // (8 * number))
    for start in range(0, number, rows):
        found = _block(wide, sizes, torch.arange(start, min(start + rows, number), device=wide.device), k)
        squares.append(found[0].cpu().numpy())
        index.append(found[1].cpu().numpy())
    return Neighbours(np.concatenate(squares), np.concatenate(index))


def _block(
    wide: Float[Tensor, "point hidden"], sizes: Float[Tensor, " point"], own: Int[Tensor, " row"], k: int
) -> tuple[Float[Tensor, "row k"], Int[Tensor, "row k"]]:
    number, hidden = wide.shape
    shortlist = min(k + SPARE, number - 1)
    approximate = sizes[own, None] + sizes - 2 * (wide[own] @ wide.T)
    approximate[torch.arange(len(own), device=wide.device), own] = torch.inf
    rough, candidates = approximate.topk(shortlist, dim=1, largest=False, sorted=True)
    squares, index = _sorted(_squares(wide, own, candidates), candidates, k)
    if shortlist == number - 1:
        return squares, index
    # What was left out is at least this far away.
    error = 4 * hidden * EPSILON * (sizes[own] + sizes.max())
    places = torch.arange(number, device=wide.device)
    for row in torch.nonzero(rough[:, -1] - error <= squares[:, -1]).flatten().tolist():
        others = places[places != own[row]][None]
        alone = _sorted(_squares(wide, own[row : row + 1], others), others, k)
        squares[row], index[row] = alone[0][0], alone[1][0]
    return squares, index


def _squares(
    wide: Float[Tensor, "point hidden"], own: Int[Tensor, " row"], others: Int[Tensor, "row candidate"]
) -> Float[Tensor, "row candidate"]:
    """Squared distances from differences, a few rows at a time."""
    rows = max(1, BLOCK_BYTES // (8 * others.shape[1] * wide.shape[1]))
    parts = [slice(start, start + rows) for start in range(0, len(own), rows)]
    return torch.cat([(wide[own[part], None] - wide[others[part]]).square().sum(dim=-1) for part in parts])


def _sorted(
    squares: Float[Tensor, "row candidate"], index: Int[Tensor, "row candidate"], k: int
) -> tuple[Float[Tensor, "row k"], Int[Tensor, "row k"]]:
    """Sort candidates by distance, equal ones by place."""
    order = torch.argsort(index, dim=1)
    squares, index = squares.gather(1, order), index.gather(1, order)
    order = torch.argsort(squares, dim=1, stable=True)[:, :k]
    return squares.gather(1, order), index.gather(1, order)


def unique_rows(points: Float[Tensor, "point hidden"]) -> IntArray:
    """Places of the first of all equal points, rising."""
    if not len(points):
        return np.zeros(0, dtype=np.int64)
    rows = np.ascontiguousarray(points.cpu().numpy()) + 0.0  # -0 equals 0
    _, first = np.unique(rows.view(np.dtype((np.void, rows.dtype.itemsize * rows.shape[1]))), return_index=True)
    return np.sort(first).astype(np.int64)


@dataclass(frozen=True)
class Points:
    """Points of one batch under one sum of components.

    Attributes
    ----------
    vectors
        The points that are looked at.
    places
        Their places on the flat axis of tokens.
    left_out
        How many were left out because another is equal.
    """

    vectors: Float[Tensor, "point hidden"]
    places: IntArray
    left_out: int
    _known: dict[int, Neighbours] = field(default_factory=dict)

    def neighbours(self, k: int) -> Neighbours:
        """Return the k nearest other points, from the table that is there or a new one."""
        wide = max(self._known, default=0)
        if wide < min(k, len(self.places) - 1):
            self._known.clear()
            self._known[k] = nearest(self.vectors, k)
            wide = k
        table = self._known.get(wide) or nearest(self.vectors, k)
        return Neighbours(table.squares[:, :k], table.index[:, :k])

    def within(self, chosen: npt.NDArray[np.bool_]) -> Points:
        """Take some of the points by themselves."""
        rows = torch.from_numpy(chosen).to(self.vectors.device)
        return Points(self.vectors[rows], self.places[chosen], self.left_out)


class PointCloud:
    """Vectors of the tokens that were drawn, as points.

    Parameters
    ----------
    options
        What is drawn.
    context
        Where it stands.
    """

    def __init__(self, options: SamplingOptions, context: Context) -> None:
        self.plan: SamplingPlan = plan_of(options, context)
        self._sample = Sample(self.plan.every, options.component, context)
        self.sums = self._sample.sums
        self._known: dict[tuple[tuple[int, ...], int, int, bool], Points] = {}

    @classmethod
    def shared(cls, options: SamplingOptions, context: Context, layer: int | None = None) -> PointCloud:
        """Return the one that all measures with these options read, at this or another layer."""
        return context.shared(options.sample_key, lambda: cls(options, context), layer=layer)

    def update(self, reading: Reading) -> None:
        """Take in the tokens of a reading."""
        self._known.clear()
        self._sample.update(reading)

    def state(self) -> State:
        """Return the places and vectors."""
        return self._sample.state()

    def merge(self, state: State) -> None:
        """Take in later tokens."""
        self._known.clear()
        self._sample.merge(state)

    def points(self, place: tuple[int, ...], batch: int, subset: int, *, unique: bool) -> Points:
        """Points of a batch; with ``unique`` one of those that are equal."""
        key = place, batch, subset, unique
        if key not in self._known:
            places = self.plan.batches[place][batch]
            seen = places[self._sample.seen(places)]
            vectors = self._sample.rows(seen, subset)
            kept = unique_rows(vectors) if unique else np.arange(len(seen))
            chosen = vectors[torch.from_numpy(kept).to(vectors.device)]
            self._known[key] = Points(chosen, seen[kept], len(seen) - len(kept))
        return self._known[key]
