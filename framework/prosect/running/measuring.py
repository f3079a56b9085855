"""Measures of plain arrays: what a spec asks for on the states of a model, asked of any vectors."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt
import torch
from pydantic import ValidationError
from torch import Tensor

from prosect.errors import SpecError, UsageError
from prosect.measures.accumulator import Setting, as_array
from prosect.measures.gathering import Accumulation, Arrays
from prosect.measures.token import load_measures
from prosect.model.tokens import TokenStream
from prosect.planning.model import Bound
from prosect.plugins.declarations import MetricDeclaration
from prosect.plugins.registry import load_registry
from prosect.spec.messages import problems_of
from prosect.spec.places import Document
from prosect.terms.dense import DenseTerms
from prosect.terms.reading import Reading, TokenView
from prosect.vocab.components import TOTAL, Component
from prosect.vocab.dims import COMPONENT, HIDDEN, LAYER, OTHER_COMPONENT, POSITION, SENTENCE, SPECIAL, TOKEN, TOKEN_ID

if TYPE_CHECKING:
    import xarray as xr

Coordinates = Mapping[str, Any]
FLOATS: Final = {"float32": torch.float32, "float64": torch.float64}


def measure(
    name: str,
    array: npt.NDArray[Any] | Tensor | xr.DataArray,
    *,
    coordinates: Coordinates | None = None,
    **options: Any,  # noqa: ANN401 - checked against the options of the metric
) -> xr.DataArray:
    """Measure vectors without a model.

    Parameters
    ----------
    name
        Name of a metric that is measured on tokens or accumulated over them.
    array
        Vectors, shape (token, hidden), or with further axes in front, which are measured one by one. A DataArray
        with the dimension ``component`` holds terms which sum to the vectors, and ``layer`` counts layers; without
        dimensions ``token`` and ``hidden`` its last two axes are these. Float32 and float64 are measured as they
        are, everything else in float64. A tensor is measured on its own device.
    coordinates
        What is known of the tokens: name -> values, shape (token,), such as ``sentence``, ``token_id``, ``special``, or
        an annotation that an option names; coordinates of a DataArray are taken too. Without ``sentence`` every vector
        is a sentence of its own. Tokens of a sentence stand together.
    **options
        Options of the metric.

    Returns
    -------
    xarray.DataArray
        Named as the metric, without dimensions for one matrix. What comes with the value (``null``, ``n_used``,
        ``error`` …) are its coordinates.

    Raises
    ------
    SpecError
        There is no such metric, or an option is wrong.
    UsageError
        The array has no two axes or holds values that are not finite, a coordinate has another length, or the metric
        needs more than vectors.

    Examples
    --------
    >>> import numpy, prosect
    >>> float(prosect.measure("participation_ratio", numpy.eye(3), center=False))
    3.0
    """
    import xarray as xr

    metric = _bound(name, options)
    device = array.device if isinstance(array, Tensor) else torch.device("cpu")
    given = _labelled(array)
    stream = _stream(given, coordinates or {})
    leading = [dim for dim in given.dims if dim not in (LAYER, COMPONENT, TOKEN, HIDDEN)]
    own = [dim for dim in (LAYER, COMPONENT) if dim in given.dims]
    ordered = given.transpose(*leading, *own, TOKEN, HIDDEN)
    number = math.prod(ordered.shape[: len(leading)])
    vectors = ordered.values.reshape(number, *ordered.shape[len(leading) :])
    parts = [_Matrix(metric, stream, given, part, device).dataset() for part in vectors]
    stacked = {
        variable: xr.DataArray(
            np.stack([part[variable].values for part in parts]).reshape(
                (*ordered.shape[: len(leading)], *parts[0][variable].shape)
            ),
            dims=(*leading, *parts[0][variable].dims),
            attrs=parts[0][variable].attrs,
        )
        for variable in parts[0].data_vars
    }
    kept = {n: c for n, c in given.coords.items() if set(c.dims) <= set(leading) or set(c.dims) <= set(own)}
    return _named(metric, xr.Dataset(stacked, {**kept, **parts[0].coords}))


def _bound(name: str, options: Mapping[str, Any]) -> Bound[MetricDeclaration]:
    declaration = load_registry().find("metrics", name)
    if declaration.form == "derived":
        raise UsageError(f"{name!r} is computed from stored results: call prosect.derive")
    if declaration.requires:
        raise UsageError(f"{name!r} reads a part of a model ({', '.join(sorted(declaration.requires))}): run a spec")
    try:
        return Bound(declaration, declaration.options.model_validate(dict(options)))
    except ValidationError as error:
        raise SpecError(problems_of(error, declaration.options, Document(dict(options)), ())) from None


def _labelled(array: npt.NDArray[Any] | Tensor | xr.DataArray) -> xr.DataArray:
    """Give an array names of dimensions and a dtype that can be measured; nothing in it may be infinite."""
    import xarray as xr

    if isinstance(array, Tensor):
        # numpy knows no bfloat16
        array = as_array(array if array.dtype in FLOATS.values() else array.double())
    given = array if isinstance(array, xr.DataArray) else xr.DataArray(array)
    if given.ndim < 2:  # noqa: PLR2004 - token and hidden
        raise UsageError(f"vectors have the shape (token, hidden); this array has {given.ndim} axes")
    if TOKEN not in given.dims or HIDDEN not in given.dims:
        given = given.rename(dict(zip(given.dims[-2:], (TOKEN, HIDDEN), strict=True)))
    if str(given.dtype) not in FLOATS:
        given = given.astype(np.float64)
    if not np.isfinite(given.values).all():
        raise UsageError("the vectors hold values that are not finite; drop these tokens first")
    return given


def _stream(given: xr.DataArray, coordinates: Coordinates) -> TokenStream:
    """Describe the tokens as those of a corpus."""
    tokens = given.sizes[TOKEN]
    found = {str(n): np.asarray(c.values) for n, c in given.coords.items() if c.dims == (TOKEN,)}
    found |= {n: np.asarray(values) for n, values in coordinates.items()}
    wrong = {n: values.shape for n, values in found.items() if values.shape != (tokens,)}
    if wrong:
        raise UsageError(f"coordinates need one value for each of the {tokens} tokens; got the shapes {wrong}")
    sentence = found.get(SENTENCE, np.arange(tokens))
    starts = np.flatnonzero(np.concatenate([[True], sentence[1:] != sentence[:-1]])) if tokens else np.zeros(0, int)
    if len(np.unique(sentence)) != len(starts):
        raise UsageError("the tokens of a sentence must stand together; sort them by 'sentence' first")
    offsets = np.append(starts, tokens).astype(np.int64)
    position = np.arange(tokens) - np.repeat(starts, np.diff(offsets))
    ids = found.get(TOKEN_ID, np.arange(tokens))
    usual = {SENTENCE: sentence, POSITION: position, TOKEN_ID: ids, SPECIAL: np.zeros(tokens, dtype=np.bool_)}
    if ids.dtype.kind not in "iu":
        raise UsageError(f"'token_id' are whole numbers, not {ids.dtype}; other annotations may be text")
    return TokenStream(ids=ids.astype(np.int64), offsets=offsets, coordinates={**usual, **found})


@dataclass(frozen=True)
class _Matrix:
    """One set of vectors (layer?, component?, token, hidden) under a metric."""

    metric: Bound[MetricDeclaration]
    stream: TokenStream
    given: xr.DataArray
    vectors: npt.NDArray[Any]
    device: torch.device

    def dataset(self) -> xr.Dataset:
        """Variables of the metric, without the axes that the vectors do not have."""
        import xarray as xr

        accumulated = self.metric.declaration.form == "accumulator"
        arrays, axes = self._accumulated() if accumulated else (self._measured(), {})
        missing = {LAYER: LAYER not in self.given.dims}
        missing |= dict.fromkeys((COMPONENT, OTHER_COMPONENT), COMPONENT not in self.given.dims)
        variables = {}
        for variable in self.metric.declaration.variables(self.metric.options):
            dims = (LAYER, *variable.dims)
            gone = tuple(place for place, dim in enumerate(dims) if missing.get(dim))
            attrs = {"long_name": variable.long_name, "units": variable.units}
            attrs["reference"] = "; ".join(self.metric.declaration.references)
            left = [dim for dim in dims if not missing.get(dim)]
            variables[variable.name] = xr.DataArray(arrays[variable.name].squeeze(gone), dims=left, attrs=attrs)
        return xr.Dataset(variables, axes)

    def _readings(self) -> Iterator[tuple[int, Reading]]:
        dtype = FLOATS[str(self.vectors.dtype)]
        layered = self.vectors if LAYER in self.given.dims else self.vectors[None]
        view = TokenView(self.stream, torch.arange(self.stream.tokens, device=self.device))
        for layer, part in zip(self._layers(), layered, strict=True):
            terms = torch.tensor(part if COMPONENT in self.given.dims else part[None], dtype=dtype, device=self.device)
            dense = DenseTerms(self._components(), terms)
            yield layer, Reading(dense, dense.sum() if len(terms) > 1 else terms[0], view, layer)

    def _measured(self) -> Arrays:
        (function,) = load_measures([self.metric])
        found = [function(reading, reading.total) for _, reading in self._readings()]
        return {name: np.stack([as_array(values[name]) for values in found]) for name in found[0]}

    def _accumulated(self) -> tuple[Arrays, dict[str, Any]]:
        setting = Setting(
            components=self._components(),
            hidden=self.vectors.shape[-1],
            layers=self._layers(),
            stream=self.stream,
            device=self.device,
            dtype=FLOATS[str(self.vectors.dtype)],
        )
        accumulation = Accumulation.load([self.metric], setting)
        if accumulation is None:
            raise RuntimeError("this is no accumulator")
        axes = {dim: (dim, axis.values, {"long_name": axis.long_name}) for dim, axis in accumulation.axes().items()}
        gathering = accumulation.begin()
        for layer, reading in self._readings():
            gathering.update(layer, reading)
        return gathering.finalise(), axes

    def _layers(self) -> tuple[int, ...]:
        if LAYER not in self.given.dims:
            return (0,)
        if LAYER in self.given.coords:
            return tuple(int(layer) for layer in self.given[LAYER].values)
        return tuple(range(self.given.sizes[LAYER]))

    def _components(self) -> tuple[Component, ...]:
        if COMPONENT not in self.given.dims:
            return (TOTAL,)
        size = self.given.sizes[COMPONENT]
        labels = self.given[COMPONENT].values if COMPONENT in self.given.coords else range(1, size + 1)
        return tuple(Component(str(label), "component") for label in labels)


def _named(metric: Bound[MetricDeclaration], found: xr.Dataset) -> xr.DataArray:
    """Take the variable with the metric's name, or the first one; the others become its coordinates."""
    variables = [variable.name for variable in metric.declaration.variables(metric.options)]
    main = metric.name if metric.name in variables else variables[0]
    values = found[main]
    beside = {n: found[n] for n in variables if n != main and set(found[n].dims) <= set(values.dims)}
    companions = {n.removeprefix(f"{main}_"): array.reset_coords(drop=True) for n, array in beside.items()}
    return values.assign_coords(companions).rename(metric.name)
