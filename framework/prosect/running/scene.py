"""Setting the scene: the loaded model described, and its description proved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from prosect.errors import ModelError
from prosect.model.head import own_head
from prosect.model.load import LoadedModel
from prosect.planning.model import Step
from prosect.plugins.registry import Registry, implementation, load_registry
from prosect.running.bare import bare_streams
from prosect.running.prepare import Scene
from prosect.terms.rebuild import working_dtype
from prosect.terms.selftest import self_test
from prosect.vocab.architecture import Architecture


def open_scene(model: LoadedModel, steps: Sequence[Step]) -> Scene:
    """Describe a model where a step needs it, take its head where a measure requires it, and prove both.

    Raises
    ------
    ModelError
        No plugin describes this family; the model was loaded without a head that a measure requires.
    SelfTestError
        The description does not fit the weights, or the head does not give the model's own logits.
    """
    if any(step.decomposition.declaration.described for step in steps):
        scene = proved_scene(model, describe(model.config, load_registry()))
    else:
        bare = bare_streams(model)
        scene = Scene(model=model, architecture=None, streams=bare.streams, alone=bare.alone)
    if not any("head" in metric.declaration.requires for step in steps for metric in step.metrics):
        return scene
    described = None if scene.architecture is None else scene.streams[-1]
    return replace(scene, head=own_head(model, described, working_dtype(model.dtype)))


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
