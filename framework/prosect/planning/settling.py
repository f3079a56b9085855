"""The last part of a plan, shared by planning and by completing it: labels counted, costs, digests, states."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from prosect.errors import ProsectError, SpecError, UsageError
from prosect.planning.axes import Axes, axes_by_stream
from prosect.planning.bench import Bench
from prosect.planning.contents import Contents
from prosect.planning.corpora import token_names
from prosect.planning.cost import TokenCounter, step_cost
from prosect.planning.derivedstates import Judging, judge_derived
from prosect.planning.inputs import Supplied
from prosect.planning.model import Bound, Plan, Step
from prosect.planning.states import judge
from prosect.planning.stepconfig import step_config
from prosect.planning.stores import stored_steps
from prosect.plugins.declarations import MetricDeclaration
from prosect.spec.models import Named
from prosect.spec.places import KeyPath, in_order, nearest
from prosect.vocab.architecture import CROSS
from prosect.vocab.components import Component
from prosect.vocab.dims import COMPONENT, OTHER_COMPONENT


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
    if any(found.by_token or found.per_source for found in (axes or {}).values()):
        _check_by_token(bench, step)
    for name, found in (axes or {}).items():
        if found.labels is not None:
            _check_own_axes(bench, step, name, found.labels)
    if axes and not any(found.maps for found in axes.values()):
        _check_maps(bench, step)
    if axes is not None and not axes and step.model.architecture is not None:
        message = f"with these options {step.decomposition.name!r} wants nothing of any stream of {step.model.name!r}"
        bench.note(("analyses", step.analysis, "decomposition"), message)
    for annotation in {found.annotation for found in (axes or {}).values()} - {None}:
        _check_annotation(bench, step, str(annotation))
    return axes


def _check_own_axes(bench: Bench, step: Step, stream: str, labels: tuple[Component, ...]) -> None:
    """Note where a metric's own dimensions cannot be made of the labels, and where two metrics disagree about one."""
    seen: dict[str, tuple[str, ...]] = {}
    path: KeyPath = ("analyses", step.analysis, "metrics")
    for metric in step.metrics:
        if "head" in metric.declaration.requires and stream in {"encoder", CROSS}:
            continue
        try:
            own = metric.declaration.own_axes(metric.options, labels)
        except UsageError as error:
            bench.note(path, f"{metric.name!r}: {error}")
            continue
        for dim, values in own.items():
            if seen.setdefault(dim, tuple(values)) != tuple(values):
                bench.note(
                    path,
                    f"{metric.name!r} and another metric of this analysis mean different things by the dimension "
                    f"{dim!r}: give them the same option, or put them into two analyses",
                )


def _check_maps(bench: Bench, step: Step) -> None:
    """Note metrics of maps where there are none."""
    path: KeyPath = ("analyses", step.analysis)
    named = bench.draft.analyses[step.analysis].metrics is not None
    for index, metric in enumerate(step.metrics):
        if "maps" in metric.declaration.requires:
            others = ", ".join(_with_maps(bench))
            message = f"{metric.name!r} reads maps of tokens to tokens, and {step.decomposition.name!r} gives none"
            at = (*path, "metrics", index) if named else (*path, "decomposition")
            bench.note(at, f"{message}: use it with {others}" if others else message, code="maps")


def _with_maps(bench: Bench) -> Iterator[str]:
    """Decompositions that measure maps by default."""
    reading = {one.name for one in bench.registry.declarations("metrics") if "maps" in one.requires}
    yield from (one.name for one in bench.registry.declarations("decompositions") if reading & set(one.metrics))


def _check_annotation(bench: Bench, step: Step, name: str) -> None:
    """Note where tokens are to be grouped by an annotation that the corpus does not have, as far as it says so."""
    found = token_names(step.corpus)
    if found is None or name in found:
        return
    message = f"tokens cannot be grouped by {name!r}: the corpus {step.corpus.name!r} has no such annotation"
    path: KeyPath = ("analyses", step.analysis, "decomposition")
    given = bench.draft.analyses[step.analysis].decomposition
    # The option by which a decomposition takes it, where it is the usual one.
    at = (*path, "group") if isinstance(given, Named) and given.options.get("group") == name else path
    valid = ("token", "stream", *found)
    bench.note(at, message, suggestion=nearest(name, valid), code="annotation")


def _accumulated_by_token(metric: Bound[MetricDeclaration], used: set[str], name: str) -> str:
    """Say why an accumulator does not go with labels that are tokens; empty where it does."""
    try:
        metric.declaration.own_axes(metric.options, ())
    except UsageError as error:
        return f"{metric.name!r}: {error}"
    if {COMPONENT, OTHER_COMPONENT} & used:
        return (
            f"{metric.name!r} is accumulated term by term; {name!r} has one for every token of a sentence: choose "
            "the hidden state itself (component: total), or group the tokens"
        )
    return ""


def _check_by_token(bench: Bench, step: Step) -> None:
    name = step.decomposition.name
    for metric in step.metrics:
        used = {dim for variable in metric.declaration.variables(metric.options) for dim in variable.dims}
        message = ""
        if metric.declaration.form == "accumulator":
            message = _accumulated_by_token(metric, used, name)
        elif metric.declaration.axes is not None and not metric.declaration.of_single_terms(metric.options):
            message = f"{metric.name!r} puts components together; {name!r} has one for every token of a sentence"
        elif OTHER_COMPONENT in used:
            message = f"{metric.name!r} compares terms in pairs; {name!r} has one for every token, which is too many"
        if message:
            bench.note(("analyses", step.analysis, "metrics"), message)
    if step.keep_terms is not None:
        message = f"the terms of {name!r} are not stored: there is one for every pair of tokens"
        bench.note(("analyses", step.analysis, "keep"), message)
