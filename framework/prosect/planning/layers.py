"""Layer selections applied to the streams of a model."""

from __future__ import annotations

from collections.abc import Mapping

from prosect.planning.model import PlannedModel
from prosect.planning.shapes import shapes
from prosect.plugins.declarations import DecompositionDeclaration
from prosect.spec.layers import expand_layers

Selection = str | int | list[str | int]


def layers_by_stream(
    model: PlannedModel, selection: Selection, decomposition: DecompositionDeclaration
) -> Mapping[str, tuple[int, ...]] | None:
    """Layers that a selection means in each stream; None where the depth is unknown until the model is loaded.

    Raises
    ------
    ValueError
        A stream has no such layer; the message names its depth L.
    """
    found = shapes(model)
    if found is None:
        return None
    return {shape.name: expand_layers(selection, shape.layers, decomposition.first_layer) for shape in found}


def union(by_stream: Mapping[str, tuple[int, ...]] | None) -> tuple[int, ...] | None:
    """All layers of any stream, ascending."""
    if by_stream is None:
        return None
    return tuple(sorted({layer for layers in by_stream.values() for layer in layers}))
