"""One covariance for all measures of a spectrum: merged by Chan's formula in float64, by cell and sum of components."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations_with_replacement
from typing import Final

import numpy as np
import numpy.typing as npt
import torch

from prosect.api.tensors import Context, Float, Reading, State, Tensor
from prosect_plugins.metrics.geometry.cells import Cells, cells_of
from prosect_plugins.metrics.geometry.moments import Moments, MomentsByCell
from prosect_plugins.metrics.geometry.spectral_options import SpectrumOptions, covariance_key, in_pairs
from prosect_plugins.metrics.geometry.sums import Sums

#: Above this width a leading eigenvalue alone is found by Lanczos' method, not by solving for all of them.
LANCZOS_WIDTH: Final = 1024
EPSILON: Final = float(np.finfo(np.float64).eps)


@dataclass
class Scatter:
    """Sums of squares of n vectors of width d about their mean: M = sum (x - m) (x - m)'.

    Every measure of a spectrum is a function of it; what costs something is computed once. Uncentred, the matrix is
    M + n m m'.

    Attributes
    ----------
    count
        Number of vectors n.
    mean, matrix
        m and M, float64.
    """

    count: int
    mean: Float[Tensor, " hidden"]
    matrix: Float[Tensor, "hidden hidden"]
    _known: dict[tuple[str, bool], npt.NDArray[np.float64]] = field(default_factory=dict)

    @property
    def hidden(self) -> int:
        """Width d."""
        return len(self.mean)

    def rank_cap(self, *, center: bool) -> int:
        """Largest rank that so many vectors can have: min(n - 1, d), uncentred min(n, d)."""
        return min(self.count - 1 if center else self.count, self.hidden)

    def moment(self, *, center: bool) -> Float[Tensor, "hidden hidden"]:
        """M, or M + n m m'."""
        return self.matrix if center else self.matrix.addr(self.mean, self.mean, alpha=self.count)

    def trace(self, *, center: bool) -> float:
        """Sum of the eigenvalues."""
        return float(self.moment(center=center).trace())

    def square(self, *, center: bool) -> float:
        """Sum of the squared eigenvalues: the squared Frobenius norm, without any eigenvalue."""
        return float(self.moment(center=center).square().sum())

    def eigenvalues(self, *, center: bool) -> npt.NDArray[np.float64]:
        """All eigenvalues that can differ from 0, falling; what rounding leaves below n d eps l_1 is 0."""
        key = "all", center
        if key not in self._known:
            found = torch.linalg.eigvalsh(self.moment(center=center)).cpu().numpy()[::-1]
            found = found[: self.rank_cap(center=center)].copy()
            floor = found.max(initial=0.0) * max(self.count, self.hidden) * EPSILON
            found[found < floor] = 0.0
            self._known[key] = found
        return self._known[key]

    def leading(self, *, center: bool) -> float:
        """Largest eigenvalue."""
        if ("all", center) in self._known or self.hidden <= LANCZOS_WIDTH:
            return float(self.eigenvalues(center=center).max(initial=0.0))
        return float(self.leading_pair(center=center)[0])

    def leading_pair(self, *, center: bool) -> tuple[float, npt.NDArray[np.float64]]:
        """Largest eigenvalue and its vector (of either sign)."""
        matrix = self.moment(center=center)
        if self.hidden <= LANCZOS_WIDTH:
            values, vectors = torch.linalg.eigh(matrix)
            return float(values[-1]), vectors[:, -1].cpu().numpy()
        from scipy.sparse.linalg import eigsh

        # A fixed start makes it repeatable; one drawn at random is not orthogonal to what is looked for.
        start = np.random.default_rng(0).standard_normal(self.hidden)
        values, vectors = eigsh(matrix.cpu().numpy(), k=1, which="LA", v0=start, tol=0)
        return float(values[0]), vectors[:, 0]


class Covariance:
    """Scatter matrices over the cells of a corpus, of sums of components or between all pairs of components.

    From the matrices between pairs those of every sum follow: M_s = sum_(i, j in s) M_ij. They are kept where they are
    fewer, or asked for by themselves.

    Parameters
    ----------
    options
        Tokens, sums, and whether rows are scaled to length 1.
    context
        Where it stands.
    """

    def __init__(self, options: SpectrumOptions, context: Context) -> None:
        self.cells: Cells = cells_of(options, context, options.block_number)
        self.paired = in_pairs(options, len(context.components))
        self._unit = options.rows == "unit"
        self._kept = Sums.of("each" if self.paired else options.component, context)
        size = len(self._kept.names)
        self._pairs: Sequence[tuple[int, int]] = [(place, place) for place in range(size)]
        if self.paired:
            self._pairs = list(combinations_with_replacement(range(size), 2))
        self._moments = MomentsByCell(self._pairs)
        self._found: dict[tuple[tuple[int, ...], bytes], Scatter] = {}

    def update(self, reading: Reading) -> None:
        """Take in the tokens of a reading."""
        self._found.clear()
        for cell, places in self.cells.places(reading):
            vectors = self._kept.vectors(reading, places)
            if self._unit:
                # A vector of length 0 has no direction, and stays what it is: 0.
                norms = torch.linalg.vector_norm(vectors, dim=-1, keepdim=True)
                vectors = vectors / torch.where(norms > 0, norms, 1.0)
            self._moments.add(cell, Moments.of(vectors, self._pairs))

    def state(self) -> State:
        """Moments of every cell."""
        return self._moments.state()

    def merge(self, state: State) -> None:
        """Take in later tokens."""
        self._found.clear()
        self._moments.merge(state)

    def scatter(self, cells: Sequence[int], held: npt.NDArray[np.bool_]) -> Scatter | None:
        """Scatter over some cells of the sum of the kept vectors that are ``held``; None where there is no token."""
        key = tuple(cells), held.tobytes()
        if key not in self._found:
            moments = self._moments.union(cells)
            if moments is None:
                return None
            self._found[key] = self._scatter(moments, held)
        return self._found[key]

    def between(self, cells: Sequence[int]) -> Float[Tensor, "component component hidden hidden"] | None:
        """Matrices between all pairs of components over some cells; None where there is no token."""
        moments = self._moments.union(cells)
        if moments is None:
            return None
        size, hidden = len(self._kept.names), moments.mean.shape[-1]
        found = moments.second.new_zeros(size, size, hidden, hidden)
        for place, (i, j) in enumerate(self._pairs):
            found[i, j], found[j, i] = moments.second[place], moments.second[place].T
        return found

    def means(self, cells: Sequence[int]) -> Float[Tensor, "component hidden"]:
        """Means of the kept vectors over some cells that have tokens."""
        moments = self._moments.union(cells)
        if moments is None:
            raise RuntimeError("there is no token")
        return moments.mean

    def _scatter(self, moments: Moments, held: npt.NDArray[np.bool_]) -> Scatter:
        places = np.flatnonzero(held).tolist()
        if not self.paired:
            return Scatter(moments.count, moments.mean[places[0]], moments.second[places[0]])
        matrix = torch.zeros_like(moments.second[0])
        for place, (i, j) in enumerate(self._pairs):
            if held[i] and held[j]:
                matrix += moments.second[place]
                if i != j:
                    matrix += moments.second[place].T
        return Scatter(moments.count, moments.mean[places].sum(dim=0), matrix)


@dataclass(frozen=True)
class Spectra:
    """A covariance, looked at for some sums of components.

    Attributes
    ----------
    covariance
        The covariance, which other measures may share.
    sums
        The sums.
    """

    covariance: Covariance
    sums: Sums

    @classmethod
    def of(cls, options: SpectrumOptions, context: Context) -> Spectra:
        """Ask for the covariance that all measures with these options read."""
        key = covariance_key(options, len(context.components))
        covariance = context.shared(key, lambda: Covariance(options, context))
        return cls(covariance, Sums.of(options.component, context))

    @property
    def cells(self) -> Cells:
        """Cells of the corpus."""
        return self.covariance.cells

    def scatter(self, place: tuple[int, ...], blocks: Sequence[int] | None, subset: int) -> Scatter | None:
        """Scatter of a sum at a place of the token axes, in some blocks; None where no token is."""
        held = self.sums.table[subset] if self.covariance.paired else np.arange(len(self.sums.names)) == subset
        return self.covariance.scatter(self.cells.cells(place, blocks), held)
