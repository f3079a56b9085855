"""What is to be computed on one stream of one model: rules, labels, layers and measures, resolved."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import Tensor

from prosect.errors import UsageError
from prosect.planning.model import Bound
from prosect.plugins.declarations import DecompositionDeclaration, MetricDeclaration, RulesFunction, Variable
from prosect.plugins.registry import implementation
from prosect.terms.replay import needs
from prosect.terms.terms import Terms
from prosect.vocab.architecture import Architecture, Stream
from prosect.vocab.components import TOTAL, Component
from prosect.vocab.rules import Rules, components

TokenMetric = Callable[[Terms, Tensor, Any], Tensor | Mapping[str, Tensor]]


@dataclass(frozen=True)
class Measure:
    """A token metric with its implementation loaded.

    Attributes
    ----------
    bound
        Declaration and options.
    function
        The implementation.
    """

    bound: Bound[MetricDeclaration]
    function: TokenMetric

    @property
    def variables(self) -> tuple[Variable, ...]:
        """What it produces."""
        return self.bound.declaration.produces

    def __call__(self, terms: Terms, total: Tensor) -> dict[str, Tensor]:
        """Measure one layer; every variable has the axes of its declaration, ``token`` in their place."""
        result = self.function(terms, total, self.bound.options)
        return dict(result) if isinstance(result, Mapping) else {self.variables[0].name: result}


@dataclass(frozen=True, kw_only=True)
class StreamWork:
    """One analysis on one stream.

    Attributes
    ----------
    name
        ``main``, ``encoder`` or ``decoder``.
    depth
        Number of blocks L.
    stream, rules
        Description and table of rules; None for ``decomposition: none``, which needs no description.
    labels
        Components in the order of their axis.
    layers
        Layers that are read, ascending.
    measures
        Token metrics.
    keep_terms
        None, or how vectors are kept: ``computed`` or ``float16``.
    """

    name: str
    depth: int
    stream: Stream | None
    rules: Rules | None
    labels: tuple[Component, ...]
    layers: tuple[int, ...]
    measures: tuple[Measure, ...]
    keep_terms: Literal["computed", "float16"] | None

    @property
    def needs_attention(self) -> bool:
        """Whether the forward pass must return attention weights."""
        return self.rules is not None and self.stream is not None and needs(self.rules, self.stream).attention


def load_measures(metrics: Sequence[Bound[MetricDeclaration]]) -> tuple[Measure, ...]:
    """Load the implementations of token metrics; UsageError for a metric of another form."""
    for metric in metrics:
        if metric.declaration.form != "token":
            raise UsageError(f"{metric.name!r} is no token metric: it cannot stand under 'metrics'")
    return tuple(Measure(metric, cast("TokenMetric", implementation(metric.declaration))) for metric in metrics)


def stream_work(
    decomposition: Bound[DecompositionDeclaration],
    measures: tuple[Measure, ...],
    stream: Stream,
    *,
    layers: Sequence[int] | None,
    keep_terms: Literal["computed", "float16"] | None,
) -> StreamWork:
    """Resolve an analysis on a stream; ``layers=None`` means all.

    The stream of ``decomposition: none`` may be a bare one (`bare_stream`): its blocks are not looked at.
    """
    described, rules = decomposition.declaration.described, None
    if described:
        rules = cast("RulesFunction", implementation(decomposition.declaration))(decomposition.options, stream)
    first = decomposition.declaration.first_layer
    return StreamWork(
        name=stream.name,
        depth=stream.layers,
        stream=stream if described else None,
        rules=rules,
        labels=(TOTAL,) if rules is None else components(stream, rules),
        layers=tuple(range(first, stream.layers + 1)) if layers is None else tuple(layers),
        measures=measures,
        keep_terms=keep_terms,
    )


def streams_of(architecture: Architecture | None, *, encoder_decoder: bool) -> tuple[str, ...]:
    """Names of the streams of a model, described or not."""
    if architecture is not None:
        return tuple(stream.name for stream in architecture.streams)
    return ("encoder", "decoder") if encoder_decoder else ("main",)


def numpy_name(dtype: torch.dtype) -> str:
    """Name of a floating-point dtype as numpy knows it."""
    return str(dtype).removeprefix("torch.")
