"""Options that the measures of geometry share, and what they make of variables. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Literal

from pydantic import Field

from prosect.api import Component, Options, UsageError, Variable
from prosect_plugins.metrics.geometry.subsets import SUBSET, coefficients, subset_axes, subset_names

SELECTION: Final = "selection"
GROUP: Final = "group"

Selection = Literal["all", "no_first", "no_special", "content"]
#: Which of position 0 and special tokens a selection drops.
DROPS: Final[dict[str, frozenset[str]]] = {
    "all": frozenset(),
    "no_first": frozenset({"first"}),
    "no_special": frozenset({"special"}),
    "content": frozenset({"first", "special"}),
}


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


class ComponentOptions(TokenOptions):
    """Which sums of components are measured.

    Attributes
    ----------
    component
        ``each`` component; ``total``, the hidden state; one sum by name: ``attention``, ``attention+feed_forward``,
        ``to attention`` (all components up to it), ``all but attention``. A list of such names, ``partial`` (all sums
        up to a component), ``leave_one_out`` (the total without one component) and ``all`` (all of these) give
        them on the dimension ``subset``.
    """

    component: str | list[str] = "each"


def sum_labels(options: TokenOptions, components: Sequence[Component]) -> dict[str, tuple[str, ...]]:
    """Labels of the dimension ``subset``, where the options give it.

    Raises
    ------
    UsageError
        A sum names a component that is not there, or labels are the tokens of a sentence.
    """
    if not isinstance(options, ComponentOptions):
        return {}
    labels = [component.label for component in components]
    names, own = subset_names(options.component, labels), subset_axes(options.component)
    coefficients(names, labels)
    if own and not labels:
        raise UsageError("labels are the tokens of each sentence: choose the hidden state itself, 'component: total'")
    return {SUBSET: names} if own == (SUBSET,) else {}


def token_axes(options: TokenOptions) -> tuple[str, ...]:
    """Dimensions that the choice of tokens adds."""
    selection = (SELECTION,) if isinstance(options.selection, list) else ()
    return selection if options.group is None else (*selection, GROUP)


def spread(variable: Variable, options: TokenOptions) -> Variable:
    """Put the dimensions of the options in front of those of a variable.

    A dimension ``component`` of the variable stands for the sums that are measured.
    """
    dims = variable.dims
    if isinstance(options, ComponentOptions):
        dims = tuple(d for dim in dims for d in (subset_axes(options.component) if dim == "component" else (dim,)))
    return replace(variable, dims=(*token_axes(options), *dims))


def number_of_cells(options: TokenOptions, blocks: int = 1) -> int | None:
    """Most cells that the choice of tokens makes; None where only the corpus says how many groups there are."""
    chosen = options.selection if isinstance(options.selection, list) else [options.selection]
    flags = [frozenset(flags) for flags in ((), ("first",), ("special",), ("first", "special"))]
    patterns = {tuple(not (own & DROPS[name]) for name in chosen) for own in flags}
    cells = sum(any(pattern) for pattern in patterns) * blocks
    if options.group is None:
        return cells
    if options.group_values is None and options.group_bins is None:
        return None
    groups = len(options.group_values) if options.group_values is not None else len(options.group_bins or ()) - 1
    return cells * groups


def axis_lengths(options: TokenOptions) -> dict[str, int | None]:
    """Lengths of the dimensions that the choice of tokens adds, as far as the options say them."""
    groups = None if options.group_values is None else len(options.group_values)
    if options.group_bins is not None:
        groups = len(options.group_bins) - 1
    chosen = len(options.selection) if isinstance(options.selection, list) else 1
    return {SELECTION: chosen, GROUP: groups}
