"""Where anisotropy comes from: exact splits over pairs of components and over coordinates.

With x = sum_c t_c and b_c = t_c / |x|: the mean cosine is sum_(c, c') (B_c . B_c' - sum_n b_c . b_c') / (N (N - 1))
with B_c = sum_n b_c; the leading eigenvalue is l_1 = sum_(c, c') v' Cov(t_c, t_c') v with v the leading direction of x.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from prosect.api.tensors import Context, Finaliser, Reading, State, Tensor, Values
from prosect_plugins.metrics.geometry.cells import cells_of
from prosect_plugins.metrics.geometry.covariance import Spectra
from prosect_plugins.metrics.geometry.spectral import is_constant
from prosect_plugins.metrics.geometry.spectral_options import SplitOptions
from prosect_plugins.metrics.geometry.sums import Sums


def anisotropy_split(options: SplitOptions, context: Context) -> Any:  # noqa: ANN401 - one of three accumulators
    """Make the accumulator of `anisotropy_split`."""
    if options.method == "cosine":
        return CosineSplit(options, context)
    return over_components(options, context) if options.over == "component" else over_coordinates(options, context)


def over_components(options: SplitOptions, context: Context) -> Finaliser:
    """Split the leading variance, and the variance, over pairs of components; both as shares of the variance."""
    spectra = Spectra.of(options, context)
    cells, size = spectra.cells, len(context.components)

    def finalise() -> Values:
        leading, variance = (np.full((*cells.shape, size, size), np.nan) for _ in range(2))
        used = np.zeros(cells.shape, dtype=np.int64)
        for place in np.ndindex(*cells.shape):
            total, between = spectra.scatter(place, None, 0), spectra.covariance.between(cells.cells(place))
            if total is None or between is None:
                continue
            used[place] = total.count
            if not is_constant(total, center=options.center):
                if not options.center:
                    means = spectra.covariance.means(cells.cells(place))
                    between = between + total.count * torch.einsum("ci,dj->cdij", means, means)
                direction = torch.from_numpy(total.leading_pair(center=options.center)[1].copy()).to(between)
                trace = total.trace(center=options.center)
                leading[place] = torch.einsum("i,cdij,j->cd", direction, between, direction).cpu().numpy() / trace
                variance[place] = torch.einsum("cdii->cd", between).cpu().numpy() / trace
        return {"anisotropy_split": leading, "variance_split": variance, "anisotropy_split_n_used": used}

    return Finaliser(finalise, cells.axes)


def over_coordinates(options: SplitOptions, context: Context) -> Finaliser:
    """Split the leading variance, and the variance, over coordinates; both as shares of the variance."""
    spectra = Spectra.of(options, context)
    shape = *spectra.cells.shape, *spectra.sums.shape

    def finalise() -> Values:
        leading, variance = (np.full((*shape, context.hidden), np.nan) for _ in range(2))
        used = np.zeros(shape, dtype=np.int64)
        for place in np.ndindex(*shape):
            tokens = place[: len(spectra.cells.shape)]
            scatter = spectra.scatter(tokens, None, place[-1] if spectra.sums.dims else 0)
            if scatter is None:
                continue
            used[place] = scatter.count
            if not is_constant(scatter, center=options.center):
                value, direction = scatter.leading_pair(center=options.center)
                trace = scatter.trace(center=options.center)
                leading[place] = value * np.square(direction) / trace
                variance[place] = scatter.moment(center=options.center).diagonal().cpu().numpy() / trace
        return {"anisotropy_split": leading, "variance_split": variance, "anisotropy_split_n_used": used}

    return Finaliser(finalise, {**spectra.cells.axes, **spectra.sums.axes})


class CosineSplit:
    """Split of the mean cosine of all pairs of tokens over pairs of components, or over coordinates."""

    def __init__(self, options: SplitOptions, context: Context) -> None:
        self._cells = cells_of(options, context)
        self._between = options.over == "component"
        self._sums = Sums.of("each" if self._between else options.component, context)
        shape = self._cells.number, len(self._sums.names)
        rest = (shape[1],) if self._between else (context.hidden,)
        self._count = torch.zeros(shape, dtype=torch.int64, device=context.device)
        self._total = torch.zeros(*shape, context.hidden, dtype=torch.float64, device=context.device)
        #: sum_n b_c . b_c' for every pair of components, or sum_n u_j^2 for every coordinate.
        self._same = torch.zeros(*shape, *rest, dtype=torch.float64, device=context.device)

    def update(self, reading: Reading) -> None:
        """Take in the tokens of a reading."""
        for cell, places in self._cells.places(reading):
            vectors = self._sums.vectors(reading, places)
            whole = reading.total.flatten(0, -2)[places].double().expand_as(vectors) if self._between else vectors
            norms = torch.linalg.vector_norm(whole, dim=-1, keepdim=True)
            units = torch.where(norms > 0, vectors / torch.where(norms > 0, norms, 1.0), 0.0)
            self._count[cell] += (norms[..., 0] > 0).sum(dim=1)
            self._total[cell] += units.sum(dim=1)
            if self._between:
                self._same[cell] += torch.einsum("cnd,end->ce", units, units)
            else:
                self._same[cell] += units.square().sum(dim=1)

    def state(self) -> State:
        """Return the sums of every cell."""
        return {"count": self._count, "total": self._total, "same": self._same}

    def merge(self, state: State) -> None:
        """Take in later tokens."""
        self._count = self._count + state["count"]
        self._total = self._total + state["total"]
        self._same = self._same + state["same"]

    def finalise(self) -> Values:
        """``anisotropy_split``, and the number of tokens."""
        shape = self._cells.shape
        splits, used = [], []
        for place in np.ndindex(*shape):
            cells = self._cells.cells(place)
            count, total = self._count[cells].sum(dim=0), self._total[cells].sum(dim=0)
            pairs = (count * (count - 1)).double()
            every = total @ total.T if self._between else total.square()
            splits.append((every - self._same[cells].sum(dim=0)) / torch.where(pairs > 0, pairs, torch.nan)[:, None])
            used.append(count)
        split, count = _stacked(splits, shape), _stacked(used, shape)
        if self._between:
            count = count[..., 0]
        elif not self._sums.dims:
            split, count = split[..., 0, :], count[..., 0]
        return {"anisotropy_split": split, "anisotropy_split_n_used": count}

    def axes(self) -> Any:  # noqa: ANN401 - a mapping of axes
        """Return the dimensions that the options ask for."""
        return {**self._cells.axes, **({} if self._between else self._sums.axes)}


def _stacked(parts: list[Tensor], shape: tuple[int, ...]) -> Any:  # noqa: ANN401 - an array of any dtype
    return torch.stack(parts).reshape(*shape, *parts[0].shape).cpu().numpy()
