"""The models of a spec: matrices expanded, located, their configuration read and their family described."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from prosect.errors import ModelError, PluginError, ProsectError
from prosect.planning.bench import Bench
from prosect.planning.model import PlannedModel
from prosect.planning.sources import locate, read_config
from prosect.plugins.loading import Failure, guarded
from prosect.plugins.registry import Registry, implementation
from prosect.spec.matrix import Member, members
from prosect.spec.places import KeyPath
from prosect.vocab.architecture import Architecture

HELP: Final = "docs/architectures.md says how to add one, and 'decomposition: none' needs no description"


@dataclass(frozen=True)
class Described:
    """A planned model, and why it has no description where it should have one.

    Attributes
    ----------
    model
        The model.
    fault
        A problem for analyses that need the description; None where it is there, or where it
        stays unknown until the model is loaded.
    """

    model: PlannedModel
    fault: str | None = None


def plan_models(bench: Bench) -> dict[str, tuple[Described, ...]]:
    """Plan all members of every model entry that is right in itself; problems go to the bench."""
    return {name: tuple(_members(bench, name)) for name in bench.draft.models}


def _members(bench: Bench, entry: str) -> Iterator[Described]:
    if any(found.path.startswith(f"models.{entry}.matrix") for found in bench.draft.problems):
        return
    for member in members(entry, bench.draft.models[entry]):
        try:
            yield describe(_planned(bench, entry, member), bench.registry)
        except ModelError as error:
            bench.note(_place(bench, entry, member, "load"), str(error), code="model")


def _planned(bench: Bench, entry: str, member: Member) -> PlannedModel:
    spec, folder = member.spec, bench.draft.folder_of("models", entry)
    model = PlannedModel(name=member.name, entry=entry, spec=spec, matrix=member.values)
    if entry in bench.in_memory:
        return replace(model, config=bench.in_memory[entry])
    if spec.load is None and (spec.init != "random" or "model_type" not in spec.config):
        raise ModelError("'load' is required, unless 'init: random' and a 'config' with 'model_type' say everything")
    model = replace(model, tokenizer_location=_tokenizer(bench, entry, member, folder))
    return at_hand(model, folder)


def _tokenizer(bench: Bench, entry: str, member: Member, folder: Path) -> Path | None:
    if member.spec.tokenizer is None:
        return None
    try:
        return locate(member.spec.tokenizer, None, folder)
    except ModelError as error:
        bench.note(_place(bench, entry, member, "tokenizer"), str(error), code="model")
        return None


def at_hand(model: PlannedModel, folder: Path) -> PlannedModel:
    """Add location and configuration of a model, as far as they are at hand.

    Raises
    ------
    ModelError
        What the spec names is not there, or is no model.
    """
    location = None if model.spec.load is None else locate(model.spec.load, model.spec.revision, folder)
    if location is None and model.spec.load is not None:
        return model
    config = {**(read_config(location) if location else {}), **model.spec.config}
    if model.spec.head == "own" and not config.get("architectures"):
        raise ModelError("'head: own' needs 'architectures' in config.json to say which head the model has")
    return replace(model, location=location, config=config)


def describe(model: PlannedModel, registry: Registry, config: Mapping[str, Any] | None = None) -> Described:
    """Find the family of a model and let it describe the model.

    Parameters
    ----------
    model
        A model with or without ``config``.
    registry
        What is installed.
    config
        The full configuration of the loaded model, defaults included; else the model's own.

    Notes
    -----
    A ``config.json`` may leave out what equals the defaults of its class, which only transformers
    knows: a description that misses a key therefore stays unknown until the model is loaded.
    """
    known = model.config if config is None else config
    if known is None:
        return Described(model)
    try:
        family = registry.architecture_for(str(known.get("model_type")))
    except PluginError as error:
        return Described(model, str(error))
    if family is None:
        listed = ", ".join(sorted({t for d in registry.declarations("architectures") for t in d.model_types}))
        kind = known.get("model_type")
        return Described(model, f"no plugin describes models of type {kind!r}; described are: {listed}; {HELP}")
    result = guarded(lambda: implementation(family)(known))
    model = replace(model, family=family)
    if not isinstance(result, Failure):
        return _described(replace(model, architecture=result.value))
    if isinstance(result.error, KeyError) and config is None:
        return Described(model)
    words = str(result.error) if isinstance(result.error, ProsectError) else f"{family.implementation} failed: {result}"
    return Described(model, words)


def _described(model: PlannedModel) -> Described:
    if isinstance(model.architecture, Architecture):
        return Described(model)
    name = model.family.implementation if model.family else ""
    return Described(replace(model, architecture=None), f"{name} returned no Architecture")


def _place(bench: Bench, entry: str, member: Member, field: str) -> KeyPath:
    if field not in member.values:
        return ("models", entry, field)
    values = bench.draft.models[entry].matrix[field]
    return ("models", entry, "matrix", field, values.index(member.values[field]))
