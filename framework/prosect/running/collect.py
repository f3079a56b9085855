"""Measuring what a replay reads, and putting the numbers where the unit wants them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from prosect.errors import RunError, UsageError
from prosect.measures.gathering import Gathering
from prosect.measures.token import Measure
from prosect.model.capture import BlockCapture
from prosect.model.tokens import Batch, TokenStream, Unit
from prosect.plugins.declarations import Variable
from prosect.running.budget import Cut
from prosect.running.work import StreamWork
from prosect.terms.adjoint import AdjointTerms
from prosect.terms.dense import DenseTerms
from prosect.terms.onward import Onward
from prosect.terms.reading import Reading, TokenView
from prosect.terms.terms import Terms
from prosect.terms.watched import SublayerView
from prosect.vocab.architecture import Block
from prosect.vocab.dims import COMPONENT, SOURCE, TOKEN

Arrays = dict[str, npt.NDArray[Any]]

TERMS: Final = "terms"
FLOAT16_MAX: Final = 65504.0


class Collector:
    """Collects the variables of one analysis over the batches of a unit.

    Parameters
    ----------
    work
        The analysis.
    stream
        The tokens of the corpus.
    unit
        The unit.
    device
        Where the numbers are kept until the unit is done.
    of_source
        Collect the variables of single source tokens only, in a unit of the encoder; in ``cross`` they are left out
        otherwise.
    """

    def __init__(
        self, work: StreamWork, stream: TokenStream, unit: Unit, device: torch.device, *, of_source: bool = False
    ) -> None:
        self._work, self._stream, self._unit, self._device = work, stream, unit, device
        self._of_source = of_source
        self._layers = {layer: place for place, layer in enumerate(work.layers)}
        self._scopes = {scope: place for place, scope in enumerate(work.scopes)}
        self._buffers: dict[str, Tensor] = {}
        self._cut: Cut | None = None
        self._batch: Batch | None = None
        self._source: Batch | None = None
        self._view: TokenView | None = None
        self.gathering: Gathering | None = None
        self._sublayers: SublayerView | None = None
        self._places: dict[tuple[str, torch.device, int], Tensor] = {}
        self.restart()

    def restart(self) -> None:
        """Forget what was accumulated: the unit is computed anew."""
        accumulation = None if self._of_source else self._work.accumulation
        self.gathering = None if accumulation is None else accumulation.begin()

    def aim(self, batch: Batch, source: Batch | None = None) -> None:
        """Set the places of the next batch's tokens; ``source`` are the encoder's sentences, for a decoder."""
        self._batch, self._view = batch, self._viewed(self._index(batch))
        self._source = source
        self._places.clear()
        self._cut = None
        self._sublayers = None

    def watch(self, block: Block, capture: BlockCapture, pick: Callable[[Tensor], Tensor]) -> None:
        """Keep a block for the accumulators that look at its sub-layers, until the next one is finished."""
        if self._work.whole and not self._work.pairwise:
            self._sublayers = SublayerView(block, capture, lambda captured: self._own(pick(captured), 0))
        else:
            self._sublayers = SublayerView(block, capture, pick)

    def narrow(self, cut: Cut) -> None:
        """Take only some source positions from the next replay of this batch."""
        self._cut = cut

    @property
    def view(self) -> TokenView:
        """The tokens of the batch that is aimed at."""
        if self._view is None:
            raise RuntimeError("no batch is aimed at")
        return self._view

    def take(self, layer: int, terms: Terms, state: Tensor) -> None:
        """Measure the state after a block."""
        self._take(self._shown(terms), state, layer, None)

    def take_scope(self, block: int, scope: str, terms: Terms, state: Tensor, onward: Onward | None) -> None:
        """Measure a scope of a block."""
        if scope in self._scopes:
            self._take(self._shown(terms), state, block, scope, onward)

    def arrays(self) -> Arrays:
        """Return everything that was collected."""
        return {name: buffer.cpu().numpy() for name, buffer in self._buffers.items()}

    def _take(self, terms: Terms, state: Tensor, layer: int, scope: str | None, onward: Onward | None = None) -> None:
        place: tuple[int, ...] = (self._layers[layer],)
        if scope is not None and self._work.scoped:
            place = (self._scopes[scope], *place)
        gain = None if scope is None else self._work.gains.get((layer, scope))
        reading = Reading(terms, state, self._view, layer, self._work.head_view(layer), onward, gain=gain)
        for measure in self._work.measures:
            self._measure(place, measure, reading)
        if self._work.keep_terms is not None:
            self._keep(place, self._kept(self._own(terms.dense(), 1)))
        if self.gathering is not None:
            self.gathering.update(layer, self._gathered(reading), scope)

    def _gathered(self, reading: Reading) -> Reading:
        """Return what accumulators are given: the unit's own tokens, or whole padded sentences as labels are tokens."""
        reading.sublayers = self._sublayers
        if not self._work.whole or self._work.pairwise:
            return reading
        terms = DenseTerms(reading.components, self._own(reading.dense(), 1))
        view = self._viewed(self._own_index(self._aimed()))
        layer = reading.layer
        head = None if layer is None else self._work.head_view(layer)
        total = self._own(reading.total, 0)
        return Reading(terms, total, view, layer, head, gain=reading.gain, sublayers=self._sublayers)

    def _viewed(self, index: Tensor) -> TokenView:
        return TokenView(self._stream, index, (self._unit.start, self._unit.stop))

    def _shown(self, terms: Terms) -> Terms:
        """Leave out terms that are carried for the sum only: a bias that is dropped, positions of other replays."""
        if isinstance(terms, AdjointTerms):
            return terms.without(1) if self._work.drops_bias else terms
        if not isinstance(terms, DenseTerms) or not self._work.whole:
            return terms
        if self._work.sources and self._cut is not None:
            return terms.first(self._cut.labels + len(self._rest))
        return terms.first(len(self._work.labels)) if self._work.drops_bias else terms

    @property
    def _rest(self) -> tuple[str, ...]:
        """Labels that are no positions; of the replays of one batch only the first is asked for them."""
        return self._work.rest if self._cut is None or self._cut.start == 0 else ()

    def _measure(self, place: tuple[int, ...], measure: Measure, reading: Reading) -> None:
        values = measure(reading, reading.total)
        for variable in measure.variables:
            if self._work.crossing and variable.of_source != self._of_source:
                continue
            if self._work.sources:
                self._put_by_source(place, variable, values[variable.name])
            elif self._work.split and COMPONENT in variable.dims:
                self._put_split(place, variable, values[variable.name])
            else:
                token = variable.dims.index(TOKEN)
                self._put(place, variable.name, self._own(values[variable.name], token), token)

    def _put_by_source(self, place: tuple[int, ...], variable: Variable, values: Tensor) -> None:
        """Take the unit's tokens out of padded values, whose ``token`` stands for the axes (batch, position)."""
        if COMPONENT in variable.dims:
            axis = variable.dims.index(COMPONENT)
            others = [dim for dim in variable.dims if dim != COMPONENT]
            token, sources = others.index(TOKEN), values.shape[axis] - len(self._rest)
            for number, name in enumerate(self._rest):
                rest = values.select(axis, sources + number)
                self._put(place, f"{variable.name}_{name}", self._own(rest, token), token)
            pairs = values.narrow(axis, 0, sources).movedim(axis, -1)
            self._put_pairs(place, variable.name, pairs, token)
        elif SOURCE in variable.dims:
            self._put_pairs(place, variable.name, values, variable.dims.index(TOKEN))
        else:
            token = variable.dims.index(TOKEN)
            self._put(place, variable.name, self._own(values, token), token)

    def _put_split(self, place: tuple[int, ...], variable: Variable, values: Tensor) -> None:
        """Put values of heads, each of which stands for as many terms as there are positions of a source."""
        axis, heads, sources = variable.dims.index(COMPONENT), len(self._work.labels), self._sources().ids.shape[1]
        pairs = torch.unflatten(values.narrow(axis, 0, heads * sources), axis, (heads, sources)).movedim(axis + 1, -1)
        self._put_pairs(place, variable.name, pairs, variable.dims.index(TOKEN))

    def _put_pairs(self, place: tuple[int, ...], name: str, values: Tensor, token: int) -> None:
        """Put values whose last axis is ``source``, or a part of it: NaN stands behind the end of a sentence."""
        own = self._own(values, token)
        first = 0 if self._cut is None else self._cut.start
        lengths = self._place("lengths", own.device, self._lengths)
        beyond = torch.arange(first, first + own.shape[-1], device=own.device) >= lengths[:, None]
        shape = [1] * token + [own.shape[token]] + [1] * (own.dim() - token - 2) + [own.shape[-1]]
        own = own.masked_fill(beyond.reshape(shape), float("nan"))
        buffer = self._buffer(name, (*own.shape[:-1], self._work.width), token, like=own)
        buffer[place][..., first : first + own.shape[-1]].index_copy_(token, self._targets(own.device), own)

    def _own(self, values: Tensor, token: int) -> Tensor:
        """Take the unit's own tokens out of the axes (batch, position) at ``token``, where sentences came whole."""
        if not self._work.whole:
            return values
        batch, width = self._aimed(), values.shape[token + 1]
        own = self._place("own", values.device, lambda: batch.rows * width + batch.columns, width)
        return values.flatten(token, token + 1).index_select(token, own)

    def _index(self, batch: Batch) -> Tensor:
        """Place of the batch's tokens on the flat axis: of the unit's own ones, or of whole padded sentences."""
        if not self._work.whole:
            return self._own_index(batch)
        firsts = np.asarray(self._stream.offsets, dtype=np.int64)[batch.sentences]
        index = firsts[:, None] + np.arange(batch.ids.shape[1])
        return torch.from_numpy(np.where(batch.mask > 0, index, -1)).to(self._device)

    def _own_index(self, batch: Batch) -> Tensor:
        return torch.from_numpy(np.asarray(batch.targets, dtype=np.int64) + self._unit.start).to(self._device)

    def _lengths(self) -> npt.NDArray[np.int64]:
        """Count the sources of each of the unit's tokens."""
        return np.asarray(self._sources().mask.sum(axis=1)[self._aimed().rows], dtype=np.int64)

    def _sources(self) -> Batch:
        """Return the sentences that tokens look at."""
        batch = self._aimed()
        return self._source if self._work.crossing and self._source is not None else batch

    def _keep(self, place: tuple[int, ...], vectors: Tensor) -> None:
        before = self._buffers.get(TERMS)
        if before is not None and before.shape[-1] != vectors.shape[-1]:
            raise UsageError(
                f"hidden states are {before.shape[-1]} wide at some layers and {vectors.shape[-1]} at others, so one "
                "array cannot keep them: keep the terms of layers of one width ('layers')"
            )
        self._put(place, TERMS, vectors, 1)

    def _kept(self, vectors: Tensor) -> Tensor:
        if self._work.keep_terms != "float16":
            return vectors
        largest = float(vectors.abs().amax()) if vectors.numel() else 0.0
        if largest > FLOAT16_MAX:
            raise RunError(
                f"a component reaches {largest:.3g}, more than float16 holds (65504): keep terms as they are computed "
                "(keep: [terms]), or fewer layers"
            )
        return vectors.half()

    def _put(self, place: tuple[int, ...], name: str, values: Tensor, axis: int) -> None:
        buffer = self._buffer(name, tuple(values.shape), axis, like=values)
        buffer[place].index_copy_(axis, self._targets(values.device), values)

    def _buffer(self, name: str, shape: tuple[int, ...], token: int, *, like: Tensor) -> Tensor:
        """Return where a variable is collected; NaN (-1 for integers) until something is put there."""
        if name not in self._buffers:
            whole = (*shape[:token], self._unit.stop - self._unit.start, *shape[token + 1 :])
            leading = (*((len(self._scopes),) if self._work.scoped else ()), len(self._layers))
            # Vectors of every token come at every layer; touching so much memory twice would take its time.
            complete = name == TERMS and not self._work.scoped
            shape = (*leading, *whole)
            self._buffers[name] = like.new_empty(shape) if complete else like.new_full(shape, _nothing(like))
        return self._buffers[name]

    def _targets(self, device: torch.device) -> Tensor:
        return self._place("targets", device, lambda: self._aimed().targets)

    def _place(self, name: str, device: torch.device, make: Callable[[], npt.NDArray[Any]], width: int = 0) -> Tensor:
        """Return numbers that say where the batch's tokens are; they are brought to a device once."""
        key = (name, device, width)
        if key not in self._places:
            self._places[key] = torch.from_numpy(np.asarray(make(), dtype=np.int64)).to(device)
        return self._places[key]

    def _aimed(self) -> Batch:
        if self._batch is None:
            raise RuntimeError("a layer was read before its batch")
        return self._batch


def _nothing(values: Tensor) -> float | int:
    """Return what stands where nothing was measured: NaN, or -1 for integers."""
    return float("nan") if values.is_floating_point() else -1
