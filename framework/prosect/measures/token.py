"""Token metrics with their implementations loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import numpy as np
from torch import Tensor

from prosect.errors import PluginError, UsageError
from prosect.measures.accumulator import Axis
from prosect.planning.model import Bound
from prosect.plugins.declarations import MetricDeclaration, Variable
from prosect.plugins.registry import implementation
from prosect.terms.terms import Terms
from prosect.vocab.components import Component
from prosect.vocab.dims import TOKEN

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
        return self.bound.declaration.variables(self.bound.options)

    @property
    def per_term(self) -> bool:
        """Whether the values of a term do not depend on the others."""
        return self.bound.declaration.of_single_terms(self.bound.options)

    def axes(self, components: Sequence[Component]) -> dict[str, Axis]:
        """Return the dimensions of its own."""
        own = self.bound.declaration.own_axes(self.bound.options, components)
        return {dim: Axis(np.array(list(labels)), dim) for dim, labels in own.items()}

    @property
    def reads(self) -> Literal["terms", "logits"]:
        """What it takes of the terms."""
        return self.bound.declaration.reads

    def __call__(self, terms: Terms, total: Tensor) -> dict[str, Tensor]:
        """Measure one layer; every variable has the axes of its declaration, ``token`` in their place."""
        try:
            result = self.function(terms, total, self.bound.options)
        except UsageError as error:
            raise UsageError(f"metric {self.bound.name!r}: {error}") from error
        found = dict(result) if isinstance(result, Mapping) else {self.variables[0].name: result}
        self._check(found, total)
        return found

    def _check(self, found: Mapping[str, object], total: Tensor) -> None:
        """PluginError where something else came than was declared."""
        wanted = {variable.name: variable for variable in self.variables}
        if set(found) != set(wanted):
            raise PluginError(f"metric {self.bound.name!r} gave {sorted(found)}, declared are {sorted(wanted)}")
        tokens = tuple(total.shape[:-1])
        for name, variable in wanted.items():
            shape = tuple(values.shape) if isinstance(values := found[name], Tensor) else ()
            at = variable.dims.index(TOKEN)
            theirs = tokens if variable.of_source else shape[at : at + len(tokens)]
            if len(shape) != len(variable.dims) - 1 + len(tokens) or theirs != tokens:
                raise PluginError(
                    f"metric {self.bound.name!r} gave {name!r} with the shape {shape}; declared is {variable.dims}, "
                    f"where 'token' stands for {tokens}"
                )


def load_measures(metrics: Sequence[Bound[MetricDeclaration]]) -> tuple[Measure, ...]:
    """Load the implementations of the token metrics among some; UsageError for a metric of stored results."""
    for metric in metrics:
        if metric.declaration.form == "derived":
            raise UsageError(f"{metric.name!r} is computed from stored results: it cannot stand under 'metrics'")
    chosen = [metric for metric in metrics if metric.declaration.form == "token"]
    return tuple(Measure(metric, cast("TokenMetric", implementation(metric.declaration))) for metric in chosen)
