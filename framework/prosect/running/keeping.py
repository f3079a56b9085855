"""The running state of a step's accumulators: merged in the order of the units, saved now and then, never half."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import torch

from prosect.measures.accumulator import as_array
from prosect.measures.gathering import Accumulation, Arrays, Gathering
from prosect.model.tokens import Unit
from prosect.results.layout import NodeLayout
from prosect.running.prepare import ReadyStep
from prosect.store import journal, running_state
from prosect.store.running_state import SavedState
from prosect.store.store import Store

#: A state is saved again when this many times the time that the last saving took has gone by.
PATIENCE: Final = 10.0


class Keeper:
    """Keeps what a step has accumulated on one stream.

    A unit is noted in the journal only when a saved state covers it, so what is not noted is computed again. A unit
    that the state covers already (the process was killed before it was noted) is not merged a second time. So a run
    that was killed at any moment and continued gives the same bits as one that was not.

    Parameters
    ----------
    store
        The open store.
    layout
        Node of the stream.
    accumulation
        What is accumulated.
    clock
        Seconds.
    """

    def __init__(
        self,
        store: Store,
        layout: NodeLayout,
        accumulation: Accumulation,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store, self._layout, self._clock = store, layout, clock
        self._node, self._stream = journal.place(layout.path)
        self._gathering = accumulation.begin()
        self._covered: set[int] = set()
        for saved in running_state.load(store.path, self._node, self._stream):
            self._gathering.merge({name: torch.from_numpy(array) for name, array in saved.arrays.items()})
            self._covered |= saved.units
        self._waiting: list[tuple[Unit, Mapping[str, Any]]] = []
        self._due = clock()

    def take(self, unit: Unit, gathering: Gathering) -> None:
        """Merge what a unit has gathered, unless the state covers it already."""
        if unit.index not in self._covered:
            self._gathering.merge(gathering.state())
            self._covered.add(unit.index)

    def written(self, unit: Unit, entry: Mapping[str, Any]) -> None:
        """Note a unit whose data is written, as soon as a saved state covers it."""
        self._waiting.append((unit, entry))
        if self._clock() >= self._due:
            self.save()

    def save(self) -> None:
        """Save the state, then note the units that were waiting for it."""
        if not self._waiting:
            return
        began = self._clock()
        arrays = {name: as_array(tensor) for name, tensor in self._gathering.state().items()}
        self._store.save_state(self._layout, SavedState(frozenset(self._covered), arrays))
        for unit, entry in self._waiting:
            self._store.note_unit(self._layout, unit, entry)
        self._waiting.clear()
        self._due = self._clock() + PATIENCE * (self._clock() - began)

    def finalise(self) -> Arrays:
        """Variables of the accumulators, over all units."""
        return self._gathering.finalise()


def keepers_of(store: Store, steps: Iterable[ReadyStep]) -> dict[str, Keeper]:
    """Path of a node -> the running state of its accumulators, where it has some."""
    return {
        step.layouts[name].path: Keeper(store, step.layouts[name], work.accumulation)
        for step in steps
        for name, work in step.works.items()
        if work.accumulation is not None
    }


@contextmanager
def saving(keepers: Iterable[Keeper]) -> Iterator[None]:
    """Save what was computed until then, also where the run fails."""
    kept = tuple(keepers)
    try:
        yield
    finally:
        for keeper in kept:
            keeper.save()
