"""A store of results: a folder with Zarr arrays, and a journal of what in it is complete.

The order of writing is what makes it safe: an array is made before the record that says it is there,
a unit's data is on the disk before the entry that says it is complete, and ``finished`` comes last.
A process may be killed between any two of these steps; the next one continues.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy.typing as npt
import zarr

from prosect.errors import StoreError
from prosect.model.tokens import Unit
from prosect.planning.records import StepRecord, finished_units, step_folder
from prosect.results.layout import NodeLayout
from prosect.store import arrays, consolidation, identity, journal, running_state
from prosect.store.atomic import flush, sweep
from prosect.store.checks import check_data, check_node, check_region, check_step
from prosect.store.failures import storage_errors
from prosect.store.folder import ResultFolder
from prosect.store.lock import Lock
from prosect.vocab.dims import SOURCE_TOKEN

Data = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class Store:
    """An open store. Use it as a context manager, or `close` it: the lock belongs to it.

    Attributes
    ----------
    path
        Its folder.
    lock
        Held by the process that runs; None for a worker that joined it with `attach`.
    """

    path: Path
    lock: Lock | None = None

    @classmethod
    def open(cls, path: Path, *, create: bool) -> Store:
        """Open a store for a run, alone; what a killed run left half-made is removed.

        Parameters
        ----------
        path
            Folder of the store.
        create
            Make a new one where nothing is.

        Raises
        ------
        StoreError
            Not a store of ours, another schema version, a file in the way, in use, not writable: nothing was touched.
        """
        with storage_errors(path), ExitStack() as undo:
            if not (create and identity.claimable(path)):
                identity.identify(path)
            store = undo.enter_context(cls(path, Lock.take(path)))
            store._prepare()
            undo.pop_all()
        return store

    @classmethod
    def attach(cls, path: Path) -> Store:
        """Join a run as a worker: write units of steps that the process holding the lock has allocated."""
        identity.identify(path)
        return cls(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the lock back."""
        if self.lock is not None:
            self.lock.release()

    @property
    def attrs(self) -> dict[str, Any]:
        """Attributes of the root: the provenance."""
        return dict(self._root().attrs)

    @property
    def sealed(self) -> bool:
        """Whether nothing has changed since the last `seal`; a run that was killed just before it seals again."""
        return consolidation.present(self.path)

    def steps(self) -> dict[str, StepRecord]:
        """Read the records of all steps, by node."""
        return journal.steps(self.path)

    def finished_units(self, node: str, stream: str = journal.MAIN) -> frozenset[int]:
        """Numbers of the units whose data is complete."""
        return finished_units(self.path, node, stream)

    def entries(self, node: str, stream: str = journal.MAIN) -> dict[int, dict[str, Any]]:
        """Read what was noted about each complete unit, by number, ascending."""
        return journal.entries(self.path, node, stream)

    def unit_tokens(self, path: str) -> int:
        """Length of the units a stored node was allocated with: a resumed run must use the same."""
        return int(str(self._root()[path].attrs[arrays.UNIT_TOKENS]))

    def allocate(
        self, layouts: Sequence[NodeLayout], record: StepRecord, whole: Sequence[tuple[NodeLayout, Data]] = ()
    ) -> None:
        """Create the nodes of a new step; its record is written when all of them stand.

        Parameters
        ----------
        layouts
            One per stream: ``MODEL/ANALYSIS``, or ``MODEL/ANALYSIS/STREAM``.
        record
            The step, with the number of units of every stream.
        whole
            Further nodes below the step's, with all their data.

        Raises
        ------
        StoreError
            The step is already there, something that is not ours stands in its place, or layouts and record disagree.
        """
        check_step(layouts, record)
        self._check_absent(record.node)
        with self._changing():
            step_folder(self.path, record.node).mkdir(parents=True)
            for layout in layouts:
                arrays.create_node(self._root(), layout)
            for layout, data in whole:
                check_data(layout, layout.arrays, data)
                arrays.write_node(self._root(), layout, data)
            journal.write_record(self.path, replace(record, state="allocated"))

    def verify(self, layouts: Sequence[NodeLayout]) -> None:
        """Check, before a step is continued, that its arrays and coordinates are those this run would make."""
        root = self._root()
        for layout in layouts:
            for array in layout.arrays:
                arrays.check_array(arrays.open_array(root, layout.path, array.name), layout, array)
            for coordinate in layout.coordinates:
                found = arrays.open_array(root, layout.path, coordinate.name)
                arrays.check_coordinate(found, layout, coordinate)

    def write_unit(self, layout: NodeLayout, unit: Unit, data: Data, entry: Mapping[str, Any]) -> None:
        """Write every token variable of one unit, then note that it is complete.

        Any number of processes may write different units at the same time; to write one again is harmless.

        Parameters
        ----------
        layout
            Node of the stream.
        unit
            A whole unit of its token axis; any other range is refused.
        data
            Variable -> values in the layout's dtype, with the unit's tokens on the ``token`` axis.
        entry
            What to note, as JSON: ``closure_max``, ``seconds``, ``halved`` ….
        """
        self.write_data(layout, unit, data)
        self.note_unit(layout, unit, entry)

    def write_data(self, layout: NodeLayout, unit: Unit, data: Data) -> None:
        """Write every token variable of one unit to the disk; it is not complete before `note_unit`."""
        check_region(layout, unit)
        by_unit = arrays.token_arrays(layout)
        check_data(layout, by_unit, data)
        root = self._root()
        with storage_errors(self.path):
            shards = [arrays.write_part(root, layout, array, data[array.name], unit) for array in by_unit]
            flush(self.path / shard for shard in shards)

    def note_unit(self, layout: NodeLayout, unit: Unit, entry: Mapping[str, Any]) -> None:
        """Note that a unit is complete: its data is written, and a saved state covers it where there is one."""
        noted = {"tokens": unit.stop - unit.start, **entry}
        with storage_errors(self.path):
            journal.write_entry(self.path, *journal.place(layout.path), unit.index, noted)

    def save_state(self, layout: NodeLayout, saved: running_state.SavedState) -> None:
        """Save the running state of a node's accumulators in one piece."""
        with storage_errors(self.path):
            running_state.save(self.path, *journal.place(layout.path), saved)

    def write_source_unit(self, layout: NodeLayout, unit: Unit, data: Data) -> None:
        """Write every variable on ``source_token`` of one unit of the encoder, before that unit itself is noted.

        The encoder's entry in the journal speaks for both, so no shard has two writers.

        Parameters
        ----------
        layout
            The node ``cross``.
        unit
            A whole unit of the encoder.
        data
            As for `write_unit`.
        """
        check_region(layout, unit, SOURCE_TOKEN)
        by_unit = arrays.source_token_arrays(layout)
        check_data(layout, by_unit, data)
        root = self._root()
        with storage_errors(self.path):
            flush(self.path / arrays.write_part(root, layout, array, data[array.name], unit) for array in by_unit)

    def write_whole(self, layout: NodeLayout, data: Data) -> None:
        """Write all variables without a token axis, before the step is finished."""
        whole = arrays.whole_arrays(layout)
        check_data(layout, whole, data)
        with storage_errors(self.path):
            for array in whole:
                arrays.write_whole(self._root(), layout, array, data[array.name])

    def write_node(self, layout: NodeLayout, data: Data, record: StepRecord) -> None:
        """Write a node that is made at once, and then the record that says it is finished.

        Parameters
        ----------
        layout
            The node; a store may hold no other step of its path.
        data
            Variable -> values.
        record
            The step, with one unit of the stream ``main``.

        Raises
        ------
        StoreError
            The node is already there, or its layout cannot be stored.
        """
        check_node(layout, record)
        check_data(layout, layout.arrays, data)
        self._check_absent(record.node)
        with self._changing():
            step_folder(self.path, record.node).mkdir(parents=True)
            arrays.write_node(self._root(), layout, data)
            flush(path for path in (self.path / layout.path).rglob("*") if path.is_file())
            journal.write_entry(self.path, record.node, journal.MAIN, 0, {})
            journal.write_record(self.path, replace(record, state="finished"))

    def finish(self, record: StepRecord, attrs: Mapping[str, Mapping[str, Any]]) -> None:
        """Mark a step as finished, as the very last thing.

        Parameters
        ----------
        record
            The step.
        attrs
            Path of a node -> attributes to add to it (``closure_max`` …).

        Raises
        ------
        StoreError
            Units are missing.
        """
        missing = journal.missing_units(self.path, record)
        if missing:
            raise StoreError(f"{self.path}: {record.node} is not complete; missing units by stream: {missing}")
        with self._changing():
            for stream in record.units:
                path = journal.node_path(record.node, stream)
                self._root()[path].update_attributes({**attrs.get(path, {}), arrays.STATE: "finished"})
            journal.write_record(self.path, replace(record, state="finished"))
            running_state.clear(self.path, [record.node])

    def remove(self, node: str) -> None:
        """Remove a step. Its record goes first, so that a kill leaves a half-made node and no wrong one."""
        with self._changing():
            (step_folder(self.path, node) / "step.json").unlink(missing_ok=True)
            self._clear(node)

    def seal(self, attrs: Mapping[str, Any]) -> None:
        """Set the attributes of the root, and collect all metadata there for fast opening."""
        with self._changing():
            self._root().attrs.put(dict(attrs))
            consolidation.refresh(ResultFolder(self.path, hidden=journal.half_made(self.path)))

    def _check_absent(self, node: str) -> None:
        if node in self.steps():
            raise StoreError(f"{self.path}: {node} is already stored; recompute it with --replace {node}")
        if (self.path / node).exists():
            raise StoreError(f"{self.path}: {node} holds something that no run of prosect has made; move it away")

    def _prepare(self) -> None:
        if not (self.path / identity.IDENTITY).exists():
            identity.claim(self.path)
        if not (self.path / "zarr.json").exists():
            zarr.create_group(ResultFolder(self.path), zarr_format=3)
        sweep(self.path)
        running_state.clear(self.path, [node for node, record in self.steps().items() if record.state == "finished"])
        for node in journal.half_made(self.path):
            consolidation.drop(self.path)
            self._clear(node)

    def _clear(self, node: str) -> None:
        model = (self.path / node).parent
        _remove(self.path / node)
        if model.exists() and {entry.name for entry in model.iterdir()} <= {"zarr.json"}:
            _remove(model)
        # the journal's folder says that something is to be cleared, so it goes last
        _remove(step_folder(self.path, node))

    @contextmanager
    def _changing(self) -> Iterator[None]:
        if self.lock is None:
            raise StoreError(f"{self.path}: a worker that joined a run may only write units")
        with storage_errors(self.path):
            consolidation.drop(self.path)
            yield

    def _root(self) -> zarr.Group:
        return zarr.open_group(ResultFolder(self.path), mode="r+", zarr_format=3, use_consolidated=False)


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
