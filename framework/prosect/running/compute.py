"""From one unit of tokens to arrays: forward passes in step with replays, measured layer by layer."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from prosect.errors import ClosureError, RunError
from prosect.model.batching import halve
from prosect.model.capture import BlockCapture, Needs, StreamTap
from prosect.model.forward import eager_attention, feed, forward
from prosect.model.load import LoadedModel
from prosect.model.tokens import Batch
from prosect.running.work import StreamWork
from prosect.terms.closure import ClosureGauge
from prosect.terms.dense import DenseTerms
from prosect.terms.rebuild import working_dtype
from prosect.terms.replay import Replay, StreamWeights, needs, stream_weights
from prosect.terms.terms import Reading, Terms

Arrays = dict[str, npt.NDArray[Any]]
Pair = tuple[Batch, Batch | None]

TERMS: Final = "terms"
FLOAT16_MAX: Final = 65504.0


@dataclass(frozen=True)
class UnitResult:
    """What one unit gave for one analysis.

    Attributes
    ----------
    arrays
        Variable -> values with the axes (layer, *declared axes); tokens in the order of the unit.
    closure_max
        Largest relative gap between the sum of terms and the hidden state.
    halved
        A batch had to be halved for memory.
    """

    arrays: Arrays
    closure_max: float
    halved: bool


class _Picker:
    """Takes a batch's own tokens out of captured tensors, each tensor once while a block is looked at."""

    def __init__(self, batch: Batch, device: torch.device, dtype: torch.dtype) -> None:
        self._rows = torch.from_numpy(np.asarray(batch.rows, dtype=np.int64)).to(device)
        self._columns = torch.from_numpy(np.asarray(batch.columns, dtype=np.int64)).to(device)
        self._dtype = dtype
        self._seen: dict[int, tuple[Tensor, Tensor]] = {}

    def __call__(self, captured: Tensor) -> Tensor:
        found = self._seen.get(id(captured))
        if found is None:
            found = captured, captured[self._rows, self._columns].to(self._dtype)
            self._seen[id(captured)] = found
        return found[1]

    def forget(self) -> None:
        self._seen.clear()


class _Collector:
    """Measures the layers of one analysis, and puts the numbers where the unit wants them."""

    def __init__(self, work: StreamWork, tokens: int, device: torch.device) -> None:
        self._work, self._tokens, self._device = work, tokens, device
        self._places = {layer: place for place, layer in enumerate(work.layers)}
        self._buffers: dict[str, Tensor] = {}
        self._targets: Tensor | None = None

    def aim(self, batch: Batch) -> None:
        """Set the places of the next batch's tokens."""
        self._targets = torch.from_numpy(np.asarray(batch.targets, dtype=np.int64)).to(self._device)

    def take(self, layer: int, terms: Terms, state: Tensor) -> None:
        """Measure one layer of a batch."""
        reading = Reading(terms, state)
        for measure in self._work.measures:
            axes = {variable.name: variable.dims for variable in measure.variables}
            for name, values in measure(reading, state).items():
                self._put(name, layer, values, axes[name].index("token"))
        if self._work.keep_terms is not None:
            self._put(TERMS, layer, self._kept(terms.dense()), 1)

    def arrays(self) -> Arrays:
        """Return everything that was collected."""
        return {name: buffer.cpu().numpy() for name, buffer in self._buffers.items()}

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

    def _put(self, name: str, layer: int, values: Tensor, axis: int) -> None:
        if self._targets is None:
            raise RuntimeError("a layer was read before its batch")
        if name not in self._buffers:
            shape = list(values.shape)
            shape[axis] = self._tokens
            self._buffers[name] = values.new_full((len(self._places), *shape), float("nan"))
        self._buffers[name][self._places[layer]].index_copy_(axis, self._targets, values)


class _Fan:
    """Hands one forward pass to several replays."""

    def __init__(self, replays: Sequence[Replay], picker: _Picker) -> None:
        self._replays, self._picker = replays, picker

    def embedded(self, raw: Tensor | None, state: Tensor) -> None:
        for replay in self._replays:
            replay.embedded(raw, state)
        self._picker.forget()

    def block(self, capture: BlockCapture) -> None:
        for replay in self._replays:
            replay.block(capture)
        self._picker.forget()

    def finished(self, normed: Tensor | None) -> None:
        for replay in self._replays:
            replay.finished(normed)
        self._picker.forget()

    def projected(self, output: Tensor) -> None:
        for replay in self._replays:
            replay.projected(output)
        self._picker.forget()


class UnitComputer:
    """Computes units of one stream of one model for several analyses, one forward pass for all of them.

    Parameters
    ----------
    model
        The loaded model.
    works
        The analyses; all on the same stream.
    limits
        Closure tolerance of each.
    """

    def __init__(self, model: LoadedModel, works: Sequence[StreamWork], limits: Sequence[float]) -> None:
        self._model, self._works, self._limits = model, tuple(works), tuple(limits)
        self._dtype = working_dtype(model.dtype)
        self._weights: dict[int, StreamWeights] = {}
        self._needs = Needs()
        for work in self._works:
            if work.stream is not None and work.rules is not None:
                self._needs |= needs(work.rules, work.stream)

    def compute(self, batches: Sequence[Pair], tokens: int) -> tuple[UnitResult, ...]:
        """Compute a unit of ``tokens`` tokens from its batches; one result per analysis.

        Raises
        ------
        ClosureError
            The terms of an analysis do not sum to the hidden state.
        RunError
            Not even a single sentence fits into memory.
        """
        device = self._model.device
        collectors = [_Collector(work, tokens, device) for work in self._works]
        gauges = [ClosureGauge(limit) for limit in self._limits]
        halved = False
        waiting = deque(batches)
        with torch.no_grad(), eager_attention(self._model, wanted=self._needs.attention):
            while waiting:
                pair = waiting.popleft()
                try:
                    self._batch(pair, collectors, gauges)
                except (torch.OutOfMemoryError, MemoryError):
                    waiting.extendleft(reversed(_halves(pair)))
                    halved = True
        return tuple(
            UnitResult(collector.arrays(), gauge.largest, halved)
            for collector, gauge in zip(collectors, gauges, strict=True)
        )

    def _batch(self, pair: Pair, collectors: Sequence[_Collector], gauges: Sequence[ClosureGauge]) -> None:
        source, target = pair
        own = source if target is None else target
        picker = _Picker(own, self._model.device, self._dtype)
        replays: list[Replay] = []
        whole: list[_Collector] = []
        for work, collector, gauge in zip(self._works, collectors, gauges, strict=True):
            collector.aim(own)
            if work.stream is None or work.rules is None:
                whole.append(collector)
                continue
            replays.append(self._replay(work, collector, gauge, picker))
        with ExitStack() as stack:
            stream = next((work.stream for work in self._works if work.stream is not None), None)
            if stream is not None:
                tap = StreamTap(self._model.base, stream, self._needs, _Fan(replays, picker))
                stack.enter_context(tap.attached())
            output = forward(self._model, feed(self._model, source, target), hidden_states=bool(whole))
        self._read_whole(whole, output, picker, decoder=target is not None)
        for work, gauge in zip(self._works, gauges, strict=True):
            try:
                gauge.settle()
            except ClosureError as error:
                raise ClosureError(f"stream {work.name!r}: {error}") from None

    def _replay(self, work: StreamWork, collector: _Collector, gauge: ClosureGauge, picker: _Picker) -> Replay:
        if work.stream is None or work.rules is None:
            raise RuntimeError("nothing to replay")
        if id(work.stream) not in self._weights:
            self._weights[id(work.stream)] = stream_weights(self._model.base, work.stream, self._dtype)
        return Replay(
            stream=work.stream,
            rules=work.rules,
            weights=self._weights[id(work.stream)],
            layers=work.layers,
            pick=picker,
            gauge=gauge,
            sink=collector.take,
        )

    def _read_whole(self, collectors: Sequence[_Collector], output: Any, picker: _Picker, *, decoder: bool) -> None:  # noqa: ANN401 - transformers' output classes
        if not collectors:
            return
        states = output.decoder_hidden_states if decoder else output.hidden_states
        for collector, work in zip(collectors, (w for w in self._works if w.rules is None), strict=True):
            for layer in work.layers:
                state = picker(states[layer])
                collector.take(layer, DenseTerms(work.labels, state.unsqueeze(0)), state)


def _halves(pair: Pair) -> list[Pair]:
    source, target = pair
    if len(source.sentences) <= 1:
        length = source.ids.shape[1]
        raise RunError(
            f"a single sentence of {length} tokens does not fit into the memory of the device; "
            "use 'window' to cut it, fewer labels ('by: kind'), or 'device: cpu'"
        )
    first, second = halve(source)
    if target is None:
        return [(first, None), (second, None)]
    upper, lower = halve(target)
    return [(first, upper), (second, lower)]
