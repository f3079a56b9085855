"""Options of the derived metrics."""

from typing import Literal

from pydantic import Field

from prosect.api import Conditions, Options


class SelectingOptions(Options):
    """What most derived metrics take: which variables, and of what.

    Attributes
    ----------
    variables
        Variables to use; default: all numbers with the dimensions that are needed.
    where
        Keep what fits all of these: coordinate, dimension or variable -> value, list of values, or
        ``{min: ..., max: ...}``.
    exclude
        Leave out what fits any of these.
    """

    variables: tuple[str, ...] | None = None
    where: Conditions = Field(default_factory=dict)
    exclude: Conditions = Field(default_factory=dict)


class CorrelationOptions(SelectingOptions):
    """Options of `correlation`.

    Attributes
    ----------
    against
        The variable to correlate with; default: with two datasets each variable with the one of its name in the
        second, or the only one there.
    over
        Dimensions whose entries are the pairs of values.
    method
        ``spearman`` (Mickus & Vázquez 2023), ``pearson``, or ``kendall`` (tau-b).
    minimum
        NaN where fewer pairs are known.
    """

    against: str | None = None
    over: tuple[str, ...] = ("token",)
    method: Literal["spearman", "pearson", "kendall"] = "spearman"
    minimum: int = Field(default=3, ge=2)


class WarpingOptions(SelectingOptions):
    """Options of `dynamic_time_warping`.

    Attributes
    ----------
    over
        The dimension along which curves run; default: the only one, else ``step``, else ``model``.
    runs
        With one dataset: the coordinate on ``over`` that tells curves apart.
    order
        The coordinate on ``over`` by which points are put in order and cut; default ``step`` where there is one.
    until
        Leave out points behind this value of ``order``; ``common``: behind the smallest of the last ones.
    scale
        ``none``; ``before``: z-scores of each whole curve before it is cut (Mickus & Vázquez 2023); ``after``.
    ddof
        Divisor n - ddof of the variance of z-scores.
    cost
        Cost of pairing two points.
    pattern
        ``symmetric1``: every step costs the same (Mickus & Vázquez 2023); ``symmetric2``: diagonal ones twice.
    window
        Greatest difference of positions of paired points (Sakoe-Chiba band); default: none.
    normalise
        ``none``; ``length``: divide by the sum of the lengths.
    """

    over: str | None = None
    runs: str = "run"
    order: str | None = None
    until: float | Literal["common"] | None = None
    scale: Literal["none", "before", "after"] = "none"
    ddof: int = Field(default=1, ge=0)
    cost: Literal["absolute", "squared"] = "absolute"
    pattern: Literal["symmetric1", "symmetric2"] = "symmetric1"
    window: int | None = Field(default=None, ge=0)
    normalise: Literal["none", "length"] = "none"
