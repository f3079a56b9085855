"""The ``derived`` section: what every entry reads, resolved to nodes of the store, and in which order they go."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from prosect.planning.bench import Bench
from prosect.planning.files import absolute, check_files
from prosect.planning.known import KnownNodes, ReferenceFault
from prosect.planning.model import DERIVED, Bound, DerivedStep, PlannedInput, Step
from prosect.planning.records import StepRecord
from prosect.planning.tables import plan_tables
from prosect.plugins.declarations import MetricDeclaration
from prosect.spec.models import DerivedSpec
from prosect.spec.places import KeyPath, nearest


def plan_derived(bench: Bench, steps: Iterable[Step], stored: Mapping[str, StepRecord]) -> tuple[DerivedStep, ...]:
    """Plan every entry of ``derived`` that is right, each behind those that it reads; problems go to the bench.

    Parameters
    ----------
    bench
        The spec and the plugins.
    steps
        The steps of this spec.
    stored
        What the store holds already: its nodes may be read too.
    """
    _check_names(bench)
    known = KnownNodes.of(steps, stored, bench.draft.names("derived"))
    found = [_planned(bench, known, name, spec) for name, spec in bench.draft.derived.items()]
    return tuple(_ordered(bench, [step for step in found if step is not None]))


def _check_names(bench: Bench) -> None:
    if DERIVED in bench.draft.names("models") and bench.draft.names("derived"):
        message = f"a model may not be called {DERIVED!r}: the results of the section {DERIVED!r} have that name"
        bench.problems.append(bench.document.at_key(("models", DERIVED), message, code="wrong-name"))


def _planned(bench: Bench, known: KnownNodes, name: str, spec: DerivedSpec) -> DerivedStep | None:
    path: KeyPath = (DERIVED, name)
    before = len(bench.problems)
    metric = _metric(bench, name, spec)
    given = [spec.of] if isinstance(spec.of, str) else spec.of
    inputs = tuple(_inputs(bench, known, (*path, "of"), spec))
    tables = tuple(plan_tables(bench, (*path, "tables"), spec.tables, bench.draft.folder_of(DERIVED, name)))
    if metric is None or len(inputs) < len(given) or len(bench.problems) > before:
        return None
    step = DerivedStep(name=name, metric=metric, inputs=inputs, tables=tables)
    _check_number(bench, path, step)
    _check_variables(bench, known, path, step)
    return step


def _metric(bench: Bench, name: str, spec: DerivedSpec) -> Bound[MetricDeclaration] | None:
    path: KeyPath = (DERIVED, name)
    declaration = bench.declaration(lambda wanted: bench.registry.find("metrics", wanted), spec.name, (*path, "name"))
    if declaration is None:
        return None
    if declaration.form != "derived":
        bench.note((*path, "name"), f"{spec.name!r} measures a model; only derived metrics stand here")
        return None
    own = absolute(spec.options, declaration.paths, bench.draft.folder_of(DERIVED, name))
    check_files(bench, path, own, declaration.paths)
    options = bench.options(declaration.options, own, path, valid=tuple(DerivedSpec.model_fields))
    return None if options is None else Bound(declaration, options)


def _inputs(bench: Bench, known: KnownNodes, path: KeyPath, spec: DerivedSpec) -> Iterator[PlannedInput]:
    given = [spec.of] if isinstance(spec.of, str) else spec.of
    for index, reference in enumerate(given):
        place = path if isinstance(spec.of, str) else (*path, index)
        found = known.find(reference)
        if isinstance(found, ReferenceFault):
            if not _told_elsewhere(bench, reference):
                bench.note(place, found.message, suggestion=found.suggestion, code="wrong-name")
        else:
            yield found


def _told_elsewhere(bench: Bench, reference: str) -> bool:
    """Whether a reference may lead nowhere only because an entry that it names is wrong itself."""
    model, _, analysis = reference.partition("/")
    entries = model.partition("@")[0], analysis.partition("/")[0]
    known = bench.draft.names("models"), bench.draft.names("analyses")
    return bool(bench.problems) and all(entry in names for entry, names in zip(entries, known, strict=True))


def _check_number(bench: Bench, path: KeyPath, step: DerivedStep) -> None:
    least, most = step.metric.declaration.inputs
    separate = step.metric.declaration.members == "separate"
    nodes = sum(len(found.nodes) if separate else 1 for found in step.inputs)
    number = nodes + len(step.tables)
    if number < least or (most is not None and number > most):
        wanted = str(least) if least == most else f"{least} or more" if most is None else f"{least} to {most}"
        noun = "dataset" if most == 1 else "datasets"
        message = f"{step.metric.name!r} reads {wanted} {noun} (nodes of 'of', then 'tables'), and here are {number}"
        if most == 1 and not step.tables:
            message += "; the name of a matrix, or one with '*', stands for several models as one dataset"
        bench.note((*path, "of"), message)


def _check_variables(bench: Bench, known: KnownNodes, path: KeyPath, step: DerivedStep) -> None:
    declaration = step.metric.declaration
    held = {node: known.variables(node) for node in step.nodes}
    for node, variables in held.items():
        missing = [] if variables is None else [name for name in declaration.needs if name not in variables]
        if missing:
            advice = "; 'keep: [terms]' of the analysis stores it" if "terms" in missing else ""
            message = f"{step.metric.name!r} needs the variable {missing[0]!r}, which {node} does not have{advice}"
            bench.note((*path, "of"), message)
    everything = [variables for variables in held.values() if variables is not None]
    if step.tables or len(everything) < len(held):
        return  # a table or another derived result may hold anything
    either = frozenset().union(*everything)
    for option in declaration.naming:
        value = getattr(step.metric.options, option)
        for index, name in enumerate([value] if isinstance(value, str) else value or ()):
            if name not in either:
                place = (*path, option) if isinstance(value, str) else (*path, option, index)
                message = f"there is no variable {name!r} in {', '.join(held)}"
                bench.note(place, message, suggestion=nearest(name, either), code="wrong-name")


def _ordered(bench: Bench, steps: list[DerivedStep]) -> Iterator[DerivedStep]:
    """Put every entry behind those that it reads; note those that read each other in a circle."""
    left = {step.node: step for step in steps}
    while left:
        ready = [step for step in left.values() if not any(node in left for node in step.nodes)]
        if not ready:
            names = ", ".join(step.name for step in left.values())
            first = next(iter(left.values()))
            bench.note((DERIVED, first.name, "of"), f"these read each other in a circle: {names}")
            return
        yield from ready
        left = {node: step for node, step in left.items() if step not in ready}
