"""How far from closing every decomposition is on one small model: all of them in one forward pass of each stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, get_args, get_origin

from pydantic.fields import FieldInfo
from torch import nn

from prosect.model.load import LoadedModel, wrap_module
from prosect.planning.axes import described_streams
from prosect.planning.build import Request, plan_request
from prosect.plugins.declarations import DecompositionDeclaration
from prosect.plugins.registry import implementation
from prosect.running.scene import open_scene
from prosect.running.unstored import Unstored, unstored
from prosect.running.work import numpy_name
from prosect.testing.models import targets
from prosect.vocab.architecture import Architecture, Stream, fed_stream
from prosect.vocab.rules import Rules, components

MODEL: Final = "m"


@dataclass(frozen=True, kw_only=True)
class Closing:
    """The largest gap of one decomposition on one node of a model.

    Attributes
    ----------
    decomposition, options
        What was computed.
    node
        ``main``, ``encoder``, ``decoder`` or ``cross``.
    gap
        max over tokens of |sum of terms - h| / |h|, over all steps that were checked.
    """

    decomposition: str
    options: Mapping[str, Any]
    node: str
    gap: float


def choices(declaration: DecompositionDeclaration, options: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Change one option at a time: to every value of a ``Literal``, to every example of a field of another type."""
    for name, field in declaration.options.model_fields.items():
        yield from ({**options, name: value} for value in _values(field))


def label_choices(declaration: DecompositionDeclaration, architecture: Architecture) -> tuple[dict[str, Any], ...]:
    """Return the options that give other labels than the default ones, which come first."""
    found: dict[Any, dict[str, Any]] = {}
    for chosen in ({}, *choices(declaration, {})):
        streams = described_streams(declaration, architecture)
        key = tuple(_labels(declaration, chosen, stream) for stream in streams)
        found.setdefault(key, chosen)
    return tuple(found.values())


def closings(
    module: nn.Module, rows: Sequence[Sequence[int]], decompositions: Sequence[tuple[str, Mapping[str, Any]]]
) -> tuple[Closing, ...]:
    """Decompose the hidden states of a model with every decomposition, and measure closure.

    Parameters
    ----------
    module
        A model of transformers, on any device.
    rows
        Sentences as token ids; a decoder is fed with each in reverse.
    decompositions
        Names and options.

    Raises
    ------
    SpecError
        A decomposition refuses the model.
    ClosureError
        A gap is beyond the tolerance of the dtype.
    """
    loaded = wrap_module(module, None)
    planned = plan_request(Request(source=_spec(loaded, rows, decompositions), in_memory={MODEL: loaded.config}))
    ready = unstored(loaded, planned, open_scene(loaded, planned.steps))
    return tuple(closing for name in ready.fed for closing in _closings(ready, decompositions, name))


def _closings(ready: Unstored, decompositions: Sequence[tuple[str, Mapping[str, Any]]], name: str) -> Iterator[Closing]:
    """Compute all nodes whose tokens are those of a stream."""
    places = [
        (number, node) for number, step in enumerate(ready.steps) for node in step.works if fed_stream(node) == name
    ]
    for (number, node), result in zip(places, ready.compute(*places), strict=True):
        decomposition, options = decompositions[number]
        yield Closing(decomposition=decomposition, options=options, node=node, gap=result.closure_max)


def _spec(
    model: LoadedModel, rows: Sequence[Sequence[int]], decompositions: Sequence[tuple[str, Mapping[str, Any]]]
) -> dict[str, Any]:
    ids = [list(row) for row in rows]
    corpus = {"kind": "inline", "sentences": ids, "targets": targets(ids) if model.is_encoder_decoder else None}
    analyses = {
        f"a{number}": {"corpus": "c", "decomposition": {"name": name, **options}}
        for number, (name, options) in enumerate(decompositions)
    }
    return {
        "prosect": 1,
        "models": {MODEL: {"dtype": numpy_name(model.dtype)}},
        "corpora": {"c": corpus},
        "analyses": analyses,
    }


def _values(field: FieldInfo) -> tuple[Any, ...]:
    return get_args(field.annotation) if get_origin(field.annotation) is Literal else tuple(field.examples or ())


def _labels(declaration: DecompositionDeclaration, chosen: Mapping[str, Any], stream: Stream) -> tuple[Any, ...]:
    if not declaration.described:
        return ()
    rules: Rules | None = implementation(declaration)(declaration.options.model_validate(chosen), stream)
    if rules is None:
        return ()
    return components(stream, rules), rules.start, rules.per_source, rules.group, rules.bias, rules.cross_attention
