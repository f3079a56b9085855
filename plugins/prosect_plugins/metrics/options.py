"""Options of the measures of terms and maps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Literal

from prosect.api import Options, Variable

Normalise = Literal["none", "row", "global"]


class ShareOptions(Options):
    """Options of a measure whose values can be turned into shares.

    Attributes
    ----------
    normalise
        ``none``: values as they are (Kobayashi et al. 2020, 2021); ``row``: those of a token are divided by the sum
        of their absolute values over everything that gives to it (all terms but the bias); ``global``: by the sum over
        all pairs of tokens of the sentence, which only maps have.
    """

    normalise: Normalise = "none"


class NormOptions(ShareOptions):
    """Options of `norm`.

    Attributes
    ----------
    order
        ``2``: the Euclidean norm (Kobayashi et al. 2020); ``1``: the sum of absolute values.
    """

    order: Literal[2, 1] = 2


class AltiOptions(Options):
    """Options of `alti`.

    Attributes
    ----------
    order
        Norm in which distances are taken: ``1`` (Ferrando et al. 2022), or ``2``.
    normalise
        ``row``: what a token gets sums to 1 (Ferrando et al. 2022); ``none``; ``global``: all pairs of tokens of a
        sentence do.
    """

    order: Literal[1, 2] = 1
    normalise: Literal["row", "none", "global"] = "row"


class ValueZeroingOptions(Options):
    """Options of `value_zeroing`.

    Attributes
    ----------
    normalise
        ``row``: what a token loses sums to 1 (Mohebbi et al. 2023); ``none``: the cosine distances themselves;
        ``global``: all pairs of tokens of a sentence sum to 1.
    """

    normalise: Literal["row", "none", "global"] = "row"


def with_units(*variables: Variable) -> Callable[[Any], tuple[Variable, ...]]:
    """Make the variables of a measure under its options: shares have no unit."""

    def produced(options: Options) -> tuple[Variable, ...]:
        share = getattr(options, "normalise", "none") != "none"
        return tuple(replace(variable, units="1") for variable in variables) if share else variables

    return produced
