"""Options that the measures of geometry share, and what they make of variables. Imports no torch."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from prosect.api import Options, Variable

COMPONENT: Final = "component"
SELECTION: Final = "selection"
GROUP: Final = "group"

Selection = Literal["all", "no_first", "no_special", "content"]


class TokenOptions(Options):
    """Which tokens are counted.

    Attributes
    ----------
    selection
        ``all`` tokens, or those without position 0 (``no_first``), without special tokens (``no_special``), without
        either (``content``). A list gives each of them, on the dimension ``selection``: the first token of a causal
        model and special tokens may decide a measure by themselves, so profiles belong side by side.
    group
        A coordinate of the tokens (an annotation of the corpus, ``position``, ``token_id``), or ``frequency`` (how
        often the corpus has the token id): the measure is given for each of its values, on the dimension ``group``.
        Tokens without a value (NaN or empty text) are in no group.
    group_values
        Values that are looked at; default all.
    group_bins
        Edges of bins for a coordinate of numbers: group i holds ``edge_i <= value < edge_(i+1)``.
    """

    selection: Selection | list[Selection] = "all"
    group: str | None = None
    group_values: list[str | int | float] | None = None
    group_bins: list[float] | None = Field(default=None, min_length=2)


def token_axes(options: TokenOptions) -> tuple[str, ...]:
    """Dimensions that these options add."""
    selection = (SELECTION,) if isinstance(options.selection, list) else ()
    return selection if options.group is None else (*selection, GROUP)


def spread(variables: tuple[Variable, ...], axes: tuple[str, ...]) -> tuple[Variable, ...]:
    """Put further dimensions in front of those of some variables."""
    return tuple(
        Variable(name=v.name, dims=(*axes, *v.dims), long_name=v.long_name, units=v.units, dtype=v.dtype)
        for v in variables
    )
