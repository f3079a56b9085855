"""The loop over layers and subsets that all probes share, and the dataset that it makes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import numpy as np
import numpy.typing as npt
import xarray as xr

from prosect.api import UsageError
from prosect_plugins.probes.items import DEV, TEST, TRAIN, Items, read_items
from prosect_plugins.probes.judging import Criterion, Judge
from prosect_plugins.probes.kernels.scores import Codes
from prosect_plugins.probes.options import ProbeOptions
from prosect_plugins.probes.vectors import Vectors, pooled, terms_of
from prosect_plugins.subsets import SUBSET, Subset, subsets_of

MODEL: Final = "model"
RUN: Final = "run"

Options = TypeVar("Options", bound=ProbeOptions)


@dataclass(frozen=True)
class Cell:
    """What one probe is trained on: the vectors of one subset at one layer.

    Attributes
    ----------
    vectors
        Of all items, shape (item, hidden).
    judge
        Knows items, parts and what counts.
    """

    vectors: Vectors
    judge: Judge

    @property
    def items(self) -> Items:
        """The items."""
        return self.judge.items

    def of(self, part: int) -> Vectors:
        """Vectors of a part."""
        return self.vectors[self.items.of(part)]


@dataclass(frozen=True)
class Outcome:
    """What a probe said.

    Attributes
    ----------
    predicted
        Classes of the test items, for every run: shape (run, item).
    values
        Further variables, for every run: shape (run,).
    """

    predicted: Codes
    values: Mapping[str, npt.NDArray[Any]]


Fit = Callable[[Cell, Options], Outcome]


def probe(datasets: Sequence[xr.Dataset], options: Options, fit: Fit[Options], *, runs: bool) -> xr.Dataset:
    """Train a probe for every layer and subset of a dataset with terms, and judge it.

    Parameters
    ----------
    datasets
        One dataset with ``terms``; of several models, stacked along ``model``.
    options
        Options of the probe.
    fit
        Trains the probe of one cell.
    runs
        Whether results have an axis ``run``.
    """
    (dataset,) = datasets
    if "terms" in dataset and MODEL in dataset["terms"].dims:
        found = [_probed(dataset.isel({MODEL: place}), options, fit) for place in range(dataset.sizes[MODEL])]
        joined = xr.concat(found, dim=dataset[MODEL])
    else:
        joined = _probed(dataset, options, fit)
    return joined if runs else joined.squeeze(RUN, drop=True)


def _probed(dataset: xr.Dataset, options: Options, fit: Fit[Options]) -> xr.Dataset:
    terms = terms_of(dataset, options.layers)
    judge = Judge(read_items(dataset, options), options)
    subsets = subsets_of(options.subsets, [str(label) for label in terms["component"].values])
    rows = [
        [_judged(judge, fit(cell, options)) for cell in _cells(terms.isel(layer=layer), subsets, judge, options)]
        for layer in range(terms.sizes["layer"])
    ]
    found = {
        name: (("layer", SUBSET, *dims), np.stack([np.stack([cell[name][1] for cell in row]) for row in rows]))
        for name, (dims, _) in rows[0][0].items()
    }
    scalars = {name: ((), np.float64(value)) for name, value in judge.baselines().items()}
    return xr.Dataset({**found, **scalars}, coords=_coordinates(terms, subsets, judge.items))


def _cells(terms: xr.DataArray, subsets: Sequence[Subset], judge: Judge, options: ProbeOptions) -> Iterator[Cell]:
    """Make what probes of one layer are trained on, one subset after the other."""
    at_layer = pooled(terms, judge.items, options.pool)
    for subset in subsets:
        vectors = at_layer.of(subset)
        yield Cell(_scaled(vectors, judge.items) if options.standardise else vectors, judge)


def _scaled(vectors: Vectors, items: Items) -> Vectors:
    train = vectors[items.of(TRAIN)].astype(np.float64)
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    scaled: Vectors = ((vectors - mean) / np.where(deviation > 0, deviation, 1.0)).astype(vectors.dtype)
    return scaled


def _judged(judge: Judge, outcome: Outcome) -> dict[str, tuple[tuple[str, ...], npt.NDArray[Any]]]:
    """Variable -> its dimensions without layer and subset, and its values."""
    scores = [judge.scores(predicted) for predicted in outcome.predicted]
    found: dict[str, tuple[tuple[str, ...], npt.NDArray[Any]]] = {
        name: ((RUN,), np.array([score[name] for score in scores])) for name in scores[0]
    }
    found |= {name: ((RUN,), values) for name, values in outcome.values.items()}
    found["f1"] = ((RUN, "label"), np.stack([judge.by_label(predicted) for predicted in outcome.predicted]))
    settled = [judge.settled(predicted, TEST) for predicted in outcome.predicted]
    found["prediction"] = ((RUN, "item"), np.stack(settled).astype(np.int32))
    return found


def _coordinates(terms: xr.DataArray, subsets: Sequence[Subset], items: Items) -> dict[str, Any]:
    test, names = items.of(TEST), np.array(items.labels, dtype=object)
    return {
        "layer": terms["layer"].values if "layer" in terms.coords else np.arange(terms.sizes["layer"]),
        SUBSET: np.array([subset.label for subset in subsets], dtype=object),
        "label": names,
        "item": np.arange(len(test)),
        "sentence": ("item", items.sentence[test]),
        "word": ("item", items.word[test]),
        "gold": ("item", names[items.label[test]]),
    }


def best_on_development(cell: Cell, values: Mapping[float, Codes], criterion: Criterion) -> float:
    """Choose the value whose predictions of the development part are best, the first of several.

    Raises
    ------
    UsageError
        There is more than one value, and no development part to choose on.
    """
    if len(values) == 1:
        return next(iter(values))
    if not cell.items.of(DEV).size:
        raise UsageError("several values are given to choose from, and there is no development part to choose on")
    scores = {value: cell.judge.value(criterion, said, DEV) for value, said in values.items()}
    return max(scores, key=lambda value: scores[value])
