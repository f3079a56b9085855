"""Variables of the measures of geometry under their options, and what they take. Imports no torch."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from prosect.api import Footprint, Sizes, Variable
from prosect_plugins.declaring import Produce
from prosect_plugins.metrics.geometry.options import (
    ComponentOptions,
    TokenOptions,
    axis_lengths,
    number_of_cells,
    spread,
    token_axes,
)
from prosect_plugins.metrics.geometry.similarity_options import TYPE
from prosect_plugins.metrics.geometry.spectral_options import (
    AnisotropyOptions,
    ErrorOptions,
    SplitOptions,
    covariance_footprint,
)
from prosect_plugins.metrics.geometry.subsets import COMPONENT, SUBSET, number_of_subsets

OTHER_COMPONENT: Final = "other_component"
HIDDEN: Final = "hidden"


def of_components(name: str, long_name: str, units: str = "1") -> Variable:
    """Make a variable with one value for every component."""
    return Variable(name=name, dims=(COMPONENT,), long_name=long_name, units=units)


def with_companions(variable: Variable, *, null: bool) -> Produce:
    """Put beside a variable the number of tokens, the value of an isotropic cloud, and an error where one is asked."""

    def produce(options: TokenOptions) -> tuple[Variable, ...]:
        found = [variable, _beside(variable, "n_used", "vectors counted", dtype="int64")]
        if null:
            found.append(_beside(variable, "null", f"{variable.long_name} of as many vectors of an isotropic cloud"))
        if isinstance(options, ErrorOptions) and options.error != "none":
            found.append(_beside(variable, "error", f"standard error of the {variable.long_name}"))
        return tuple(spread(one, options) for one in found)

    return produce


def of_context(variable: Variable, counted: str, *, baseline: bool = False, error: bool = False) -> Produce:
    """Put beside a variable how much was counted, a baseline and an error; with ``each_type`` it has an axis of types.

    Parameters
    ----------
    variable
        The variable.
    counted
        What its mean is over.
    baseline, error
        Whether it has them.
    """

    def produce(options: ComponentOptions) -> tuple[Variable, ...]:
        dims = (*variable.dims, TYPE) if getattr(options, "each_type", False) else variable.dims
        found = [replace(variable, dims=dims), _beside(variable, "n_used", f"{counted} counted", dtype="int64")]
        if baseline:
            found.append(_beside(variable, "baseline", "mean cosine of all counted tokens"))
        if error:
            found.append(_beside(variable, "error", f"standard error of the {variable.long_name}"))
        return tuple(spread(one, options) for one in found)

    return produce


def split_variables(options: SplitOptions) -> tuple[Variable, ...]:
    """Variables of `anisotropy_split`."""
    pairs = options.over == "component"
    dims = (COMPONENT, OTHER_COMPONENT) if pairs else (COMPONENT, HIDDEN)
    found = [Variable(name="anisotropy_split", dims=dims, long_name="part of the anisotropy")]
    if options.method == "spectral":
        found.append(Variable(name="variance_split", dims=dims, long_name="part of the variance"))
    counted = Variable(name="anisotropy_split_n_used", dims=dims[:-1], long_name="vectors counted", dtype="int64")
    if pairs:
        # They are those of the hidden state, on no axis of components.
        tokens = token_axes(options)
        found = [replace(one, dims=(*tokens, *one.dims)) for one in found]
        return (*found, replace(counted, dims=tokens))
    return tuple(spread(one, options) for one in (*found, counted))


def split_footprint(options: SplitOptions, sizes: Sizes) -> Footprint:
    """Sizes of the state and the axes of `anisotropy_split`."""
    if options.method == "spectral":
        return covariance_footprint(options, sizes)
    cells, hidden = number_of_cells(options), sizes.hidden
    pairs = options.over == "component"
    subsets = sizes.components if pairs else number_of_subsets(options.component, sizes.components)
    size = None
    if cells is not None and subsets is not None and hidden is not None:
        size = 8 * cells * subsets * (1 + hidden + (subsets if pairs else hidden))
    return Footprint(state={"anisotropy_split": size}, axes={**axis_lengths(options), SUBSET: subsets})


def anisotropy_footprint(options: AnisotropyOptions, sizes: Sizes) -> Footprint:
    """Sizes of the state and the axes of `anisotropy`."""
    if options.method == "spectral":
        return covariance_footprint(options, sizes)
    cells = number_of_cells(options, options.block_number)
    subsets = number_of_subsets(options.component, sizes.components)
    size = None
    if cells is not None and subsets is not None and sizes.hidden is not None:
        size = 8 * cells * subsets * (sizes.hidden + 3)
    return Footprint(state={options.unit_key: size}, axes={**axis_lengths(options), SUBSET: subsets})


def norms_footprint(options: TokenOptions, sizes: Sizes) -> Footprint:
    """Sizes of the state and the axes of `dispersion`."""
    cells = number_of_cells(options)
    state = None if sizes.components is None or cells is None else 8 * cells * (1 + 2 * sizes.components)
    return Footprint(state={"dispersion": state}, axes=axis_lengths(options))


def _beside(variable: Variable, suffix: str, long_name: str, dtype: Any = "computed") -> Variable:  # noqa: ANN401 - a literal
    units = "1" if dtype == "int64" else variable.units
    return Variable(name=f"{variable.name}_{suffix}", dims=variable.dims, long_name=long_name, units=units, dtype=dtype)
