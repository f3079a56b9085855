"""Spec and plugins -> plan. All problems of a spec are reported together."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from prosect.errors import Problem, SpecError, StoreError
from prosect.planning.analyses import Parts, Wanted, fit, plan_steps
from prosect.planning.bench import Bench
from prosect.planning.contents import Contents
from prosect.planning.corpora import plan_corpora
from prosect.planning.cost import TokenCounter
from prosect.planning.derived import plan_derived
from prosect.planning.inputs import Supplied
from prosect.planning.model import DerivedStep, Plan, PlannedModel, Step
from prosect.planning.models import Described, at_hand, describe, plan_models
from prosect.planning.records import StepRecord
from prosect.planning.settling import judged, with_costs
from prosect.planning.stores import store_path, stored_steps
from prosect.plugins.registry import Registry, load_registry
from prosect.spec.loading import Draft, Source, read_spec
from prosect.spec.places import nearest


@dataclass(frozen=True, kw_only=True)
class Request:
    """What a plan is asked for.

    Attributes
    ----------
    source
        A spec file, a mapping, or a `Spec`.
    registry
        What is installed; loaded where None.
    out
        Folder of the results, instead of the spec's.
    overrides
        ``path=value`` settings laid over the spec.
    replace
        Nodes ``MODEL/ANALYSIS`` which are computed again.
    counter
        Counts tokens exactly; without it they are estimated from the sizes of files.
    in_memory
        Models which are not loaded by name: name -> their configuration.
    """

    source: Source
    registry: Registry | None = None
    out: str | os.PathLike[str] | None = None
    overrides: Iterable[str] = ()
    replace: Collection[str] = ()
    counter: TokenCounter | None = None
    in_memory: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def make_plan(
    source: Source,
    *,
    registry: Registry | None = None,
    out: str | os.PathLike[str] | None = None,
    overrides: Iterable[str] = (),
    replace: Collection[str] = (),
    tokenise: TokenCounter | None = None,
) -> Plan:
    """Plan a spec; see `Request` for the arguments, and `plan_request` for what is raised."""
    return plan_request(
        Request(source=source, registry=registry, out=out, overrides=overrides, replace=replace, counter=tokenise)
    )


def plan_request(request: Request) -> Plan:
    """Make the complete plan: names resolved, selections expanded, costs estimated, states judged.

    Raises
    ------
    SpecError
        Carries every problem of the spec, ordered by place.
    StoreError
        The folder for the results is not ours, or of another schema version.
    """
    draft = read_spec(request.source, request.overrides)
    if not draft.whole:
        raise SpecError(draft.problems)
    bench = Bench(draft=draft, registry=request.registry or load_registry(), in_memory=request.in_memory)
    bench.problems.extend(draft.problems)
    models, corpora = plan_models(bench), plan_corpora(bench)
    steps = plan_steps(bench, Parts(models=models, corpora=corpora))
    derived = plan_derived(bench, steps, _stored(draft, request.out))
    _check_replaced(bench, (*steps, *derived), request.replace)
    store = _store(bench, request.out)
    steps = with_costs(bench, steps, request.counter)
    plan = Plan(
        spec=draft.spec(),
        source=draft.text,
        folder=draft.folder,
        store=None if store is None else str(store),
        models=tuple(found.model for group in models.values() for found in group),
        corpora=tuple(corpora.values()),
        steps=steps,
        derived=derived,
    )
    return judged(plan, Contents(), request.replace, {})


def complete(plan: Plan, *, registry: Registry | None = None, supplied: Mapping[str, Supplied] | None = None) -> Plan:
    """Fill in what could not be known before models were at hand, with every digest taken from the content itself.

    Parameters
    ----------
    plan
        A plan whose models have been loaded since, hence are in the local cache.
    registry
        What is installed; loaded where None.
    supplied
        Name of a model -> what only the process that loaded it knows.

    Raises
    ------
    SpecError
        What could only be seen now is wrong: a layer that the model does not have, an unknown architecture.
    ModelError
        A folder that is not a model.
    """
    supplied = supplied or {}
    bench = Bench(draft=read_spec(plan.spec), registry=registry or load_registry())
    models = {model.name: _known(bench, plan, model, supplied) for model in plan.models}
    fitted = tuple(_fitted(bench, step, models[step.model.name]) for step in plan.steps)
    steps = with_costs(bench, fitted, None)
    plan = replace(plan, models=tuple(found.model for found in models.values()), steps=steps)
    replaced = {step.node for step in plan.everything if step.state == "replace"}
    return judged(plan, Contents(verify=True), replaced, supplied)


def _store(bench: Bench, out: str | os.PathLike[str] | None) -> Path | None:
    try:
        return store_path(bench.draft, out)
    except StoreError as error:
        if out is not None:
            raise
        bench.note(("store", "path"), str(error), code="store")
        return None


def _stored(draft: Draft, out: str | os.PathLike[str] | None) -> Mapping[str, StepRecord]:
    """Read what the store holds already; nothing where it cannot be used, which is said once the spec is right."""
    try:
        return stored_steps(store_path(draft, out))
    except StoreError:
        return {}


def _check_replaced(bench: Bench, steps: Iterable[Step | DerivedStep], replaced: Iterable[str]) -> None:
    nodes = [step.node for step in steps]
    for node in replaced:
        if node not in nodes:
            message, close = f"the spec has no step {node!r}", nearest(node, nodes)
            bench.problems.append(Problem(message=message, file="--replace", suggestion=close, code="wrong-name"))


def _known(bench: Bench, plan: Plan, model: PlannedModel, supplied: Mapping[str, Supplied]) -> Described:
    found = model if model.config is not None else at_hand(model, plan.folder)
    return describe(found, bench.registry, supplied.get(model.name, Supplied()).config)


def _fitted(bench: Bench, step: Step, described: Described) -> Step:
    wanted = Wanted(
        analysis=step.analysis, layers=step.layer_selection, decomposition=step.decomposition, corpus=step.corpus
    )
    return replace(step, model=described.model, layers=fit(bench, wanted, described))
