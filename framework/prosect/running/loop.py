"""The one loop: plan, model and results meet here, unit by unit."""

from __future__ import annotations

import datetime
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import torch

from prosect.errors import ModelError, UsageError
from prosect.model.load import LoadedModel, fetch, load_model, pick_device
from prosect.model.tokens import Tokenised, TokenStream, Unit
from prosect.model.units import units
from prosect.planning.build import complete
from prosect.planning.digest import step_digest
from prosect.planning.inputs import Supplied
from prosect.planning.model import Plan, PlannedModel, Step
from prosect.planning.records import StepRecord
from prosect.planning.sources import commit_of
from prosect.planning.states import PENDING, refuse_changes
from prosect.planning.twins import identical_weights
from prosect.results.provenance import Provenance, package_versions, root_attributes
from prosect.running.compute import UnitComputer, UnitResult
from prosect.running.events import Began, Ended, Note, StepDone, UnitDone
from prosect.running.inputs import InputKey, input_key, lost, read_tokens, target_cache
from prosect.running.keeping import Keeper, keepers_of, saving
from prosect.running.prepare import ReadyStep, Scene, StoredStep, fed_streams, pad_id, pairs, ready
from prosect.running.progress import Reporter
from prosect.running.scene import open_scene
from prosect.running.work import StreamWork
from prosect.store.journal import node_path
from prosect.store.store import Store
from prosect.vocab.architecture import CROSS, fed_stream


@dataclass(frozen=True)
class Summary:
    """What a run left behind.

    Attributes
    ----------
    store
        Folder of the results.
    computed, untouched
        Nodes that were computed, and nodes that were finished already.
    closure_max
        Node -> largest relative gap between the sum of its terms and the hidden state.
    seconds
        Wall-clock time.
    """

    store: Path
    computed: tuple[str, ...]
    untouched: tuple[str, ...]
    closure_max: Mapping[str, float]
    seconds: float


def execute(plan: Plan, report: Reporter, *, in_memory: Mapping[str, LoadedModel] | None = None) -> Summary:
    """Carry out a plan: what is finished stays, what is not is computed.

    Parameters
    ----------
    plan
        The plan; models that are not at hand are fetched.
    report
        Told about progress.
    in_memory
        Models that are loaded already, by name.

    Raises
    ------
    StoreError
        A stored step has changed, or the folder is not a store of ours; nothing is computed.
    ClosureError, RunError
        The run failed; finished units stay, and the same command continues.
    """
    if plan.store is None:
        raise UsageError("this plan names no store; give 'out'")
    path, began, in_memory = Path(plan.store), time.monotonic(), in_memory or {}
    plan = complete(_at_hand(plan), supplied=supplied(in_memory))
    refuse_changes(plan)
    with Store.open(path, create=True) as store:
        run = _Run(plan, store, report, pick_device(plan.spec.compute.device), in_memory)
        run.clear()
        run.tell_twins()
        for model in plan.models:
            run.model(model)
        run.derive()
        closure = run.seal()
    seconds = time.monotonic() - began
    report(Ended(seconds))
    done = tuple(step.node for step in plan.everything if step.node not in run.computed)
    return Summary(path, tuple(run.computed), done, closure, seconds)


def _at_hand(plan: Plan) -> Plan:
    """Bring the configuration of hub models that are not at hand into the local cache."""
    for model in plan.models:
        if model.location is None and model.config is None and model.spec.load is not None:
            fetch(model.spec)
    return plan


def supplied(in_memory: Mapping[str, LoadedModel]) -> dict[str, Supplied]:
    """Say of models in memory what enters the digests of their steps."""
    return {
        name: Supplied(config=model.config, weights=model.weights_digest(), tokenizer=model.tokenizer_digest())
        for name, model in in_memory.items()
    }


class _Run:
    """State of one run: the open store, and what was computed."""

    def __init__(
        self, plan: Plan, store: Store, report: Reporter, device: torch.device, in_memory: Mapping[str, LoadedModel]
    ) -> None:
        self._plan, self._store, self._report, self._device = plan, store, report, device
        self._in_memory = in_memory
        self._keepers: dict[str, Keeper] = {}
        self.computed: list[str] = []
        self._twins: list[tuple[str, ...]] = []

    def model(self, planned: PlannedModel) -> None:
        """Compute every pending step of a model."""
        if not self._pending(planned.name):
            return
        loaded = self._in_memory.get(planned.name) or load_model(planned, self._device)
        if any(step.state == "unknown" for step in self._pending(planned.name)):
            known = {planned.name: Supplied(config=loaded.config)}
            self._plan = complete(self._plan, supplied={**known, **supplied(self._in_memory)})
            refuse_changes(self._plan)
        steps = self._pending(planned.name)
        if not steps:
            return
        if any(step_digest(step.config) is None for step in steps):
            raise ModelError(f"model {planned.name!r}: its files cannot be identified, so nothing could be continued")
        scene = open_scene(loaded, steps)
        groups: dict[InputKey, list[Step]] = {}
        for step in steps:
            groups.setdefault(input_key(step, loaded), []).append(step)
        for key, group in groups.items():
            tokens = read_tokens(group[0], key, loaded, target_cache(self._store.path))
            self._group(scene, group, tokens)

    def clear(self) -> None:
        """Remove derived results that are to be computed again: a run that is cut short must leave none of them."""
        stored = self._store.steps()
        for step in self._plan.derived:
            if step.state == "replace" and step.node in stored:
                self._store.remove(step.node)

    def tell_twins(self) -> None:
        """Say which models are the same under two names, once for each group."""
        for names in identical_weights(self._plan.steps):
            if names not in self._twins:
                self._twins.append(names)
                self._report(Note(f"the weights of {' and '.join(names)} are identical", warning=True))

    def derive(self) -> None:
        """Compute every pending metric over stored results."""
        pending = [step for step in self._plan.derived if step.state in PENDING]
        if not pending:
            return
        from prosect.running.derived import compute

        for step in pending:
            if compute(step, self._store):
                self.computed.append(step.node)
                self._report(StepDone(step.node, None))

    def seal(self) -> dict[str, float]:
        """Write the provenance of the run, and return the closure of every node of the plan."""
        self.tell_twins()
        closure = {step.node: self._closure(step.node) for step in self._plan.steps if step.node in self._store.steps()}
        if self.computed or not self._store.sealed:
            self._store.seal(root_attributes(self._provenance(closure), self._store.attrs))
        return closure

    def _pending(self, model: str) -> list[Step]:
        return [step for step in self._plan.steps if step.model.name == model and step.state in PENDING]

    def _group(self, scene: Scene, steps: Sequence[Step], tokens: Tokenised) -> None:
        self._tell_losses(steps[0], tokens)
        readied = self._place(steps, scene, tokens)
        fed = fed_streams(tokens, scene)
        todo = [job for name in fed for job in self._jobs(name, readied, fed)]
        self._report(Began(sum(unit.stop - unit.start for job in todo for unit in job.pending), len(steps)))
        self._keepers = keepers_of(self._store, readied)
        for job in todo:
            self._compute(scene, job, fed)
        for step in readied:
            self._finish(step)

    def _tell_losses(self, step: Step, tokens: Tokenised) -> None:
        if found := lost(tokens.losses):
            self._report(Note(f"{step.model.name}, corpus {step.corpus.name!r}: {found}", warning=True))

    def _place(self, steps: Sequence[Step], scene: Scene, tokens: Tokenised) -> list[ReadyStep]:
        """Prepare steps and make sure that their nodes stand in the store; new ones share the size of their batches."""
        for step in steps:
            if step.state == "replace":
                self._store.remove(step.node)
        records = self._store.steps()
        compute = self._plan.spec.compute
        readied = [ready(step, scene, tokens, compute, self._stored(records.get(step.node))) for step in steps]
        new = [step for step in readied if step.step.node not in records]
        budget = min((step.record.batch_tokens for step in new), default=0)
        placed = [step.with_budget(budget) if step in new else step for step in readied]
        for one in placed:
            if one.step.node in records:
                self._store.verify(list(one.layouts.values()))
            else:
                self._store.allocate(list(one.layouts.values()), one.record, one.whole())
        return placed

    def _stored(self, record: StepRecord | None) -> StoredStep | None:
        if record is None:
            return None
        lengths = {name: self._store.unit_tokens(node_path(record.node, name)) for name in record.units}
        return StoredStep(record, lengths)

    def _jobs(self, name: str, steps: Iterable[ReadyStep], fed: Mapping[str, TokenStream]) -> list[_Job]:
        """Group nodes whose units and batches are the same: they share forward passes."""
        groups: dict[tuple[int, int, bool], list[_Task]] = {}
        for step in steps:
            for node, work in step.works.items():
                if fed_stream(node) == name:
                    done = self._store.finished_units(step.step.node, node)
                    # Eager attention differs from the default by rounding: with it apart, a resumed run gives the
                    # same bits.
                    key = step.unit_tokens[node], step.record.batch_tokens, work.needs_attention
                    groups.setdefault(key, []).append(_Task(step, node, done))
        jobs = []
        for (length, budget, _), group in groups.items():
            cut = units(fed[name], length)
            pending = tuple(unit for unit in cut if any(unit.index not in task.done for task in group))
            jobs.append(_Job(name, tuple(group), len(cut), pending, budget))
        return jobs

    def _compute(self, scene: Scene, job: _Job, fed: Mapping[str, TokenStream]) -> None:
        computers: dict[tuple[str, ...], UnitComputer] = {}
        with saving(self._keepers[task.path] for task in job.tasks if task.path in self._keepers), _Writer() as writer:
            for unit in job.pending:
                tasks = [task for task in job.tasks if unit.index not in task.done]
                key = tuple(task.path for task in tasks)
                if key not in computers:
                    works, limits = [task.work for task in tasks], [task.step.limit for task in tasks]
                    computers[key] = UnitComputer(scene.model, works, limits)
                began = time.monotonic()
                cut = pairs(fed, job.stream, unit, budget=job.budget, pad_id=pad_id(scene.model))
                results = computers[key].compute(cut, fed[job.stream], unit)
                # Nothing may be saved while states are merged.
                writer.settle()
                results = tuple(self._kept(*pair, unit) for pair in zip(tasks, results, strict=True))
                writer.submit(self._write, tasks, job, unit, results, time.monotonic() - began)

    def _kept(self, task: _Task, result: UnitResult, unit: Unit) -> UnitResult:
        """Merge what a unit has gathered, and let go of it."""
        if result.gathering is not None:
            self._keepers[task.path].take(unit, result.gathering)
        return replace(result, gathering=None)

    def _write(
        self, tasks: Sequence[_Task], job: _Job, unit: Unit, results: Sequence[UnitResult], seconds: float
    ) -> None:
        for task, result in zip(tasks, results, strict=True):
            entry = {"closure_max": result.closure_max, "halved": result.halved, "seconds": round(seconds, 3)}
            if result.given:
                self._store.write_source_unit(task.step.layouts[CROSS], unit, result.given)
            layout, keeper = task.step.layouts[task.node], self._keepers.get(task.path)
            if keeper is None:
                self._store.write_unit(layout, unit, result.arrays, entry)
            else:
                self._store.write_data(layout, unit, result.arrays)
                keeper.written(unit, entry)
        self._report(UnitDone(tasks[0].path, unit.index, job.units, unit.stop - unit.start))

    def _finish(self, step: ReadyStep) -> None:
        attrs = {}
        for layout in step.layouts.values():
            if layout.path in self._keepers:
                self._store.write_whole(layout, self._keepers.pop(layout.path).finalise())
        for name in step.record.units:
            entries = self._store.entries(step.step.node, name).values()
            attrs[node_path(step.step.node, name)] = {
                "closure_max": max(entry["closure_max"] for entry in entries),
                "units_halved": sum(entry["halved"] for entry in entries),
                "losses": dict(step.losses),
            }
        self._store.finish(step.record, attrs)
        self.computed.append(step.step.node)
        self._report(StepDone(step.step.node, self._closure(step.step.node)))

    def _closure(self, node: str) -> float:
        streams = self._store.steps()[node].units
        entries = [entry for name in streams for entry in self._store.entries(node, name).values()]
        return float(max(entry["closure_max"] for entry in entries))

    def _provenance(self, closure: Mapping[str, float]) -> Provenance:
        plan = self._plan
        used = {step.model.name: step for step in plan.steps}
        return Provenance(
            spec=plan.source if plan.source is not None else plan.spec.model_dump_json(indent=1),
            packages=package_versions(),
            models={name: _model_record(step) for name, step in used.items()},
            corpora={step.corpus.name: dict(step.config["corpus"]) for step in plan.steps},
            device=str(self._device),
            time=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
            closure_max=closure,
            identical_weights=self._twins,
        )


@dataclass(frozen=True)
class _Task:
    """One node of a step (a stream, or ``cross``), and which of its units are done."""

    step: ReadyStep
    node: str
    done: frozenset[int]

    @property
    def work(self) -> StreamWork:
        return self.step.works[self.node]

    @property
    def path(self) -> str:
        return node_path(self.step.step.node, self.node)


@dataclass(frozen=True)
class _Job:
    """Units of one stream that several nodes are computed from together."""

    stream: str
    tasks: tuple[_Task, ...]
    units: int
    pending: tuple[Unit, ...]
    budget: int


class _Writer:
    """Writes one unit while the next is computed; a fault in writing surfaces at the next unit."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="prosect-writer")
        self._waiting: Future[None] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            self.settle()
        finally:
            self._pool.shutdown()

    def submit(self, write: Callable[..., None], *args: object) -> None:
        """Write as soon as the unit before is written."""
        self.settle()
        self._waiting = self._pool.submit(write, *args)

    def settle(self) -> None:
        """Wait until the unit before is written."""
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.result()


def _model_record(step: Step) -> dict[str, object]:
    spec = step.model.spec
    return {
        **dict(step.config["model"]),
        "load": spec.load,
        "revision": spec.revision,
        "commit": commit_of(step.model.location),
        "matrix": dict(step.model.matrix),
        "trust_remote_code": spec.trust_remote_code,
    }
