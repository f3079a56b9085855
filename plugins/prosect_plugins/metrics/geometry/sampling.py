"""Sampling plans: which tokens are points, drawn once for all layers from what is known of the corpus."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from prosect.api.tensors import Axis, Context
from prosect_plugins.metrics.geometry.cells import Cells, cells_of
from prosect_plugins.metrics.geometry.neighbour_options import BATCH, SAMPLE, SamplingOptions

IntArray = npt.NDArray[np.int64]


@dataclass(frozen=True)
class SamplingPlan:
    """Tokens that are points, for every selection and group.

    Attributes
    ----------
    cells
        Selections and groups.
    batches
        Place on the token axes -> the batches drawn there: places on the flat axis of tokens, rising.
    sentence
        Number of the sentence of every token.
    """

    cells: Cells
    batches: Mapping[tuple[int, ...], tuple[IntArray, ...]]
    sentence: IntArray

    @property
    def every(self) -> IntArray:
        """All places that were drawn, rising."""
        drawn = [batch for batches in self.batches.values() for batch in batches]
        return np.unique(np.concatenate([np.zeros(0, dtype=np.int64), *drawn]))

    def table(self) -> IntArray:
        """Places as an array (*token axes, batch, sample); -1 where a batch has fewer."""
        number = max((len(batches) for batches in self.batches.values()), default=1)
        width = max((len(batch) for batches in self.batches.values() for batch in batches), default=0)
        found = np.full((*self.cells.shape, number, width), -1, dtype=np.int64)
        for place, batches in self.batches.items():
            for batch, drawn in enumerate(batches):
                found[(*place, batch)][: len(drawn)] = drawn
        return found

    def axes(self) -> dict[str, Axis]:
        """Coordinates of the dimensions of `table`."""
        *_, batches, samples = self.table().shape
        return {
            **self.cells.axes,
            BATCH: Axis(np.arange(batches), "batch of tokens that were drawn"),
            SAMPLE: Axis(np.arange(samples), "token that was drawn, from 0"),
        }


def plan_of(options: SamplingOptions, context: Context) -> SamplingPlan:
    """Draw the points; the same for every layer and component."""
    return context.once(("sampling", options.sample_key), lambda: _drawn(options, context))


def _drawn(options: SamplingOptions, context: Context) -> SamplingPlan:
    cells = cells_of(options, context)
    codes = cells.codes.cpu().numpy()
    lengths = context.stream.lengths.astype(np.int64)
    sentence = np.repeat(np.arange(len(lengths)), lengths)
    first = _first_of_its_kind(options, context)
    batches = {}
    for number, place in enumerate(np.ndindex(*cells.shape)):
        candidates = np.flatnonzero(np.isin(codes, cells.cells(place)) & first)
        generator = np.random.default_rng((options.seed, number))
        batches[place] = _batches(candidates, sentence, options, generator)
    return SamplingPlan(cells, batches, sentence)


def _batches(
    candidates: IntArray, sentence: IntArray, options: SamplingOptions, generator: np.random.Generator
) -> tuple[IntArray, ...]:
    """Deal sentences out to the batches, and draw from each of them."""
    shuffled = generator.permutation(candidates)
    if options.per_sentence is not None:
        shuffled = shuffled[_rank_within(sentence[shuffled]) < options.per_sentence]
    present, own = np.unique(sentence[shuffled], return_inverse=True)
    dealt = generator.permutation(len(present))[own.reshape(-1)] % options.batch_number
    found = [shuffled[dealt == batch][: options.sample] for batch in range(options.batch_number)]
    return tuple(np.sort(batch).astype(np.int64) for batch in found)


def _rank_within(values: IntArray) -> IntArray:
    """How many equal values stand before each."""
    order = np.argsort(values, kind="stable")
    ranked = values[order]
    starts = np.flatnonzero(np.concatenate([[True], ranked[1:] != ranked[:-1]])) if len(ranked) else np.zeros(0, int)
    within = np.arange(len(ranked)) - np.repeat(starts, np.diff(np.append(starts, len(ranked))))
    found = np.empty(len(values), dtype=np.int64)
    found[order] = within
    return found


def _first_of_its_kind(options: SamplingOptions, context: Context) -> npt.NDArray[np.bool_]:
    """Tokens that no earlier one equals, by what the model was fed with."""
    stream = context.stream
    found = np.ones(stream.tokens, dtype=np.bool_)
    if options.duplicates not in ("prefix", "input"):
        return found
    seen: set[object] = set()
    ids = np.asarray(stream.ids, dtype=np.int64)
    for start, stop in zip(stream.offsets[:-1].tolist(), stream.offsets[1:].tolist(), strict=True):
        whole = ids[start:stop].tobytes()
        for place in range(start, stop):
            key = ids[start : place + 1].tobytes() if options.duplicates == "prefix" else (whole, place - start)
            found[place] = key not in seen
            seen.add(key)
    return found
