"""What an accumulator is: something that is updated reading by reading, merged, and finalised over a corpus."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, cast, runtime_checkable

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from prosect.model.load import LoadedModel
from prosect.model.tokens import TokenStream
from prosect.terms.reading import Reading
from prosect.vocab.components import Component

State = Mapping[str, Tensor]
Values = Mapping[str, Tensor | npt.NDArray[Any] | float]
T = TypeVar("T")


class Statistic(Protocol):
    """Something that is gathered over the tokens of one layer, on the device.

    Merging the state of one part of a corpus with that of another gives the state of both; parts are merged in the
    order of the corpus. Merged into a new statistic, a state is restored bit for bit: so a run that was killed
    goes on as if nothing had happened.
    """

    def update(self, reading: Reading) -> None:
        """Take in the tokens of a reading; its tensors may be kept only as copies."""
        ...

    def state(self) -> State:
        """Return everything that was gathered, as tensors by name; empty where nothing was."""
        ...

    def merge(self, state: State) -> None:
        """Take in what another one has gathered over later tokens."""
        ...


class Accumulator(Statistic, Protocol):
    """A statistic that can be turned into the variables of a metric."""

    def finalise(self) -> Values:
        """Return every declared variable, with the dimensions of its declaration."""
        ...


@dataclass(frozen=True)
class Axis:
    """A dimension that only some measures have, such as ``group``.

    Attributes
    ----------
    values
        Its coordinate: numbers or strings, one-dimensional.
    long_name
        What it counts, in one phrase.
    """

    values: npt.NDArray[Any]
    long_name: str


@runtime_checkable
class HasAxes(Protocol):
    """An accumulator whose variables have dimensions of their own."""

    def axes(self) -> Mapping[str, Axis]:
        """Return these dimensions; known before the first reading, the same at every layer."""
        ...


@dataclass(frozen=True, kw_only=True)
class Setting:
    """What all accumulators of an analysis on one stream have in common.

    Attributes
    ----------
    components
        Labels in the order of the ``component`` axis; empty where labels are the tokens of each sentence.
    hidden
        Width of the hidden state.
    layers, scopes
        Layers that are read, ascending, and scopes, empty for the state after each block.
    stream
        All tokens of the corpus with their coordinates.
    source_stream
        In the node ``cross``: the encoder's tokens; else None.
    device, dtype
        Of the terms.
    model
        The loaded model; None where there is none (plain arrays).
    remembered
        What `Context.once` has made.
    """

    components: tuple[Component, ...]
    hidden: int
    layers: tuple[int, ...]
    stream: TokenStream
    device: torch.device
    dtype: torch.dtype
    scopes: tuple[str, ...] = ()
    source_stream: TokenStream | None = None
    model: LoadedModel | None = None
    remembered: dict[Hashable, Any] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, kw_only=True)
class Context:
    """Where an accumulator stands.

    Attributes
    ----------
    setting
        What it has in common with the others.
    layer
        Its layer; a block's number where a scope is read.
    scope
        Name of its scope, None for the state after each block.
    """

    setting: Setting
    layer: int
    scope: str | None
    _share: Callable[[int, str, Callable[[], Statistic]], Statistic] = field(repr=False)

    @property
    def components(self) -> tuple[Component, ...]:
        """Labels in the order of the ``component`` axis."""
        return self.setting.components

    @property
    def hidden(self) -> int:
        """Width of the hidden state."""
        return self.setting.hidden

    @property
    def stream(self) -> TokenStream:
        """All tokens of the corpus with their coordinates."""
        return self.setting.stream

    @property
    def device(self) -> torch.device:
        """Device of the terms."""
        return self.setting.device

    def shared(self, key: str, make: Callable[[], T], *, layer: int | None = None) -> T:
        """Return a statistic that several accumulators read: gathered, merged and saved once.

        Parameters
        ----------
        key
            Says what it is, with everything that decides its values; the first who asks for it makes it.
        make
            Makes it: a `Statistic`.
        layer
            Another layer of the analysis; this one where None.
        """
        place = self.layer if layer is None else layer
        return cast("T", self._share(place, key, cast("Callable[[], Statistic]", make)))

    def once(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what depends on neither layer nor unit (a sampling plan, codes of groups): made once for all."""
        remembered = self.setting.remembered
        if key not in remembered:
            remembered[key] = make()
        return cast("T", remembered[key])


@dataclass(frozen=True)
class Finaliser:
    """An accumulator without a state of its own, which finalises what shared statistics have gathered.

    Attributes
    ----------
    function
        Returns every declared variable.
    own_axes
        Dimensions of its own.
    """

    function: Callable[[], Values]
    own_axes: Mapping[str, Axis] = field(default_factory=dict)

    def update(self, reading: Reading) -> None:
        """Do nothing: the shared statistics are updated by themselves."""

    def state(self) -> State:
        """Return nothing."""
        return {}

    def merge(self, state: State) -> None:
        """Do nothing."""

    def finalise(self) -> Values:
        """Return every declared variable."""
        return self.function()

    def axes(self) -> Mapping[str, Axis]:
        """Return the dimensions of its own."""
        return self.own_axes


def as_array(values: Tensor | npt.NDArray[Any] | float) -> npt.NDArray[Any]:
    """Bring finalised values to the host."""
    return values.cpu().numpy() if isinstance(values, Tensor) else np.asarray(values)
