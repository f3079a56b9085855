"""A plan once its models are at hand: what was unknown before is filled in, and every digest verified."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from prosect.planning.analyses import Wanted, fit
from prosect.planning.bench import Bench
from prosect.planning.contents import Contents
from prosect.planning.inputs import Supplied
from prosect.planning.model import Plan, PlannedModel, Step
from prosect.planning.models import Described, at_hand, describe
from prosect.planning.settling import judged, with_costs
from prosect.plugins.registry import Registry, load_registry
from prosect.spec.loading import read_spec


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
    replaced = {step.node for step in plan.steps if step.state == "replace"}
    return judged(plan, Contents(verify=True), replaced, supplied)


def _known(bench: Bench, plan: Plan, model: PlannedModel, supplied: Mapping[str, Supplied]) -> Described:
    found = model if model.config is not None else at_hand(model, plan.folder)
    return describe(found, bench.registry, supplied.get(model.name, Supplied()).config)


def _fitted(bench: Bench, step: Step, described: Described) -> Step:
    wanted = Wanted(
        analysis=step.analysis, layers=step.layer_selection, decomposition=step.decomposition, corpus=step.corpus
    )
    return replace(step, model=described.model, layers=fit(bench, wanted, described))
