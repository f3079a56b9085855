"""Mean cosine of all pairs of tokens, exact and in one pass, from sums of unit vectors u = x / |x|.

A = sum_(n != m) u_n . u_m / (N (N - 1)) = (|sum_n u_n|^2 - N) / (N (N - 1)); across sentences, with U_s the sum of the
unit vectors of sentence s: (|sum_s U_s|^2 - sum_s |U_s|^2) / (N^2 - sum_s n_s^2).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import torch

from prosect.api.tensors import Context, Finaliser, Float, Int, Reading, State, Tensor, Values
from prosect_plugins.metrics.geometry.cells import cells_of
from prosect_plugins.metrics.geometry.estimates import Estimator
from prosect_plugins.metrics.geometry.segments import OpenSentences, Parts, segment_sums
from prosect_plugins.metrics.geometry.spectral_options import AnisotropyOptions
from prosect_plugins.metrics.geometry.sums import Sums

SUMS: Final = ("count", "total", "within", "squares")


@dataclass(frozen=True)
class Directions:
    """Sums of unit vectors over some tokens.

    Attributes
    ----------
    count
        Number of vectors N, those of length 0 left out.
    total
        sum u, float64.
    within, squares
        sum_s |U_s|^2 and sum_s n_s^2 over sentences; over single vectors where all pairs count.
    """

    count: int
    total: Float[Tensor, " hidden"]
    within: float
    squares: float

    @property
    def mean_cosine(self) -> float:
        """Mean cosine of the pairs; NaN where there are none."""
        pairs = self.count**2 - self.squares
        return (float(self.total.square().sum()) - self.within) / pairs if pairs else float("nan")


class UnitSums:
    """Sums of unit vectors for every selection, group and sum of components.

    Parameters
    ----------
    options
        Tokens, sums, and which pairs count.
    context
        Where it stands.
    """

    def __init__(self, options: AnisotropyOptions, context: Context) -> None:
        self.cells = cells_of(options, context, options.block_number)
        self.sums = Sums.of(options.component, context)
        self._across = options.pairs == "different_sentences"
        self._members = torch.from_numpy(self.cells.members.reshape(-1, self.cells.number)).to(context.device)
        places, subsets = len(self._members), len(self.sums.names)
        self._found = {
            "count": torch.zeros(places, subsets, dtype=torch.int64, device=context.device),
            "total": torch.zeros(places, subsets, context.hidden, dtype=torch.float64, device=context.device),
            "within": torch.zeros(places, subsets, dtype=torch.float64, device=context.device),
            "squares": torch.zeros(places, subsets, dtype=torch.int64, device=context.device),
        }
        self._offsets = torch.as_tensor(np.asarray(context.stream.offsets, dtype=np.int64), device=context.device)
        self._open = OpenSentences(context.stream.lengths.tolist())

    @classmethod
    def shared(cls, options: AnisotropyOptions, context: Context) -> UnitSums:
        """Return the one that all measures with these options read."""
        return context.shared(options.unit_key, lambda: cls(options, context))

    def update(self, reading: Reading) -> None:
        """Take in the tokens of a reading."""
        view = reading.tokens
        own = torch.nonzero(view.own.flatten()).flatten()
        if not len(own):
            return
        index = view.index.flatten()[own]
        units, real = unit_vectors(self.sums.vectors(reading, own))
        codes = self.cells.codes[index]
        members = self._members[:, codes.clamp(min=0)] & (codes >= 0)
        if not self._across:
            for place, member in enumerate(members):
                counted = (real & member).sum(dim=1)
                self._found["count"][place] += counted
                self._found["total"][place] += (units * member[:, None]).sum(dim=1)
                self._found["within"][place] += counted
                self._found["squares"][place] += counted
            return
        sentence = torch.searchsorted(self._offsets, index, right=True) - 1
        self._take_sentences(units, real, members, sentence)

    def state(self) -> State:
        """Return the sums, and those of sentences that are not complete."""
        return {**self._found, **self._open.state()}

    def merge(self, state: State) -> None:
        """Take in later tokens."""
        for name in SUMS:
            self._found[name] = self._found[name] + state[name]
        for sums in self._open.merge(state):
            self._close(sums)

    def sample(self, place: tuple[int, ...], blocks: Sequence[int] | None, subset: int) -> Directions | None:
        """Return the sums at a place of the token axes, in some blocks; None where no token is."""
        shape = *self.cells.shape, self.cells.blocks
        chosen = range(self.cells.blocks) if blocks is None else blocks
        rows = [int(np.ravel_multi_index((*place, block), shape)) for block in chosen]
        count, total, within, squares = (self._found[name][rows, subset].sum(dim=0) for name in SUMS)
        return Directions(int(count), total, float(within), float(squares)) if int(count) else None

    def _take_sentences(
        self,
        units: Float[Tensor, "vector token hidden"],
        real: Tensor,
        members: Tensor,
        sentence: Int[Tensor, " token"],
    ) -> None:
        numbers, lengths = torch.unique_consecutive(sentence, return_counts=True)
        totals, counts = [], []
        for member in members:
            totals.append(segment_sums(units * member[:, None], lengths))
            counts.append(segment_sums((real & member).double().unsqueeze(-1), lengths)[..., 0])
        total, count = torch.stack(totals), torch.stack(counts).to(torch.int64)
        for place, (number, length) in enumerate(zip(numbers.tolist(), lengths.tolist(), strict=True)):
            sums = self._open.add(number, length, {"total": total[:, :, place], "count": count[:, :, place]})
            if sums is not None:
                self._close(sums)

    def _close(self, sums: Parts) -> None:
        """Count a sentence that is complete."""
        self._found["count"] += sums["count"]
        self._found["total"] += sums["total"]
        self._found["within"] += sums["total"].square().sum(dim=-1)
        self._found["squares"] += sums["count"].square()


def unit_vectors(vectors: Tensor) -> tuple[Tensor, Tensor]:
    """Scale vectors to length 1, and say which have a direction (those of length 0 stay 0)."""
    norms = torch.linalg.vector_norm(vectors, dim=-1)
    real = norms > 0
    return vectors / torch.where(real, norms, 1.0).unsqueeze(-1), real


def mean_cosine(options: AnisotropyOptions, context: Context) -> Finaliser:
    """Make the accumulator of `anisotropy` by the mean cosine."""
    units = UnitSums.shared(options, context)
    estimator = Estimator(units.cells, units.sums.shape, units.sample, options)

    def value(directions: Directions) -> float:
        return directions.mean_cosine

    def finalise() -> Values:
        used = estimator.used(lambda directions: directions.count)
        # Two random directions are at right angles.
        null = np.where(used > 1, 0.0, np.nan)
        found: dict[str, Any] = {"anisotropy": estimator.values(value), "anisotropy_null": null}
        found["anisotropy_n_used"] = used
        if options.error != "none":
            found["anisotropy_error"] = estimator.errors(value)
        return found

    return Finaliser(finalise, {**units.cells.axes, **units.sums.axes})
