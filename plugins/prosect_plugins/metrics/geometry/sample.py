"""Vectors of a sample of tokens: the places are drawn before the first reading, and kept as indices."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch

from prosect.api.tensors import Context, Float, Reading, State, Tensor
from prosect_plugins.metrics.geometry.sums import Sums

IntArray = npt.NDArray[np.int64]


class Sample:
    """Vectors of sums of components at some places of the corpus, in the dtype in which they are computed.

    Parameters
    ----------
    places
        Places on the flat axis of tokens, rising.
    component
        The sums, as the option ``component`` says.
    context
        Where it stands.
    """

    def __init__(self, places: IntArray, component: str | list[str], context: Context) -> None:
        self.sums = Sums.of(component, context)
        self._places = places
        wanted = torch.zeros(context.stream.tokens + 1, dtype=torch.bool, device=context.device)
        wanted[torch.from_numpy(places).to(context.device)] = True
        self._wanted = wanted
        self._index: list[Tensor] = []
        self._rows: list[Tensor] = []

    def update(self, reading: Reading) -> None:
        """Take in the tokens of a reading."""
        view = reading.tokens
        index = view.index.flatten()
        chosen = torch.nonzero(self._wanted[index] & view.own.flatten()).flatten()
        if len(chosen):
            self._index.append(index[chosen])
            self._rows.append(self.sums.vectors(reading, chosen).to(reading.total.dtype))

    def state(self) -> State:
        """Places and vectors, in the order in which they came."""
        if not self._index:
            return {}
        index, rows = torch.cat(self._index), torch.cat(self._rows, dim=1)
        self._index, self._rows = [index], [rows]
        return {"index": index, "rows": rows}

    def merge(self, state: State) -> None:
        """Take in later tokens."""
        if state:
            self._index.append(state["index"])
            self._rows.append(state["rows"])

    def seen(self, places: IntArray) -> npt.NDArray[np.bool_]:
        """Which of some places were seen by now."""
        known = self._sorted()[0].cpu().numpy()
        return np.isin(places, known)

    def rows(self, places: IntArray, subset: int) -> Float[Tensor, "place hidden"]:
        """Vectors at some of the places, in their order; places that were not seen are left out."""
        known, order = self._sorted()
        if not len(known):
            return torch.zeros(0, 1, dtype=torch.float64)
        wanted = torch.from_numpy(places).to(known.device)
        found = torch.searchsorted(known, wanted).clamp(max=len(known) - 1)
        seen = known[found] == wanted
        return self._rows[0][subset, order[found[seen]]]

    def _sorted(self) -> tuple[Tensor, Tensor]:
        """Places that were seen, rising, and where their vectors are."""
        state = self.state()
        if not state:
            empty = torch.zeros(0, dtype=torch.int64)
            return empty, empty
        order = torch.argsort(state["index"])
        return state["index"][order], order
