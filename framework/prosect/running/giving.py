"""What belongs to single tokens of the encoder in the node ``cross``, computed in the encoder's own units.

The values that a decoder's cross-attention makes of the encoder's tokens need no decoder, only its weights. So the
encoder's units write them: no shard of the axis ``source_token`` has two writers.
"""

from __future__ import annotations

from torch import Tensor

from prosect.model.capture import BlockCapture
from prosect.model.tokens import Batch
from prosect.running.collect import Arrays, Collector
from prosect.running.work import StreamWork
from prosect.terms.addends import Addends, Seen
from prosect.terms.factored import FactoredStart
from prosect.terms.replay import StreamWeights
from prosect.vocab.architecture import Attention
from prosect.vocab.rules import beside
from prosect.vocab.scopes import SHORT


class Giver:
    """Reads cross-attention without a decoder: terms of no token at all, whose sources are the encoder's.

    Parameters
    ----------
    work
        The analysis in ``cross``.
    weights
        Weights of the decoder.
    collector
        Collects the variables of source tokens over a unit of the encoder.
    """

    def __init__(self, work: StreamWork, weights: StreamWeights, collector: Collector) -> None:
        self._work, self._weights, self._collector = work, weights, collector

    def take(self, batch: Batch, state: Tensor) -> None:
        """Measure what every block of the decoder makes of the encoder's last state (batch, source, hidden)."""
        self._collector.aim(batch)
        stream = self._work.stream
        for number, block in enumerate(() if stream is None else stream.blocks, 1):
            for attention in block.attentions:
                if attention.kind == "cross_attention" and number in self._work.layers:
                    self._measure(number, attention, state)

    def arrays(self) -> Arrays:
        """Return everything that was collected."""
        return self._collector.arrays()

    def _measure(self, number: int, attention: Attention, state: Tensor) -> None:
        stream, rules = self._work.stream, self._work.rules
        if stream is None or rules is None:
            raise RuntimeError("nothing to measure")
        nobody = state.new_zeros(state.shape[0], attention.heads, 0, state.shape[1])
        capture = BlockCapture(number, {attention.value.path: state}, attention={attention.path: nobody})
        start = FactoredStart(causal=False, labels=beside(stream, rules), sources=state.shape[1])
        seen = Seen(capture, lambda captured: captured)
        terms = Addends(rules, start).make(attention, None, self._weights.blocks[number - 1], seen, fresh=False)
        self._collector.take_scope(number, SHORT[attention.kind], terms, terms.sum(), None)
