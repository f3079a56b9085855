"""Units of work: ranges of a stream's token axis, each computed and written as a whole."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np

from prosect.model.tokens import TokenStream, Unit

_LEAST: Final = 4096
_SENTENCES: Final = 8
_STEP: Final = 256


def unit_length(stream: TokenStream, unit_tokens: int | Literal["auto"] = "auto") -> int:
    """Tokens in a unit of a stream.

    ``auto``: at least 8 times the longest sentence, so that few sentences are computed by two
    units, at least 4096, and a multiple of 256. A number is taken as it is, but never less than the
    longest sentence, so that a sentence touches two units at most.
    """
    longest = int(stream.lengths.max(initial=1))
    if unit_tokens != "auto":
        return max(unit_tokens, longest)
    return -(-max(_LEAST, _SENTENCES * longest) // _STEP) * _STEP


def units(stream: TokenStream, unit_tokens: int | Literal["auto"] = "auto") -> tuple[Unit, ...]:
    """Cut a stream's token axis into units of :func:`unit_length` tokens; the last may be shorter.

    A sentence on a border belongs to each of the units it touches.
    """
    starts = np.arange(0, stream.tokens, unit_length(stream, unit_tokens))
    stops = np.append(starts[1:], stream.tokens)[: len(starts)]
    first = np.searchsorted(stream.offsets, starts, side="right") - 1
    last = np.searchsorted(stream.offsets, stops, side="left")
    return tuple(map(Unit, range(len(starts)), starts.tolist(), stops.tolist(), first.tolist(), last.tolist()))
