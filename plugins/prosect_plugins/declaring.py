"""Short ways to say what many declarations of these plugins have in common. Imports no torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from prosect.api import MetricDeclaration, Options, Variable

#: Variables of a metric under its options.
Produce = Callable[[Any], tuple[Variable, ...]]


def by_options(options: type[Options], produce: Produce) -> dict[str, Any]:
    """Fields of a metric whose variables follow from its options."""
    # Defaults are right, and to check them a validator of every model would be built whenever prosect starts.
    return {"options": options, "produces": produce(options.model_construct()), "produces_for": produce}


def accumulator_metric(
    name: str,
    summary: str,
    implementation: str,
    options: type[Options],
    produce: Produce,
    **more: Any,  # noqa: ANN401 - further fields of the declaration
) -> MetricDeclaration:
    """Declare a measure of the corpus whose variables follow from its options."""
    fields = by_options(options, produce) | more
    return MetricDeclaration(name=name, summary=summary, implementation=implementation, form="accumulator", **fields)


def derived_metric(
    implementation: str,
    summary: str,
    options: type[Options],
    produces: tuple[Variable, ...],
    **more: Any,  # noqa: ANN401 - further fields of the declaration
) -> MetricDeclaration:
    """Declare a metric over stored results, which has the name of the function that computes it."""
    return MetricDeclaration(
        name=implementation.partition(":")[2],
        summary=summary,
        implementation=implementation,
        form="derived",
        options=options,
        produces=produces,
        **more,
    )
