"""From one unit of tokens to arrays: forward passes in step with replays, measured layer by layer."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from prosect.errors import ClosureError
from prosect.measures.gathering import Gathering
from prosect.model.batching import halve
from prosect.model.capture import BlockCapture, Listener, Needs, StreamTap
from prosect.model.forward import eager_attention, feed, forward
from prosect.model.load import LoadedModel
from prosect.model.recording import Recording
from prosect.model.tokens import Batch, TokenStream, Unit
from prosect.running.budget import Budget, Cut, cuts
from prosect.running.collect import Arrays, Collector
from prosect.running.giving import Giver
from prosect.running.starts import start_of
from prosect.running.work import StreamWork
from prosect.terms.closure import ClosureGauge
from prosect.terms.dense import DenseTerms
from prosect.terms.rebuild import working_dtype
from prosect.terms.replay import Replay, StreamWeights, needs, stream_weights
from prosect.vocab.architecture import Stream

Pair = tuple[Batch, Batch | None]


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
    given
        In a unit of the encoder: variables of its tokens in the node ``cross``, with the unit's tokens on
        ``source_token``.
    gathering
        What was accumulated over the unit; None where nothing is.
    """

    arrays: Arrays
    closure_max: float
    halved: bool
    given: Arrays = field(default_factory=dict)
    gathering: Gathering | None = None


class _Picker:
    """Takes a batch's own tokens out of captured tensors, each tensor once while a block is looked at.

    Where sentences must stay whole (terms of other tokens are mixed in) it only changes the dtype.
    """

    def __init__(self, batch: Batch, device: torch.device, dtype: torch.dtype, *, whole: bool) -> None:
        self._rows = torch.from_numpy(np.asarray(batch.rows, dtype=np.int64)).to(device)
        self._columns = torch.from_numpy(np.asarray(batch.columns, dtype=np.int64)).to(device)
        self._dtype, self._whole = dtype, whole
        self._seen: dict[int, tuple[Tensor, Tensor]] = {}

    def __call__(self, captured: Tensor) -> Tensor:
        found = self._seen.get(id(captured))
        if found is None:
            own = captured if self._whole else captured[self._rows, self._columns]
            found = captured, own.to(self._dtype)
            self._seen[id(captured)] = found
        return found[1]

    def forget(self) -> None:
        self._seen.clear()


class _Fan:
    """Hands one forward pass to several replays, and to a recording of it."""

    def __init__(self, listeners: Sequence[Listener], pickers: Sequence[_Picker]) -> None:
        self._listeners, self._pickers = listeners, pickers

    def beside(self, listener: Listener) -> _Fan:
        """Let another one listen first."""
        return _Fan([listener, *self._listeners], self._pickers)

    def embedded(self, raw: Tensor | None, state: Tensor) -> None:
        for listener in self._listeners:
            listener.embedded(raw, state)
        self._forget()

    def block(self, capture: BlockCapture) -> None:
        for listener in self._listeners:
            listener.block(capture)
        self._forget()

    def finished(self, normed: Tensor | None) -> None:
        for listener in self._listeners:
            listener.finished(normed)
        self._forget()

    def projected(self, output: Tensor) -> None:
        for listener in self._listeners:
            listener.projected(output)
        self._forget()

    def _forget(self) -> None:
        for picker in self._pickers:
            picker.forget()


class UnitComputer:
    """Computes units of one stream of one model for several analyses, one forward pass for all of them.

    Parameters
    ----------
    model
        The loaded model.
    works
        The analyses; all on the same stream, or in ``cross`` beside the decoder.
    limits
        Closure tolerance of each.
    budget
        Bytes that may be held at a time; default: that of the device.
    """

    def __init__(
        self,
        model: LoadedModel,
        works: Sequence[StreamWork],
        limits: Sequence[float],
        budget: Budget | None = None,
    ) -> None:
        self._model, self._works, self._limits = model, tuple(works), tuple(limits)
        self._budget = Budget.of(model.device) if budget is None else budget
        self._dtype = working_dtype(model.dtype)
        self._weights: dict[int, StreamWeights] = {}
        self._needs = Needs()
        for work in self._works:
            if work.stream is not None and work.rules is not None:
                self._needs |= needs(work.rules, work.stream)

    def compute(self, batches: Sequence[Pair], stream: TokenStream, unit: Unit) -> tuple[UnitResult, ...]:
        """Compute a unit of a stream of tokens from its batches; one result per analysis.

        Raises
        ------
        ClosureError
            The terms of an analysis do not sum to the hidden state.
        RunError
            Not even a single sentence fits into memory.
        """
        device = self._model.device
        collectors = [Collector(work, stream, unit, device) for work in self._works]
        givers = [self._giver(work, stream, unit) for work in self._works]
        gauges = [ClosureGauge(limit) for limit in self._limits]
        halved = False
        waiting, done = deque(batches), list[Pair]()
        with torch.no_grad(), eager_attention(self._model, wanted=self._needs.attention):
            while waiting:
                pair = waiting.popleft()
                try:
                    self._batch(pair, collectors, gauges, givers)
                    done.append(pair)
                except (torch.OutOfMemoryError, MemoryError):
                    halved = True
                    waiting.extendleft(reversed(_halves(pair)))
                    if any(collector.gathering is not None for collector in collectors):
                        # What half a batch has added to an accumulator cannot be taken back.
                        waiting.extendleft(reversed(done))
                        done.clear()
                        for collector in collectors:
                            collector.restart()
        return tuple(
            UnitResult(
                arrays=collector.arrays(),
                closure_max=gauge.largest,
                halved=halved,
                given={} if giver is None else giver.arrays(),
                gathering=collector.gathering,
            )
            for collector, gauge, giver in zip(collectors, gauges, givers, strict=True)
        )

    def _giver(self, work: StreamWork, stream: TokenStream, unit: Unit) -> Giver | None:
        if work.gives is None or work.gives.stream is None:
            return None
        collector = Collector(work.gives, stream, unit, self._model.device, of_source=True)
        return Giver(work.gives, self._stream_weights(work.gives.stream), collector)

    def _batch(
        self,
        pair: Pair,
        collectors: Sequence[Collector],
        gauges: Sequence[ClosureGauge],
        givers: Sequence[Giver | None],
    ) -> None:
        """Replay every analysis, those with too many labels part by part, all from what one forward pass captured."""
        source, target = pair
        own = source if target is None else target
        for work, collector, gauge in zip(self._works, collectors, gauges, strict=True):
            collector.aim(own, source)
            gauge.real = torch.from_numpy(own.mask > 0).to(self._model.device) if work.whole else None
        parts = [self._parts(work, own, source) for work in self._works]
        passes = max(map(len, parts))
        recording = Recording(self._budget.kept) if passes > 1 else None
        for number in range(passes):
            chosen = [found[number] if number < len(found) else None for found in parts]
            fan = self._fan(own, chosen, collectors, gauges)
            if number == 0:
                output = self._listen(pair, fan if recording is None else fan.beside(recording))
                self._read(pair, output, collectors, givers)
            elif recording is not None and recording.complete:
                recording.play(fan)
            else:
                self._listen(pair, fan)
            self._settle(gauges)

    def _parts(self, work: StreamWork, own: Batch, source: Batch) -> tuple[Cut, ...]:
        sources = source if work.crossing else own
        return cuts(work, own.ids.size, sources.ids.shape[1], self._budget, self._dtype.itemsize)

    def _fan(
        self, own: Batch, parts: Sequence[Cut | None], collectors: Sequence[Collector], gauges: Sequence[ClosureGauge]
    ) -> _Fan:
        """Make the replays of the works that have a part to be replayed."""
        pickers = {whole: _Picker(own, self._model.device, self._dtype, whole=whole) for whole in (False, True)}
        replays = []
        for work, part, collector, gauge in zip(self._works, parts, collectors, gauges, strict=True):
            if work.rules is not None and part is not None:
                collector.narrow(part)
                replays.append(self._replay(work, collector, gauge, pickers[work.whole], part))
        return _Fan(replays, tuple(pickers.values()))

    def _listen(self, pair: Pair, listener: Listener) -> Any:  # noqa: ANN401 - transformers' output classes
        source, target = pair
        undescribed = any(work.rules is None for work in self._works)
        with ExitStack() as stack:
            stream = next((work.stream for work in self._works if work.stream is not None), None)
            if stream is not None:
                stack.enter_context(StreamTap(self._model.base, stream, self._needs, listener).attached())
            return forward(self._model, feed(self._model, source, target), hidden_states=undescribed)

    def _read(
        self,
        pair: Pair,
        output: Any,  # noqa: ANN401 - transformers' output classes
        collectors: Sequence[Collector],
        givers: Sequence[Giver | None],
    ) -> None:
        """Read what needs no replay off the model's output."""
        source, target = pair
        undescribed = [found for found, work in zip(collectors, self._works, strict=True) if work.rules is None]
        picker = _Picker(source if target is None else target, self._model.device, self._dtype, whole=False)
        self._read_whole(undescribed, output, picker, decoder=target is not None)
        for giver in givers:
            if giver is not None:
                giver.take(source, output.last_hidden_state.to(self._dtype))

    def _settle(self, gauges: Sequence[ClosureGauge]) -> None:
        for work, gauge in zip(self._works, gauges, strict=True):
            try:
                gauge.settle()
            except ClosureError as error:
                raise ClosureError(f"stream {work.name!r}: {error}") from None

    def _replay(self, work: StreamWork, collector: Collector, gauge: ClosureGauge, picker: _Picker, cut: Cut) -> Replay:
        if work.stream is None or work.rules is None:
            raise RuntimeError("nothing to replay")
        return Replay(
            stream=work.stream,
            rules=work.rules,
            weights=self._stream_weights(work.stream),
            layers=work.layers,
            pick=picker,
            gauge=gauge,
            start=start_of(work, collector.view.index, cut),
            sink=None if work.scopes else collector.take,
            scope_sink=collector.take_scope if work.scopes else None,
        )

    def _stream_weights(self, stream: Stream) -> StreamWeights:
        if id(stream) not in self._weights:
            self._weights[id(stream)] = stream_weights(self._model.base, stream, self._dtype)
        return self._weights[id(stream)]

    def _read_whole(self, collectors: Sequence[Collector], output: Any, picker: _Picker, *, decoder: bool) -> None:  # noqa: ANN401 - transformers' output classes
        if not collectors:
            return
        states = output.decoder_hidden_states if decoder else output.hidden_states
        for collector, work in zip(collectors, (w for w in self._works if w.rules is None), strict=True):
            for layer in work.layers:
                state = picker(states[layer])
                collector.take(layer, DenseTerms(work.labels, state.unsqueeze(0)), state)


def _halves(pair: Pair) -> list[Pair]:
    source, target = pair
    first, second = halve(source)
    if target is None:
        return [(first, None), (second, None)]
    upper, lower = halve(target)
    return [(first, upper), (second, lower)]
