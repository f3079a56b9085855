"""`linear_map_r2`: least squares from what a sub-layer or block reads to what it writes, from joint second moments.

With centred sums S over tokens: B = S_xx^+ S_xy, and of output coordinate j R^2_j = 1 - (S_yy - S_yx B)_jj / (S_yy)_jj.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
import torch

from prosect.api.tensors import Axis, Context, Float, Reading, State, SublayerView, Tensor, Values
from prosect_plugins.metrics.geometry.cells import cells_of
from prosect_plugins.metrics.geometry.linear_map_options import LinearMapOptions, Mapped
from prosect_plugins.metrics.geometry.moments import Moments, MomentsByCell

NAME: Final = "linear_map_r2"
EPSILON: Final = float(np.finfo(np.float64).eps)


class LinearMap:
    """R^2 of the linear map from the input of a sub-layer or block to its output, in sample and held out."""

    def __init__(self, options: LinearMapOptions, context: Context) -> None:
        self._options = options
        self._cells = cells_of(options, context, held_out=options.parts)
        self._moments = MomentsByCell([(0, 0)])
        self._width = 0
        #: Relative rounding of the tensors that were captured.
        self._rounding = float(torch.finfo(context.setting.dtype).eps)

    def update(self, reading: Reading) -> None:
        """Take in inputs and outputs of the block behind which a reading stands, or of a sub-layer of it."""
        view = reading.sublayers
        pair = None if view is None or reading.layer == 0 else pair_of(view, self._options.sublayer)
        if pair is None:
            return
        read, written = (part.flatten(0, -2).double() for part in pair)
        self._width = read.shape[-1]
        joint = torch.cat([read, written], dim=-1)
        for cell, places in self._cells.places(reading):
            self._moments.add(cell, Moments.of(joint[None, places], [(0, 0)]))

    def state(self) -> State:
        """Return the joint moments of every cell, and the width of the input."""
        found = dict(self._moments.state())
        return {**found, "width": torch.tensor(self._width)} if found else {}

    def merge(self, state: State) -> None:
        """Take in later tokens."""
        if state:
            self._width = int(state["width"])
            self._moments.merge({name: tensor for name, tensor in state.items() if name != "width"})

    def finalise(self) -> Values:
        """``linear_map_r2``, the same held out, and the number of tokens."""
        shape = self._cells.shape
        inside, outside = np.full(shape, np.nan), np.full(shape, np.nan)
        used = np.zeros(shape, dtype=np.int64)
        for place in np.ndindex(*shape):
            every = self._union(place, None)
            if every is None:
                continue
            used[place] = every.count
            inside[place] = self._score(every, every)
            rest, last = self._union(place, [0]), self._union(place, [1])
            if rest is not None and last is not None:
                outside[place] = self._score(rest, last)
        return {NAME: inside, f"{NAME}_held_out": outside, f"{NAME}_n_used": used}

    def axes(self) -> Mapping[str, Axis]:
        """Return ``selection`` and ``group``, as far as the options ask for them."""
        return self._cells.axes

    def _union(self, place: tuple[int, ...], parts: Sequence[int] | None) -> Moments | None:
        return self._moments.union(self._cells.cells(place, parts))

    def _score(self, fitted: Moments, scored: Moments) -> float:
        """Fit the map to some tokens, and score it on others."""
        width = self._width
        xx, xy = fitted.second[0, :width, :width], fitted.second[0, :width, width:]
        weights = least_squares(xx, xy, self._rounding)
        shift = scored.mean[0] - fitted.mean[0]
        second = scored.second[0]
        xx, xy, yy = second[:width, :width], second[:width, width:], second[width:, width:].diagonal()
        left = yy - 2 * (weights * xy).sum(dim=0) + (weights * (xx @ weights)).sum(dim=0)
        # The fitted map goes through the means of the tokens that it was fitted to.
        left = left + scored.count * (shift[width:] - shift[:width] @ weights).square()
        return score(left, yy, uniform=self._options.average == "uniform")


def pair_of(view: SublayerView, sublayer: Mapped) -> tuple[Tensor, Tensor] | None:
    """Return what the map is from, and to; None where the block has no such sub-layer."""
    if sublayer == "block":
        return view.states()
    if sublayer == "block_update":
        before, behind = view.states()
        return before, behind - before
    return view.pair(sublayer)


def least_squares(
    xx: Float[Tensor, "input input"], xy: Float[Tensor, "input output"], rounding: float = EPSILON
) -> Float[Tensor, "input output"]:
    """Weights S_xx^+ S_xy, inputs scaled to variance 1 first.

    Directions whose variance is rounding are left out: what a LayerNorm returns has one (its coordinates, each divided
    by its gain, sum to a constant).

    Parameters
    ----------
    xx, xy
        Centred sums of products.
    rounding
        Relative rounding of the vectors.
    """
    scale = xx.diagonal().clamp(min=0).sqrt()
    scale = torch.where(scale > 0, scale, 1.0)
    values, vectors = torch.linalg.eigh(xx / scale[:, None] / scale)
    real = values > values[-1].clamp(min=0) * len(values) * max(EPSILON, (4 * rounding) ** 2)
    inverse = torch.where(real, 1 / torch.where(real, values, 1.0), 0.0)
    solved: Tensor = vectors @ (inverse[:, None] * (vectors.T @ (xy / scale[:, None])))
    return solved / scale[:, None]


def score(left: Float[Tensor, " output"], all_: Float[Tensor, " output"], *, uniform: bool) -> float:
    """R^2 from sums of squares that are left and that there are; coordinates that do not vary are left out."""
    varies = all_ > 0
    if not bool(varies.any()):
        return float("nan")
    left, all_ = left[varies], all_[varies]
    return float((1 - left / all_).mean()) if uniform else float(1 - left.sum() / all_.sum())
