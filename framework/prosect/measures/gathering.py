"""The accumulators of one analysis on one stream: at every layer and scope, updated, merged and finalised together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt

from prosect.errors import PluginError, UsageError
from prosect.measures.accumulator import (
    Accumulator,
    Axis,
    Context,
    HasAxes,
    Setting,
    State,
    Statistic,
    as_array,
)
from prosect.planning.model import Bound
from prosect.plugins.declarations import NUMPY_DTYPES, MetricDeclaration, Variable
from prosect.plugins.registry import implementation
from prosect.terms.reading import Reading
from prosect.vocab.dims import COMPONENT, HEAD, HIDDEN, OTHER_COMPONENT, SOURCE

Make = Callable[[Any, Context], Accumulator]
Arrays = dict[str, npt.NDArray[Any]]
Place = tuple[str | None, int]

#: Dimensions whose lengths and coordinates the analysis knows.
KNOWN: Final = frozenset({COMPONENT, OTHER_COMPONENT, HIDDEN, HEAD, SOURCE})


@dataclass(frozen=True)
class Accumulation:
    """What is accumulated by an analysis on one stream.

    Attributes
    ----------
    metrics
        The accumulators among its metrics.
    makers
        Their implementations.
    setting
        What they have in common.
    """

    metrics: tuple[Bound[MetricDeclaration], ...]
    makers: tuple[Make, ...]
    setting: Setting

    @classmethod
    def load(cls, metrics: Sequence[Bound[MetricDeclaration]], setting: Setting) -> Accumulation | None:
        """Load the accumulators among some metrics; None where there is none."""
        chosen = tuple(metric for metric in metrics if metric.declaration.form == "accumulator")
        makers = tuple(cast("Make", implementation(metric.declaration)) for metric in chosen)
        return cls(chosen, makers, setting) if chosen else None

    def begin(self) -> Gathering:
        """Start with nothing gathered."""
        return Gathering(self)

    def axes(self) -> dict[str, Axis]:
        """Dimensions that only accumulators have, with their coordinates.

        Raises
        ------
        UsageError
            Two metrics mean different things by one name.
        PluginError
            A metric declares a dimension and does not say what stands on it.
        """
        found: dict[str, Axis] = {}
        for metric, own in zip(self.metrics, self.begin().axes(), strict=True):
            used = {dim for v in metric.declaration.variables(metric.options) for dim in v.dims} - KNOWN
            if missing := sorted(used - set(own)):
                raise PluginError(f"metric {metric.name!r} does not say what stands on its dimension {missing[0]!r}")
            for dim in sorted(used):
                if dim in found and not np.array_equal(found[dim].values, own[dim].values):
                    raise UsageError(
                        f"the metrics of one analysis mean different things by the dimension {dim!r} ({metric.name!r} "
                        "is one of them); put them into two analyses"
                    )
                found[dim] = own[dim]
        return found


class Gathering:
    """What was gathered over some units of a corpus.

    Parameters
    ----------
    accumulation
        What is accumulated.
    """

    def __init__(self, accumulation: Accumulation) -> None:
        self._accumulation = accumulation
        self._shared: dict[tuple[Place, str], Statistic] = {}
        setting = accumulation.setting
        scopes: tuple[str | None, ...] = setting.scopes or (None,)
        self._places: list[Place] = [(scope, layer) for scope in scopes for layer in setting.layers]
        self._own: dict[Place, list[Accumulator]] = {place: self._made(place) for place in self._places}

    def update(self, layer: int, reading: Reading, scope: str | None = None) -> None:
        """Take in the tokens of one layer (of one scope of a block)."""
        place = (scope, layer)
        for (where, _), statistic in self._shared.items():
            if where == place:
                statistic.update(reading)
        for accumulator in self._own[place]:
            accumulator.update(reading)

    def state(self) -> State:
        """Everything that was gathered, as tensors by name."""
        return {
            f"{prefix}/{name}": tensor
            for prefix, statistic in self._parts()
            for name, tensor in statistic.state().items()
        }

    def merge(self, state: State) -> None:
        """Take in what was gathered over later units."""
        device, parts = self._accumulation.setting.device, dict(self._parts())
        split: dict[str, dict[str, Any]] = {prefix: {} for prefix in parts}
        for full, tensor in state.items():
            prefix, _, name = full.rpartition("/")
            split[prefix][name] = tensor.to(device)
        for prefix, own in split.items():
            if own:
                parts[prefix].merge(own)

    def finalise(self) -> Arrays:
        """Variables with the axes (scope, where there are several, layer, *declared axes)."""
        found: Arrays = {}
        setting = self._accumulation.setting
        for number, metric in enumerate(self._accumulation.metrics):
            variables = metric.declaration.variables(metric.options)
            rows = [_checked(metric, variables, self._own[place][number]) for place in self._places]
            for variable in variables:
                stacked = np.stack([row[variable.name] for row in rows])
                scoped = (len(setting.scopes), len(setting.layers)) if len(setting.scopes) > 1 else ()
                found[variable.name] = stacked.reshape(*scoped, *stacked.shape[1:]) if scoped else stacked
        return found

    def axes(self) -> list[Mapping[str, Axis]]:
        """Dimensions that each metric says it has."""
        first = self._own[self._places[0]]
        return [own.axes() if isinstance(own, HasAxes) else {} for own in first]

    def _made(self, place: Place) -> list[Accumulator]:
        scope, layer = place

        def share(at: int, key: str, make: Callable[[], Statistic]) -> Statistic:
            if at not in self._accumulation.setting.layers:
                raise UsageError(f"layer {at} is not among the layers of this analysis")
            where = (scope, at), key
            if where not in self._shared:
                self._shared[where] = make()
            return self._shared[where]

        context = Context(setting=self._accumulation.setting, layer=layer, scope=scope, _share=share)
        pairs = zip(self._accumulation.metrics, self._accumulation.makers, strict=True)
        return [make(metric.options, context) for metric, make in pairs]

    def _parts(self) -> Iterator[tuple[str, Statistic]]:
        """Yield everything that has a state, under a name of its own."""
        for ((scope, layer), key), statistic in self._shared.items():
            yield f"{scope or ''}/{layer}/shared/{key}", statistic
        for (scope, layer), accumulators in self._own.items():
            for metric, accumulator in zip(self._accumulation.metrics, accumulators, strict=True):
                yield f"{scope or ''}/{layer}/own/{metric.name}", accumulator


def _checked(metric: Bound[MetricDeclaration], variables: Sequence[Variable], accumulator: Accumulator) -> Arrays:
    """Finalise one accumulator; every variable in its dtype."""
    values = accumulator.finalise()
    wanted = {variable.name for variable in variables}
    if set(values) != wanted:
        raise PluginError(f"metric {metric.name!r} gave the variables {sorted(values)}, declared are {sorted(wanted)}")
    found = {}
    for variable in variables:
        array = as_array(values[variable.name]).astype(np.dtype(NUMPY_DTYPES.get(variable.dtype, "float64")))
        if array.ndim != len(variable.dims):
            raise PluginError(
                f"metric {metric.name!r} gave {variable.name!r} with {array.ndim} axes, declared are {variable.dims}"
            )
        found[variable.name] = array
    return found
