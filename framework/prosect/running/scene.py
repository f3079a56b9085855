"""Setting the scene: the loaded model described, and its description proved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from prosect.errors import ModelError
from prosect.model.load import LoadedModel
from prosect.planning.model import Step
from prosect.plugins.registry import Registry, implementation, load_registry
from prosect.running.prepare import Scene, bare_streams
from prosect.terms.selftest import self_test
from prosect.vocab.architecture import Architecture


def open_scene(model: LoadedModel, steps: Sequence[Step]) -> Scene:
    """Describe a model where a step needs it, and run the load-time self-test.

    Raises
    ------
    ModelError
        No plugin describes this family.
    SelfTestError
        The description does not fit the weights.
    """
    if not any(step.decomposition.declaration.described for step in steps):
        return Scene(model=model, architecture=None, streams=bare_streams(model))
    return proved_scene(model, describe(model.config, load_registry()))


def describe(config: Mapping[str, Any], registry: Registry) -> Architecture:
    """Describe a model from its configuration; ModelError lists the known families where none fits."""
    model_type = str(config.get("model_type"))
    declaration = registry.architecture_for(model_type)
    if declaration is None:
        known = sorted({name for d in registry.declarations("architectures") for name in d.model_types})
        raise ModelError(
            f"no plugin describes models of type {model_type!r}; described are: {', '.join(known)}. "
            "'decomposition: none' works without a description; docs/architectures.md says how to add one"
        )
    found: Architecture = implementation(declaration)(config)
    return found


def proved_scene(model: LoadedModel, architecture: Architecture) -> Scene:
    """Prove a description against the model."""
    self_test(model, architecture)
    return Scene(model=model, architecture=architecture, streams=architecture.streams)
