"""Captured tensors of one forward pass, kept so that a listener can hear it again."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from torch import Tensor

from prosect.model.capture import BlockCapture, Listener

Event = Callable[[Listener], None]


class Recording:
    """Keeps what a forward pass captures, as long as it fits into ``budget`` bytes.

    It listens beside others. Tensors are kept, not copied; where the model changes one of them in place later on, or
    the budget is exceeded, the recording is of no use (`complete` is False) and the forward pass must run again.

    Parameters
    ----------
    budget
        Bytes that may be kept.
    """

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._events: list[Event] = []
        self._kept: dict[int, tuple[Tensor, int]] = {}
        self.bytes = 0
        self._over = False

    @property
    def complete(self) -> bool:
        """Whether everything was kept, and nothing has changed since."""
        return not self._over and all(tensor._version == version for tensor, version in self._kept.values())

    def play(self, listener: Listener) -> None:
        """Tell a listener everything once more."""
        for event in self._events:
            event(listener)

    def embedded(self, raw: Tensor | None, state: Tensor) -> None:
        """Keep the embeddings."""
        self._keep(lambda listener: listener.embedded(raw, state), [raw, state])

    def block(self, capture: BlockCapture) -> None:
        """Keep one finished block."""
        self._keep(lambda listener: listener.block(capture), _tensors(capture))

    def finished(self, normed: Tensor | None) -> None:
        """Keep the output of the final norm."""
        self._keep(lambda listener: listener.finished(normed), [normed])

    def projected(self, output: Tensor) -> None:
        """Keep the output of the final projection."""
        self._keep(lambda listener: listener.projected(output), [output])

    def _keep(self, event: Event, tensors: Iterator[Tensor] | list[Tensor | None]) -> None:
        if self._over:
            return
        for tensor in tensors:
            if tensor is not None and id(tensor) not in self._kept:
                self._kept[id(tensor)] = tensor, tensor._version
                self.bytes += tensor.numel() * tensor.element_size()
        self._events.append(event)
        if self.bytes > self._budget:
            self._over = True
            self._events, self._kept = [], {}


def _tensors(capture: BlockCapture) -> Iterator[Tensor]:
    for found in (capture.inputs, capture.outputs, capture.attention, capture.routing):
        yield from found.values()
