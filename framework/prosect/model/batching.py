"""Batches: a unit's sentences, alike in length, padded on the right under a token budget."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from prosect.errors import RunError
from prosect.model.tokens import Batch, IntArray, TokenStream, Unit


def batches(stream: TokenStream, unit: Unit, *, budget: int, pad_id: int) -> tuple[Batch, ...]:
    """Batches of a unit, the longest sentences first.

    Rows x longest sentence of a batch are at most ``budget`` tokens, but a batch has at least one
    sentence. The result is a function of the arguments alone.
    """
    lengths = stream.lengths[unit.first : unit.last]
    groups = _groups(lengths[:, None], budget)
    return tuple(_batch(stream, unit.first + group, unit, pad_id) for group in groups)


def paired_batches(
    source: TokenStream, target: TokenStream, unit: Unit, *, budget: int, pad_id: int
) -> tuple[tuple[Batch, Batch], ...]:
    """Batches of a unit of the *target* stream for an encoder-decoder: (source, target), row by row.

    Rows x (longest source + longest target) are at most ``budget`` tokens. The unit owns tokens of
    the target only: ``rows``, ``columns`` and ``targets`` of the source batches are empty.
    """
    if source.sentences != target.sentences:
        raise ValueError(f"{source.sentences} source sentences do not pair with {target.sentences} targets")
    sides = np.stack([source.lengths, target.lengths], axis=1)[unit.first : unit.last]
    nothing = Unit(unit.index, 0, 0, unit.first, unit.last)
    return tuple(
        (
            _batch(source, unit.first + group, nothing, pad_id),
            _batch(target, unit.first + group, unit, pad_id),
        )
        for group in _groups(sides, budget)
    )


def halve(batch: Batch) -> tuple[Batch, Batch]:
    """Split a batch that does not fit into memory in two, the first with the odd row.

    Padding which a half does not need is cut off. Batches which pair row by row still do.

    Raises
    ------
    RunError
        If the batch has one sentence only.
    """
    if len(batch.sentences) == 1:
        raise RunError(
            f"sentence {int(batch.sentences[0])} alone ({int(batch.mask.sum())} tokens) does not fit into memory: "
            "cut long sentences with the corpus option `window`, or use a device with more memory"
        )
    middle = (len(batch.sentences) + 1) // 2
    return _part(batch, 0, middle), _part(batch, middle, len(batch.sentences))


def _groups(sides: IntArray, budget: int) -> Iterator[IntArray]:
    """Group sentences by falling length; ``sides`` has shape (sentence, stream)."""
    order = np.argsort(-sides.sum(axis=1), kind="stable")
    start = 0
    longest = np.zeros(sides.shape[1], dtype=np.int64)
    for stop, lengths in enumerate(sides[order]):
        longest = np.maximum(longest, lengths)
        if stop > start and (stop + 1 - start) * int(longest.sum()) > budget:
            yield order[start:stop]
            start, longest = stop, lengths
    if start < len(order):
        yield order[start:]


def _batch(stream: TokenStream, sentences: IntArray, unit: Unit, pad_id: int) -> Batch:
    lengths = stream.lengths[sentences]
    columns = np.arange(lengths.max())
    real = columns < lengths[:, None]
    place = np.where(real, stream.offsets[sentences][:, None] + columns, 0)
    rows, own_columns = np.nonzero(real & (place >= unit.start) & (place < unit.stop))
    type_ids = None if stream.type_ids is None else np.where(real, stream.type_ids[place], 0).astype(np.int64)
    return Batch(
        sentences=sentences,
        ids=np.where(real, stream.ids[place], pad_id).astype(np.int64),
        mask=real.astype(np.int64),
        rows=rows,
        columns=own_columns,
        targets=place[rows, own_columns] - unit.start,
        type_ids=type_ids,
    )


def _part(batch: Batch, start: int, stop: int) -> Batch:
    width = int(batch.mask[start:stop].sum(axis=1).max())
    own = (batch.rows >= start) & (batch.rows < stop)
    return Batch(
        sentences=batch.sentences[start:stop],
        ids=batch.ids[start:stop, :width],
        mask=batch.mask[start:stop, :width],
        rows=batch.rows[own] - start,
        columns=batch.columns[own],
        targets=batch.targets[own],
        type_ids=None if batch.type_ids is None else batch.type_ids[start:stop, :width],
    )
