"""Dispersion of norms: how much the lengths of vectors vary over tokens."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from prosect.api.tensors import Axis, Context, Reading, State, Values
from prosect_plugins.metrics.geometry.cells import cells_of
from prosect_plugins.metrics.geometry.moments import Moments, MomentsByCell
from prosect_plugins.metrics.geometry.options import TokenOptions


class Dispersion:
    """Coefficient of variation of |t| over tokens, for every component: standard deviation (by n) over mean."""

    def __init__(self, options: TokenOptions, context: Context) -> None:
        self._cells = cells_of(options, context)
        self._components = len(context.components)
        self._moments = MomentsByCell()

    def update(self, reading: Reading) -> None:
        """Take in the norms of a reading."""
        norms = reading.norm().double()
        for cell, places in self._cells.places(reading):
            self._moments.add(cell, Moments.of(norms[:, places]))

    def state(self) -> State:
        """Moments of the norms in every cell."""
        return self._moments.state()

    def merge(self, state: State) -> None:
        """Take in later tokens."""
        self._moments.merge(state)

    def finalise(self) -> Values:
        """``dispersion`` and ``dispersion_n_used``, each (*token axes, component)."""
        shape = self._cells.shape
        found, used = np.full((*shape, self._components), np.nan), np.zeros((*shape, self._components), dtype=np.int64)
        for place in np.ndindex(*shape):
            moments = self._moments.union(self._cells.cells(place))
            if moments is not None:
                deviation = (moments.second / moments.count).sqrt()
                found[place], used[place] = (deviation / moments.mean).cpu().numpy(), moments.count
        return {"dispersion": found, "dispersion_n_used": used}

    def axes(self) -> Mapping[str, Axis]:
        """Return ``selection`` and ``group``, as far as the options ask for them."""
        return self._cells.axes
