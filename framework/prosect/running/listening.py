"""Listening to a forward pass: tensors in the replay's dtype, and one pass for several listeners."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from prosect.model.capture import BlockCapture, Listener
from prosect.model.tokens import Batch


class Picker:
    """Takes a batch's own tokens out of captured tensors, each tensor once while a block is looked at.

    Where sentences must stay ``whole`` (terms of other tokens are mixed in) it only changes the dtype.
    """

    def __init__(self, batch: Batch, device: torch.device, dtype: torch.dtype, *, whole: bool) -> None:
        self._rows = torch.from_numpy(np.asarray(batch.rows, dtype=np.int64)).to(device)
        self._columns = torch.from_numpy(np.asarray(batch.columns, dtype=np.int64)).to(device)
        self._dtype, self._whole = dtype, whole
        self.shape: tuple[int, int] = batch.ids.shape
        self._seen: dict[int, tuple[Tensor, Tensor]] = {}

    def __call__(self, captured: Tensor) -> Tensor:
        """Pick from a captured tensor (batch, position, …)."""
        found = self._seen.get(id(captured))
        if found is None:
            own = captured if self._whole else captured[self._rows, self._columns]
            found = captured, own.to(self._dtype)
            self._seen[id(captured)] = found
        return found[1]

    def forget(self) -> None:
        """Let go of what was picked."""
        self._seen.clear()


class Watcher:
    """Hands on every block itself, before the replay that reads the state behind it."""

    def __init__(self, watch: Callable[[BlockCapture], None]) -> None:
        self._watch = watch

    def embedded(self, raw: Tensor | None, state: Tensor) -> None:
        """Do nothing."""

    def block(self, capture: BlockCapture) -> None:
        """Hand on one finished block."""
        self._watch(capture)

    def finished(self, normed: Tensor | None) -> None:
        """Do nothing: the last block is still the one that the state lies behind."""

    def projected(self, output: Tensor) -> None:
        """Do nothing."""


class Fan:
    """Hands one forward pass to several replays, and to a recording of it."""

    def __init__(self, listeners: Sequence[Listener], pickers: Sequence[Picker]) -> None:
        self._listeners, self._pickers = listeners, pickers

    def beside(self, listener: Listener) -> Fan:
        """Let another one listen first."""
        return Fan([listener, *self._listeners], self._pickers)

    def embedded(self, raw: Tensor | None, state: Tensor) -> None:
        """Hand on the embeddings."""
        for listener in self._listeners:
            listener.embedded(raw, state)
        self._forget()

    def block(self, capture: BlockCapture) -> None:
        """Hand on one finished block."""
        for listener in self._listeners:
            listener.block(capture)
        self._forget()

    def finished(self, normed: Tensor | None) -> None:
        """Hand on the output of the final norm."""
        for listener in self._listeners:
            listener.finished(normed)
        self._forget()

    def projected(self, output: Tensor) -> None:
        """Hand on the output of the final projection."""
        for listener in self._listeners:
            listener.projected(output)
        self._forget()

    def _forget(self) -> None:
        for picker in self._pickers:
            picker.forget()


class Differentiable:
    """Lets a replay be differentiated, while the forward pass that it listens to is not."""

    def __init__(self, replay: Listener) -> None:
        self._replay = replay

    def embedded(self, raw: Tensor | None, state: Tensor) -> None:
        """Hand on the embeddings."""
        with torch.enable_grad():
            self._replay.embedded(raw, state)

    def block(self, capture: BlockCapture) -> None:
        """Hand on one finished block."""
        with torch.enable_grad():
            self._replay.block(capture)

    def finished(self, normed: Tensor | None) -> None:
        """Hand on the output of the final norm."""
        with torch.enable_grad():
            self._replay.finished(normed)

    def projected(self, output: Tensor) -> None:
        """Hand on the output of the final projection."""
        with torch.enable_grad():
            self._replay.projected(output)
