"""The last part of a plan, shared by planning and by completing it: labels counted, costs, digests, states."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from pathlib import Path

from prosect.errors import ProsectError, SpecError
from prosect.planning.axes import Axes, axes_by_stream
from prosect.planning.bench import Bench
from prosect.planning.contents import Contents
from prosect.planning.cost import TokenCounter, step_cost
from prosect.planning.derivedstates import Judging, judge_derived
from prosect.planning.fitting import check_annotation, check_metrics
from prosect.planning.inputs import Supplied
from prosect.planning.model import Plan, Step
from prosect.planning.states import judge
from prosect.planning.stepconfig import step_config
from prosect.planning.stores import stored_steps
from prosect.spec.places import in_order


def with_costs(bench: Bench, steps: tuple[Step, ...], counter: TokenCounter | None) -> tuple[Step, ...]:
    """Add costs, as soon as nothing is wrong.

    Raises
    ------
    SpecError
        Carries all problems of the bench.
    """
    axes = [_axes(bench, step) for step in steps]
    if bench.problems:
        raise SpecError(in_order(bench.problems))
    pairs = zip(steps, axes, strict=True)
    return tuple(
        step if step.cost.exact else replace(step, cost=step_cost(step, found, counter)) for step, found in pairs
    )


def judged(plan: Plan, contents: Contents, replaced: Collection[str], supplied: Mapping[str, Supplied]) -> Plan:
    """Add configuration and state of every step.

    Raises
    ------
    StoreError
        The folder for the results is not ours, or of another schema version.
    """
    store = None if plan.store is None else Path(plan.store)
    records = stored_steps(store)
    steps = []
    for step in plan.steps:
        config = step_config(step, contents, supplied.get(step.model.name, Supplied()))
        steps.append(judge(replace(step, config=config), store, records.get(step.node), replaced))
    derived = judge_derived(plan.derived, steps, Judging(contents, store, records, replaced))
    contents.save()
    return replace(plan, steps=tuple(steps), derived=derived)


def _axes(bench: Bench, step: Step) -> Mapping[str, Axes] | None:
    try:
        axes = axes_by_stream(step)
    except ProsectError as error:
        bench.note(("analyses", step.analysis, "decomposition"), f"model {step.model.name!r}: {error}")
        return None
    check_metrics(bench, step, axes or {})
    if axes is not None and not axes and step.model.architecture is not None:
        message = f"with these options {step.decomposition.name!r} wants nothing of any stream of {step.model.name!r}"
        bench.note(("analyses", step.analysis, "decomposition"), message)
    for annotation in {found.annotation for found in (axes or {}).values()} - {None}:
        check_annotation(bench, step, str(annotation))
    return axes
