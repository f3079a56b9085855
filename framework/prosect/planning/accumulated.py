"""What the accumulators of a step take: bytes of their variables, and of the state that runs along with the corpus."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from prosect.planning.axes import Axes
from prosect.planning.model import Bound, Step
from prosect.planning.shapes import Shape
from prosect.plugins.declarations import Footprint, MetricDeclaration, Sizes
from prosect.vocab import dims

#: Dimensions whose lengths do not come from a metric.
KNOWN: Final = frozenset({dims.COMPONENT, dims.OTHER_COMPONENT, dims.HEAD, dims.HIDDEN, dims.SOURCE})
#: Bytes of what a variable may be kept as; of text those of its reference.
_ITEMSIZE: Final = {"float64": 8, "int64": 8, "bool": 1, "text": 16}


def accumulators(step: Step) -> tuple[Bound[MetricDeclaration], ...]:
    """Metrics of a step that are accumulated over its corpus."""
    return tuple(metric for metric in step.metrics if metric.declaration.form == "accumulator")


def sizes_of(shape: Shape, axes: Axes, tokens: int | None) -> Sizes:
    """Tell an accumulator what is known of a stream."""
    return Sizes(
        components=None if axes.by_token or axes.per_source else axes.components, hidden=shape.hidden, tokens=tokens
    )


def variables(metric: Bound[MetricDeclaration], sizes: Sizes) -> Iterator[tuple[tuple[str, ...], int, dict[str, int]]]:
    """Dimensions of each variable, bytes of one number, and lengths of the dimensions of its own."""
    axes = _footprint(metric, sizes).axes
    for variable in metric.declaration.variables(metric.options):
        own = {dim: axes.get(dim) or 1 for dim in variable.dims if dim not in KNOWN}
        yield variable.dims, _ITEMSIZE.get(variable.dtype, 8), own


def state_bytes(step: Step, sizes: Sizes, places: int) -> Iterator[int | None]:
    """Bytes of each part of the running state, at all layers and scopes of a stream; None where it is not known."""
    parts: dict[str, int | None] = {}
    for metric in accumulators(step):
        parts |= _footprint(metric, sizes).state or {metric.name: None}
    yield from (None if size is None else size * places for size in parts.values())


def _footprint(metric: Bound[MetricDeclaration], sizes: Sizes) -> Footprint:
    found = metric.declaration.footprint
    return Footprint() if found is None else found(metric.options, sizes)
