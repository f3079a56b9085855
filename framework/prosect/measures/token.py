"""Token metrics with their implementations loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from torch import Tensor

from prosect.errors import UsageError
from prosect.planning.model import Bound
from prosect.plugins.declarations import MetricDeclaration, Variable
from prosect.plugins.registry import implementation
from prosect.terms.terms import Terms

TokenMetric = Callable[[Terms, Tensor, Any], Tensor | Mapping[str, Tensor]]


@dataclass(frozen=True)
class Measure:
    """A token metric, ready to be called.

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

    @property
    def requires_head(self) -> bool:
        """Whether it reads the model's own head."""
        return "head" in self.bound.declaration.requires

    def __call__(self, terms: Terms, total: Tensor) -> dict[str, Tensor]:
        """Measure one layer; every variable has the axes of its declaration, ``token`` in their place."""
        result = self.function(terms, total, self.bound.options)
        return dict(result) if isinstance(result, Mapping) else {self.variables[0].name: result}


def load_measures(metrics: Sequence[Bound[MetricDeclaration]]) -> tuple[Measure, ...]:
    """Load the implementations of token metrics; UsageError for a metric of another form."""
    for metric in metrics:
        if metric.declaration.form != "token":
            raise UsageError(f"{metric.name!r} is no token metric: it cannot stand under 'metrics'")
    return tuple(Measure(metric, cast("TokenMetric", implementation(metric.declaration))) for metric in metrics)
