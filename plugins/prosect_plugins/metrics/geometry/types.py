"""Types (words) of a corpus that occur in enough contexts: which are looked at, drawn once for all layers."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from prosect.api.tensors import Axis, Context
from prosect_plugins.metrics.geometry.cells import Cells, cells_of, coordinate
from prosect_plugins.metrics.geometry.similarity_options import TypeOptions


@dataclass(frozen=True)
class Types:
    """Types that are looked at.

    Attributes
    ----------
    values
        Their values, in order.
    codes
        Place of every token's type among them, shape (token,); -1 for others, and for tokens of no selection or group.
    cells
        Selections and groups.
    """

    values: npt.NDArray[np.generic]
    codes: npt.NDArray[np.int64]
    cells: Cells

    @property
    def axis(self) -> Axis:
        """Coordinate of the dimension ``type``."""
        return Axis(self.values, "type (word)")


def types_of(options: TypeOptions, context: Context) -> Types:
    """Draw the types; the same for every layer and component."""
    key = "types", repr(options.model_dump(exclude={"component", "each_type"}))
    return context.once(key, lambda: _drawn(options, context))


def _drawn(options: TypeOptions, context: Context) -> Types:
    cells = cells_of(options, context)
    counted = cells.codes.cpu().numpy() >= 0
    values, codes = np.unique(coordinate(context, options.type), return_inverse=True)
    codes = np.where(counted, codes.reshape(-1), -1)
    sentence = np.repeat(np.arange(context.stream.sentences), context.stream.lengths)
    # Every pair of a type and a sentence once: how many sentences a type stands in.
    pairs = np.unique(np.stack([codes[counted], sentence[counted]]), axis=1)
    contexts = np.bincount(pairs[0].astype(np.int64), minlength=len(values))
    chosen = np.flatnonzero(contexts >= options.contexts)
    if options.types is not None and len(chosen) > options.types:
        chosen = np.sort(np.random.default_rng(options.seed).choice(chosen, size=options.types, replace=False))
    place = np.full(len(values) + 1, -1, dtype=np.int64)
    place[chosen] = np.arange(len(chosen))
    return Types(values[chosen], place[codes], cells)
