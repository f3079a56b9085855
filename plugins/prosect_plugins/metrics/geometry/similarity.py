"""Words in context (Ethayarajh 2019): how much the vectors of a word, and those of a sentence, are alike.

Self-similarity of a type with occurrences x_1 … x_n: (|sum u|^2 - n) / (n (n - 1)), u = x / |x|. Intra-sentence
similarity: mean over a sentence of cos(x_i, c), c the mean of its vectors: (sum u) . (sum x) / (n |sum x|). MEV: share
of the leading direction in the variance of a type's occurrences.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch

from prosect.api.tensors import Axis, Context, Float, Reading, State, Tensor, Values
from prosect_plugins.metrics.geometry.cells import cells_of
from prosect_plugins.metrics.geometry.cosine import UnitSums, unit_vectors
from prosect_plugins.metrics.geometry.covariance import EPSILON
from prosect_plugins.metrics.geometry.sample import Sample
from prosect_plugins.metrics.geometry.segments import OpenSentences, Parts, segment_sums
from prosect_plugins.metrics.geometry.similarity_options import (
    TYPE,
    BaselineOptions,
    MevOptions,
    SelfSimilarityOptions,
    TypeOptions,
)
from prosect_plugins.metrics.geometry.spectral import CONSTANT_UNITS
from prosect_plugins.metrics.geometry.spectral_options import AnisotropyOptions
from prosect_plugins.metrics.geometry.sums import Sums
from prosect_plugins.metrics.geometry.types import types_of


class Baseline:
    """Mean cosine of all counted tokens, which other measures of the analysis share."""

    def __init__(self, options: BaselineOptions, context: Context) -> None:
        own = AnisotropyOptions(
            method="cosine",
            pairs=options.baseline,
            component=options.component,
            **options.model_dump(include={"selection", "group", "group_values", "group_bins"}),
        )
        self._units = UnitSums.shared(own, context)

    def values(self) -> npt.NDArray[np.float64]:
        """Mean cosines, shape (*token axes, *subset)."""
        units = self._units
        found = np.full((*units.cells.shape, len(units.sums.names)), np.nan)
        for place in np.ndindex(*found.shape):
            sample = units.sample(place[:-1], None, place[-1])
            found[place] = np.nan if sample is None else sample.mean_cosine
        return found if units.sums.dims else found[..., 0]


class SelfSimilarity:
    """Mean cosine of the occurrences of a type, averaged over types."""

    def __init__(self, options: SelfSimilarityOptions, context: Context) -> None:
        self._types, self._sums = types_of(options, context), Sums.of(options.component, context)
        self._each, self._baseline = options.each_type, Baseline(options, context)
        cells, device = self._types.cells, context.device
        self._codes = context.once(("type codes", id(self._types)), lambda: _on(self._types.codes, context))
        self._members = torch.from_numpy(cells.members.any(axis=-2).reshape(-1, cells.number)).to(device)
        shape = len(self._members), len(self._sums.names), len(self._types.values)
        self._count = torch.zeros(shape, dtype=torch.int64, device=device)
        self._total = torch.zeros(*shape, context.hidden, dtype=torch.float64, device=device)

    def update(self, reading: Reading) -> None:
        """Take in the tokens of a reading."""
        view = reading.tokens
        index = view.index.flatten()
        types = self._codes[index.clamp(min=0)]
        chosen = torch.nonzero((types >= 0) & view.own.flatten()).flatten()
        if not len(chosen):
            return
        order = chosen[torch.argsort(types[chosen], stable=True)]
        present, lengths = torch.unique_consecutive(types[order], return_counts=True)
        units, real = unit_vectors(self._sums.vectors(reading, order))
        cells = self._types.cells.codes[index[order]]
        for place, member in enumerate(self._members[:, cells]):
            self._total[place][:, present] += segment_sums(units * member[:, None], lengths)
            counted = segment_sums((real & member).double().unsqueeze(-1), lengths)[..., 0]
            self._count[place][:, present] += counted.to(torch.int64)

    def state(self) -> State:
        """Return the number of occurrences, and sums of their unit vectors."""
        return {"count": self._count, "total": self._total}

    def merge(self, state: State) -> None:
        """Take in later tokens."""
        self._count = self._count + state["count"]
        self._total = self._total + state["total"]

    def finalise(self) -> Values:
        """``self_similarity``, its baseline, and how many types it is the mean of."""
        count = self._count.double()
        pairs = torch.where(self._count > 1, count * (count - 1), torch.nan)
        found = ((self._total.square().sum(dim=-1) - count) / pairs).cpu().numpy()
        values = self._shaped(found)
        return {**_over_types("self_similarity", values, each=self._each), **self._with_baseline()}

    def axes(self) -> Mapping[str, Axis]:
        """Return the dimensions that the options ask for."""
        own = {TYPE: self._types.axis} if self._each else {}
        return {**self._types.cells.axes, **self._sums.axes, **own}

    def _with_baseline(self) -> Values:
        return {"self_similarity_baseline": self._baseline.values()}

    def _shaped(self, found: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        return found.reshape(*self._types.cells.shape, *self._sums.shape, found.shape[-1])


class IntraSentenceSimilarity:
    """Mean cosine of the vectors of a sentence with their mean, averaged over sentences of two tokens and more."""

    def __init__(self, options: BaselineOptions, context: Context) -> None:
        self._cells, self._sums = cells_of(options, context), Sums.of(options.component, context)
        self._baseline = Baseline(options, context)
        device = context.device
        self._members = torch.from_numpy(self._cells.members.any(axis=-2).reshape(-1, self._cells.number)).to(device)
        shape = len(self._members), len(self._sums.names)
        self._count = torch.zeros(shape, dtype=torch.int64, device=device)
        self._total, self._square = (torch.zeros(shape, dtype=torch.float64, device=device) for _ in range(2))
        self._offsets = torch.as_tensor(np.asarray(context.stream.offsets, dtype=np.int64), device=device)
        self._open = OpenSentences(context.stream.lengths.tolist())

    def update(self, reading: Reading) -> None:
        """Take in the tokens of a reading."""
        view = reading.tokens
        own = torch.nonzero(view.own.flatten()).flatten()
        if not len(own):
            return
        index = view.index.flatten()[own]
        sentence = torch.searchsorted(self._offsets, index, right=True) - 1
        numbers, lengths = torch.unique_consecutive(sentence, return_counts=True)
        vectors = self._sums.vectors(reading, own)
        units, real = unit_vectors(vectors)
        codes = self._cells.codes[index]
        members = self._members[:, codes.clamp(min=0)] & (codes >= 0)
        parts = {
            "unit": torch.stack([segment_sums(units * member[:, None], lengths) for member in members]),
            "raw": torch.stack([segment_sums(vectors * member[:, None], lengths) for member in members]),
            "count": torch.stack(
                [segment_sums((real & member).double().unsqueeze(-1), lengths)[..., 0] for member in members]
            ),
        }
        for place, (number, length) in enumerate(zip(numbers.tolist(), lengths.tolist(), strict=True)):
            sums = self._open.add(number, length, {name: part[:, :, place] for name, part in parts.items()})
            if sums is not None:
                self._close(sums)

    def state(self) -> State:
        """Return sums over sentences, and what is known of those that are not complete."""
        return {"count": self._count, "total": self._total, "square": self._square, **self._open.state()}

    def merge(self, state: State) -> None:
        """Take in later tokens."""
        self._count = self._count + state["count"]
        self._total = self._total + state["total"]
        self._square = self._square + state["square"]
        for sums in self._open.merge(state):
            self._close(sums)

    def finalise(self) -> Values:
        """``intra_sentence_similarity``, its standard error over sentences, its baseline, and how many they are."""
        count = self._count.double()
        mean = self._total / torch.where(count > 0, count, torch.nan)
        spread = (self._square - count * mean.square()).clamp(min=0) / torch.where(count > 1, count - 1, torch.nan)
        return {
            "intra_sentence_similarity": self._shaped(mean),
            "intra_sentence_similarity_error": self._shaped((spread / count).sqrt()),
            "intra_sentence_similarity_baseline": self._baseline.values(),
            "intra_sentence_similarity_n_used": self._shaped(self._count),
        }

    def axes(self) -> Mapping[str, Axis]:
        """Return the dimensions that the options ask for."""
        return {**self._cells.axes, **self._sums.axes}

    def _close(self, sums: Parts) -> None:
        """Count a sentence that is complete."""
        raw, count = sums["raw"], sums["count"]
        size = torch.linalg.vector_norm(raw, dim=-1)
        value = (sums["unit"] * raw).sum(dim=-1) / (count * size)
        # Of a single vector the mean is itself; where vectors sum to 0 the mean has no direction.
        counts = (count > 1) & (size > 0)
        value = torch.where(counts, value, 0.0)
        self._count += counts
        self._total += value
        self._square += value.square()

    def _shaped(self, values: Tensor) -> npt.NDArray[np.generic]:
        return values.cpu().numpy().reshape(*self._cells.shape, *self._sums.shape)


class Mev:
    """Share of the leading direction in the variance of a type's occurrences, averaged over types."""

    def __init__(self, options: MevOptions, context: Context) -> None:
        self._options, self._types = options, types_of(options, context)
        self._places = context.once(("occurrences", id(self._types)), lambda: _occurrences(options, self._types.codes))
        every = np.sort(np.concatenate([np.zeros(0, dtype=np.int64), *self._places]))
        self._sample = Sample(every, options.component, context)

    def update(self, reading: Reading) -> None:
        """Take in the tokens of a reading."""
        self._sample.update(reading)

    def state(self) -> State:
        """Vectors of the occurrences."""
        return self._sample.state()

    def merge(self, state: State) -> None:
        """Take in later tokens."""
        self._sample.merge(state)

    def finalise(self) -> Values:
        """``mev``, and how many types it is the mean of."""
        cells, sums = self._types.cells, self._sample.sums
        found = np.full((*cells.shape, len(sums.names), len(self._types.values)), np.nan)
        codes = cells.codes.cpu().numpy()
        for place in np.ndindex(*found.shape):
            members = self._places[place[-1]]
            members = members[np.isin(codes[members], cells.cells(place[:-2]))]
            found[place] = leading_share(self._sample.rows(members, place[-2]), center=self._options.center)
        return _over_types("mev", found if sums.dims else found[..., 0, :], each=self._options.each_type)

    def axes(self) -> Mapping[str, Axis]:
        """Return the dimensions that the options ask for."""
        own = {TYPE: self._types.axis} if self._options.each_type else {}
        return {**self._types.cells.axes, **self._sample.sums.axes, **own}


def leading_share(rows: Float[Tensor, "occurrence hidden"], *, center: bool) -> float:
    """s_1^2 / sum s_i^2 of a matrix of occurrences, from its Gram matrix; NaN for fewer than two, or equal ones."""
    if len(rows) < 2:  # noqa: PLR2004 - one vector has no variance
        return float("nan")
    wide = rows.double()
    size = float(wide.square().sum())
    wide = wide - wide.mean(dim=0) if center else wide
    gram = wide @ wide.T
    trace = float(gram.trace())
    floor = size * (CONSTANT_UNITS * EPSILON) ** 2 if center else 0.0
    return float(torch.linalg.eigvalsh(gram)[-1]) / trace if trace > floor else float("nan")


def _occurrences(options: TypeOptions, codes: npt.NDArray[np.int64]) -> list[npt.NDArray[np.int64]]:
    """Draw occurrences of every type, each type with a generator of its own, so that none depends on the others."""
    most = getattr(options, "occurrences", None)
    order = np.argsort(codes, kind="stable")
    number = int(codes.max(initial=-1)) + 1
    bounds = np.searchsorted(codes[order], np.arange(number + 1))
    found = []
    for place in range(number):
        own = np.sort(order[bounds[place] : bounds[place + 1]])
        if most is not None and len(own) > most:
            generator = np.random.default_rng((options.seed, place))
            own = np.sort(generator.choice(own, size=most, replace=False))
        found.append(own.astype(np.int64))
    return found


def _over_types(name: str, values: npt.NDArray[np.float64], *, each: bool) -> dict[str, npt.NDArray[np.generic]]:
    """Values of every type, or their mean; and how many types have one."""
    known = np.isfinite(values)
    used = known.sum(axis=-1)
    if each:
        return {name: values, f"{name}_n_used": used}
    total = np.where(known, values, 0.0).sum(axis=-1)
    return {name: np.divide(total, used, out=np.full(total.shape, np.nan), where=used > 0), f"{name}_n_used": used}


def _on(codes: npt.NDArray[np.int64], context: Context) -> Tensor:
    return torch.from_numpy(codes).to(context.device)
