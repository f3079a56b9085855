"""From declarations to the layout of a node."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from prosect.errors import UsageError
from prosect.model.tokens import TokenStream
from prosect.planning.model import Bound
from prosect.plugins.declarations import NUMPY_DTYPES, Declaration, MetricDeclaration, Variable, node_dims
from prosect.results.coordinates import (
    component_coordinates,
    index_coordinate,
    layer_coordinates,
    other_component_coordinates,
    scope_coordinates,
    source_token_coordinates,
    token_coordinates,
)
from prosect.results.layout import SCHEMA, SCHEMA_VERSION, ArrayLayout, Coordinate, NodeLayout
from prosect.results.values import jsonable
from prosect.vocab.components import Component
from prosect.vocab.dims import COMPONENT, HEAD, HIDDEN, LAYER, OTHER_COMPONENT, SCOPE, SOURCE, SOURCE_TOKEN, TOKEN

TERMS: Final = "terms"


@dataclass(frozen=True, kw_only=True)
class Extent:
    """How far the axes of one stream's results reach.

    Attributes
    ----------
    layers
        Layers in ascending order.
    components
        Labels in the order of the ``component`` axis.
    stream
        The tokens, with their coordinates.
    hidden
        Width of the hidden state.
    unit_tokens
        Length of a unit of work on the token axis.
    others
        Lengths of further dimensions that variables use: ``head``, ``source``.
    scopes
        Names on the axis of scopes.
    source_stream, unit_source_tokens
        In the node ``cross``: the encoder's tokens, and the length of a unit of them.
    axes
        Coordinates of dimensions that only accumulators have, by dimension.
    """

    layers: tuple[int, ...]
    components: tuple[Component, ...]
    stream: TokenStream
    hidden: int
    unit_tokens: int
    others: Mapping[str, int] = field(default_factory=dict)
    scopes: tuple[str, ...] = ()
    source_stream: TokenStream | None = None
    unit_source_tokens: int | None = None
    axes: Mapping[str, Coordinate] = field(default_factory=dict)

    def sizes(self) -> dict[str, int]:
        """Length of every dimension."""
        components = len(self.components)
        known = {COMPONENT: components, OTHER_COMPONENT: components, TOKEN: self.stream.tokens, HIDDEN: self.hidden}
        scopes = {SCOPE: len(self.scopes)} if self.scopes else {}
        sources = {} if self.source_stream is None else {SOURCE_TOKEN: self.source_stream.tokens}
        own = {dim: len(coordinate.values) for dim, coordinate in self.axes.items()}
        return {LAYER: len(self.layers), **scopes, **known, **sources, **self.others, **own}


def metric_arrays(
    metric: Bound[MetricDeclaration],
    dtype: str,
    *,
    rest: Sequence[str] | None = None,
    scoped: bool = False,
    crossing: bool = False,
    split: bool = False,
) -> tuple[ArrayLayout, ...]:
    """Lay out the variables of a metric, in the dtype in which they are computed (accumulators: float64).

    With ``rest`` labels are source tokens and those (`by_source`); with ``scoped`` there is an axis of scopes;
    with ``crossing`` the sources are the encoder's tokens; with ``split`` each label has an axis of sources.
    """
    declared = metric.declaration
    options = jsonable(metric.record()["options"])
    more = {"options": options} if options else {}
    if declared.form == "accumulator":
        dtype, rest = "float64", None
    return tuple(
        ArrayLayout(
            name=name,
            dims=(*((SCOPE,) if scoped else ()), LAYER, *dims),
            dtype=NUMPY_DTYPES.get(variable.dtype, dtype),
            attrs={
                "long_name": variable.long_name,
                "units": variable.units,
                "reference": _reference(declared),
                "undefined": declared.undefined,
                **more,
            },
        )
        for variable in declared.variables(metric.options)
        for name, dims in _named(variable, rest, crossing=crossing, split=split)
    )


def _named(
    variable: Variable, rest: Sequence[str] | None, *, crossing: bool, split: bool
) -> tuple[tuple[str, tuple[str, ...]], ...]:
    placed = replace(variable, dims=node_dims(variable, crossing=crossing))
    if split:
        _no_pairs(variable)
        return ((placed.name, (*placed.dims, SOURCE) if COMPONENT in placed.dims else placed.dims),)
    return ((placed.name, placed.dims),) if rest is None else by_source(placed, rest)


def by_source(variable: Variable, rest: Sequence[str]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Names and dimensions of a variable where labels are source tokens.

    (component, token) becomes (token, source), with ``<name>_bias`` (token) beside it, and the same for what else is in
    ``rest``; a variable without labels stays.
    """
    _no_pairs(variable)
    if COMPONENT not in variable.dims:
        return ((variable.name, variable.dims),)
    dims = tuple(dim for dim in variable.dims if dim != COMPONENT)
    return ((variable.name, (*dims, SOURCE)), *((f"{variable.name}_{name}", dims) for name in rest))


def _no_pairs(variable: Variable) -> None:
    if OTHER_COMPONENT in variable.dims:
        raise UsageError(f"{variable.name!r} compares terms in pairs, which is not computed where labels are tokens")


def terms_array(decomposition: Declaration, dtype: str) -> ArrayLayout:
    """Lay out the vectors themselves: ``terms`` (layer, component, token, hidden)."""
    return ArrayLayout(
        name=TERMS,
        dims=(LAYER, COMPONENT, TOKEN, HIDDEN),
        dtype=dtype,
        attrs={
            "long_name": "terms which sum to the hidden state",
            "units": "embedding units",
            "reference": _reference(decomposition),
            "undefined": "never undefined",
        },
    )


def node_layout(path: str, extent: Extent, arrays: Sequence[ArrayLayout], attrs: Mapping[str, Any]) -> NodeLayout:
    """Lay out a node: variables, and the coordinates of the dimensions they use.

    Parameters
    ----------
    path
        ``MODEL/ANALYSIS``, or ``MODEL/ANALYSIS/STREAM``.
    extent
        Its axes.
    arrays
        Its variables (`metric_arrays`, `terms_array`).
    attrs
        Attributes of the node, as JSON; schema name and version are added.

    Raises
    ------
    UsageError
        Two variables of one name, an annotation with the name of a variable, a dimension of unknown length.
    """
    sources = set() if extent.source_stream is None else {SOURCE_TOKEN}
    used = {LAYER, TOKEN}.union(sources, *(array.dims for array in arrays))
    sizes = {dim: size for dim, size in extent.sizes().items() if dim in used}
    unknown = sorted(used - set(sizes))
    if unknown:
        raise UsageError(f"{path}: nothing says how long these dimensions are: {', '.join(unknown)}")
    coordinates = tuple(_coordinates(extent, used))
    _check_names(path, [array.name for array in arrays], [coordinate.name for coordinate in coordinates])
    return NodeLayout(
        path=path,
        sizes=sizes,
        arrays=tuple(arrays),
        coordinates=coordinates,
        unit_tokens=extent.unit_tokens,
        attrs={"schema": SCHEMA, "schema_version": SCHEMA_VERSION, **{k: jsonable(v) for k, v in attrs.items()}},
        unit_source_tokens=extent.unit_source_tokens,
    )


def _coordinates(extent: Extent, used: set[str]) -> Iterable[Coordinate]:
    yield from layer_coordinates(extent.layers)
    if COMPONENT in used:
        yield from component_coordinates(extent.components)
    if OTHER_COMPONENT in used:
        yield from other_component_coordinates(extent.components)
    if SCOPE in used:
        yield from scope_coordinates(extent.scopes)
    yield from (index_coordinate(dim, extent.others[dim]) for dim in (HEAD, SOURCE) if dim in used)
    yield from (coordinate for dim, coordinate in extent.axes.items() if dim in used)
    yield from token_coordinates(extent.stream)
    if extent.source_stream is not None:
        yield from source_token_coordinates(extent.source_stream)


def _check_names(path: str, variables: list[str], coordinates: list[str]) -> None:
    twice = sorted({name for name in variables if variables.count(name) > 1})
    if twice:
        raise UsageError(
            f"{path}: two metrics give the variable {', '.join(map(repr, twice))}; put them into two analyses"
        )
    clash = sorted({name for name in coordinates if name in variables or coordinates.count(name) > 1})
    if clash:
        raise UsageError(
            f"{path}: the annotation {', '.join(map(repr, clash))} has the name of another variable; "
            "rename it in the corpus"
        )


def _reference(declared: Declaration) -> str:
    return "; ".join(declared.references) or "none"
