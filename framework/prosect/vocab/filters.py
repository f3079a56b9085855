"""Conditions on labels, as options of metrics over stored results state them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

Label = str | int | float | bool


class Range(BaseModel):
    """Labels from ``min`` to ``max``, both included; either may be absent.

    Attributes
    ----------
    min, max
        The ends.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)

    min: float | None = None
    max: float | None = None


#: Name of a coordinate, dimension or variable -> a value, a list of values, or ``{min: ..., max: ...}``.
Conditions = dict[str, Label | tuple[Label, ...] | Range]
