"""From one unit of tokens to arrays: forward passes in step with replays, measured layer by layer."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor

from prosect.errors import ClosureError
from prosect.measures.gathering import Gathering
from prosect.model.batching import halve
from prosect.model.capture import Listener, Needs, StreamTap
from prosect.model.forward import eager_attention, feed, forward
from prosect.model.load import LoadedModel
from prosect.model.recording import Recording
from prosect.model.tokens import Batch, TokenStream, Unit
from prosect.running.budget import Budget, Cut, cuts
from prosect.running.collect import Arrays, Collector
from prosect.running.giving import Giver
from prosect.running.listening import Differentiable, Fan, Picker, Watcher
from prosect.running.starts import carrier_of, start_of
from prosect.running.work import StreamWork
from prosect.terms.adjoint import AdjointStart
from prosect.terms.closure import ClosureGauge
from prosect.terms.dense import DenseTerms
from prosect.terms.rebuild import working_dtype
from prosect.terms.replay import Replay, Sink, StreamWeights, needs, stream_weights
from prosect.terms.start import Carried, Held, Start, TokenStart
from prosect.vocab.architecture import Stream

Pair = tuple[Batch, Batch | None]
ENCODER = "encoder"


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


@dataclass(frozen=True)
class _Task:
    """One analysis of a unit: what is collected, and how well it closes.

    Attributes
    ----------
    work, collector, gauge
        The analysis.
    giver
        In a unit of the encoder: measures what its tokens give to a decoder.
    encoder_gauge
        Closure of the encoder's replay, where its terms are carried into the decoder.
    """

    work: StreamWork
    collector: Collector
    gauge: ClosureGauge
    giver: Giver | None
    encoder_gauge: ClosureGauge

    def aim(self, own: Batch, source: Batch, device: torch.device) -> None:
        """Turn to the next batch."""
        self.collector.aim(own, source)
        self.gauge.real = torch.from_numpy(own.mask > 0).to(device) if self.work.whole else None
        self.encoder_gauge.real = torch.from_numpy(source.mask > 0).to(device)

    def settle(self) -> None:
        """Read the gaps of a batch; ClosureError where one is too wide."""
        for name, gauge in ((ENCODER, self.encoder_gauge), (self.work.name, self.gauge)):
            try:
                gauge.settle()
            except ClosureError as error:
                raise ClosureError(f"stream {name!r}: {error}") from None

    def result(self, *, halved: bool) -> UnitResult:
        """Return what the unit gave."""
        return UnitResult(
            arrays=self.collector.arrays(),
            closure_max=max(self.gauge.largest, self.encoder_gauge.largest),
            halved=halved,
            given={} if self.giver is None else self.giver.arrays(),
            gathering=self.collector.gathering,
        )


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
        self._needs, self._encoder_needs = Needs(), Needs()
        for work in self._works:
            if work.stream is not None and work.rules is not None:
                self._needs |= needs(work.rules, work.stream) | Needs(sublayers=work.watches)
            if work.encoder is not None and work.rules is not None and work.rules.encoder is not None:
                self._encoder_needs |= needs(work.rules.encoder, work.encoder)

    def compute(self, batches: Sequence[Pair], stream: TokenStream, unit: Unit) -> tuple[UnitResult, ...]:
        """Compute a unit of a stream of tokens from its batches; one result per analysis.

        Raises
        ------
        ClosureError
            The terms of an analysis do not sum to the hidden state.
        RunError
            Not even a single sentence fits into memory.
        """
        tasks = [self._task(work, limit, stream, unit) for work, limit in zip(self._works, self._limits, strict=True)]
        halved = False
        waiting, done = deque(batches), list[Pair]()
        with torch.no_grad(), eager_attention(self._model, wanted=self._needs.attention):
            while waiting:
                pair = waiting.popleft()
                try:
                    self._batch(pair, tasks)
                    done.append(pair)
                except (torch.OutOfMemoryError, MemoryError):
                    halved = True
                    waiting.extendleft(reversed(_halves(pair)))
                    if any(task.collector.gathering is not None for task in tasks):
                        # What half a batch has added to an accumulator cannot be taken back.
                        waiting.extendleft(reversed(done))
                        done.clear()
                        for task in tasks:
                            task.collector.restart()
        return tuple(task.result(halved=halved) for task in tasks)

    def _task(self, work: StreamWork, limit: float, stream: TokenStream, unit: Unit) -> _Task:
        device, giver = self._model.device, None
        if work.gives is not None and work.gives.stream is not None:
            collector = Collector(work.gives, stream, unit, device, of_source=True)
            giver = Giver(work.gives, self._stream_weights(work.gives.stream), collector)
        return _Task(work, Collector(work, stream, unit, device), ClosureGauge(limit), giver, ClosureGauge(limit))

    def _batch(self, pair: Pair, tasks: Sequence[_Task]) -> None:
        """Replay every analysis, those with too many labels part by part, all from what one forward pass captured."""
        source, own = _sides(pair)
        for task in tasks:
            task.aim(own, source, self._model.device)
        parts = [self._parts(task.work, own, source) for task in tasks]
        passes = max(map(len, parts))
        kept: dict[str, Recording] = {}
        for number in range(passes):
            chosen = [(task, found[number]) for task, found in zip(tasks, parts, strict=True) if number < len(found)]
            fans = self._fans(pair, chosen)
            if number and all(recording.complete for recording in kept.values()):
                for name, recording in kept.items():
                    recording.play(fans[name])
            elif number:
                self._listen(pair, fans)
            else:
                if passes > 1:
                    kept = {name: Recording(self._budget.kept // len(fans)) for name in fans}
                heard = {name: fan.beside(kept[name]) if kept else fan for name, fan in fans.items()}
                self._read(pair, self._listen(pair, heard), tasks)
            for task in tasks:
                task.settle()

    def _parts(self, work: StreamWork, own: Batch, source: Batch) -> tuple[Cut, ...]:
        width = (source if work.crossing else own).ids.shape[1]
        tokens = own.ids.size + (0 if work.encoder is None else source.ids.size)
        return cuts(work, tokens, width, self._budget, self._dtype.itemsize)

    def _fans(self, pair: Pair, chosen: Sequence[tuple[_Task, Cut]]) -> dict[str, Fan]:
        """Stream -> the replays that listen to it, the encoder's first: a decoder's may read its terms."""
        source, own = _sides(pair)
        pickers = {whole: self._picker(own, whole=whole) for whole in (False, True)}
        encoder_picker = self._picker(source, whole=True)
        replays: list[Listener] = []
        carriers: list[Listener] = []
        for task, cut in chosen:
            if task.work.rules is None:
                continue
            task.collector.narrow(cut)
            start = start_of(task.work, own, source, cut, self._model.device)
            if task.work.encoder is not None and isinstance(start, TokenStart):
                start, carrier = self._carried(task, task.work.encoder, start, encoder_picker)
                carriers.append(carrier)
            picker = pickers[task.work.whole]
            if task.work.watches and task.work.stream is not None:
                replays.append(_watcher(task.collector, task.work.stream, picker))
            replay = self._replay(task, start, picker)
            replays.append(Differentiable(replay) if isinstance(start, AdjointStart) else replay)
        fans = {ENCODER: Fan(carriers, [encoder_picker])} if carriers else {}
        return {**fans, "own": Fan(replays, list(pickers.values()))}

    def _picker(self, batch: Batch, *, whole: bool) -> Picker:
        return Picker(batch, self._model.device, self._dtype, whole=whole)

    def _replay(self, task: _Task, start: Start, picker: Picker) -> Replay:
        work, collector = task.work, task.collector
        if work.stream is None or work.rules is None:
            raise RuntimeError("nothing to replay")
        return Replay(
            stream=work.stream,
            rules=work.rules,
            weights=self._stream_weights(work.stream),
            layers=work.layers,
            pick=picker,
            gauge=task.gauge,
            start=start,
            sink=None if work.scopes else _sink(collector, start),
            scope_sink=collector.take_scope if work.scopes else None,
        )

    def _carried(self, task: _Task, encoder: Stream, start: TokenStart, picker: Picker) -> tuple[TokenStart, Replay]:
        """Carry the encoder's tokens through the encoder, and let the decoder's replay read the last terms."""
        rules, held = task.work.rules, Held()
        if rules is None or rules.encoder is None:
            raise RuntimeError("no rules for the encoder")
        replay = Replay(
            stream=encoder,
            rules=rules.encoder,
            weights=self._stream_weights(encoder),
            layers=(encoder.layers,),
            pick=picker,
            gauge=task.encoder_gauge,
            start=carrier_of(rules, start, picker.shape, self._model.device),
            sink=held.take,
        )
        return replace(start, held=held), replay

    def _listen(self, pair: Pair, listeners: Mapping[str, Listener]) -> Any:  # noqa: ANN401 - transformers' output classes
        """Run the model once."""
        source, target = pair
        own = next((work.stream for work in self._works if work.stream is not None), None)
        encoder = next((work.encoder for work in self._works if work.encoder is not None), None)
        with ExitStack() as stack:
            for name, stream, needed in ((ENCODER, encoder, self._encoder_needs), ("own", own, self._needs)):
                if stream is not None and name in listeners:
                    stack.enter_context(StreamTap(self._model.base, stream, needed, listeners[name]).attached())
            states = any(work.rules is None for work in self._works)
            return forward(self._model, feed(self._model, source, target), hidden_states=states)

    def _read(self, pair: Pair, output: Any, tasks: Sequence[_Task]) -> None:  # noqa: ANN401 - transformers' output classes
        """Read what needs no replay off the model's output."""
        source, own = _sides(pair)
        picker = self._picker(own, whole=False)
        for task in tasks:
            if task.work.rules is None:
                states = output.hidden_states if pair[1] is None else output.decoder_hidden_states
                for layer in task.work.layers:
                    state = picker(states[layer])
                    task.collector.take(layer, DenseTerms(task.work.labels, state.unsqueeze(0)), state)
            if task.giver is not None:
                task.giver.take(source, output.last_hidden_state.to(self._dtype))

    def _stream_weights(self, stream: Stream) -> StreamWeights:
        if id(stream) not in self._weights:
            self._weights[id(stream)] = stream_weights(self._model.base, stream, self._dtype)
        return self._weights[id(stream)]


def _sink(collector: Collector, start: Start) -> Sink:
    """Collect terms as they are, or told apart where tokens were carried together."""
    if not isinstance(start, AdjointStart):
        return collector.take

    def take(layer: int, terms: Carried, state: Tensor) -> None:
        with torch.no_grad():
            collector.take(layer, start.read(terms), state)

    return take


def _watcher(collector: Collector, stream: Stream, picker: Picker) -> Watcher:
    """Show a collector every block as it is finished."""
    return Watcher(lambda capture: collector.watch(stream.blocks[capture.number - 1], capture, picker))


def _sides(pair: Pair) -> tuple[Batch, Batch]:
    """Return the encoder's sentences and those whose tokens are measured; both are the same for one stream."""
    source, target = pair
    return source, source if target is None else target


def _halves(pair: Pair) -> list[Pair]:
    source, target = pair
    first, second = halve(source)
    if target is None:
        return [(first, None), (second, None)]
    upper, lower = halve(target)
    return [(first, upper), (second, lower)]
