"""Vectors of the sums of components that a measure looks at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from prosect.api.tensors import Axis, Context, Float, Int, Reading, Tensor
from prosect_plugins.metrics.geometry.subsets import (
    COMPONENT,
    SUBSET,
    TOTAL,
    coefficients,
    subset_axes,
    subset_names,
)


@dataclass(frozen=True)
class Sums:
    """Sums of components.

    Attributes
    ----------
    names
        Their names, in the order of their axis.
    table
        Which components each holds, shape (subset, component).
    dims
        Their dimension: ``component``, ``subset``, or none.
    """

    names: tuple[str, ...]
    table: npt.NDArray[np.bool_]
    dims: tuple[str, ...]

    @classmethod
    def of(cls, component: str | list[str], context: Context) -> Sums:
        """Read the option ``component``; UsageError for a label that is not there."""
        labels = [one.label for one in context.components]
        names = subset_names(component, labels)
        table = np.array(coefficients(names, labels), dtype=np.bool_).reshape(len(names), len(labels))
        return cls(names, table, subset_axes(component))

    @property
    def shape(self) -> tuple[int, ...]:
        """Length of their dimension, if they have one."""
        return (len(self.names),) if self.dims else ()

    @property
    def axes(self) -> Mapping[str, Axis]:
        """Coordinate of their dimension, where it is their own."""
        return {SUBSET: Axis(np.array(self.names), "sum of components")} if self.dims == (SUBSET,) else {}

    @property
    def total_only(self) -> bool:
        """Whether only the hidden state is looked at."""
        return set(self.names) == {TOTAL}

    @property
    def plain(self) -> bool:
        """Whether each sum is a component, in the order of the components."""
        return self.dims == (COMPONENT,)

    def vectors(self, reading: Reading, places: Int[Tensor, " counted"]) -> Float[Tensor, "subset counted hidden"]:
        """Return the sums for some tokens of a reading, in float64."""
        if self.total_only:
            return reading.total.flatten(0, -2)[places].double().expand(len(self.names), -1, -1)
        terms = reading.dense()[:, places].double()
        if self.plain:
            return terms
        table = torch.from_numpy(self.table).to(terms)
        return (table @ terms.flatten(1)).reshape(len(self.names), *terms.shape[1:])
