"""Error rates of stored word alignments, as labelled data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import xarray as xr

from prosect.api import UsageError
from prosect_plugins.alignment.links import Links, Notation, parse_pharaoh, read_links
from prosect_plugins.alignment.options import AlignmentErrorOptions
from prosect_plugins.alignment.scores import Counts, count_links
from prosect_plugins.mapstats.labelled import lead_coordinates, variable
from prosect_plugins.mapstats.ranks import correlate

SENTENCE = "sentence"
CHOICES = ("layer", "head")

FloatArray = npt.NDArray[np.float64]


def alignment_error(datasets: Sequence[xr.Dataset], options: AlignmentErrorOptions) -> xr.Dataset:
    """Compare word alignments with a gold alignment: ``aer`` and companions, for every layer (and head).

    Raises
    ------
    UsageError
        The gold file is wrong, is shorter than the corpus, or names words that the corpus does not have.
    """
    alignment = datasets[0].compute()
    gold = _gold(alignment, options)
    dims = tuple(str(dim) for dim in alignment["links"].dims if dim != SENTENCE)
    lines = alignment["links"].transpose(*dims, SENTENCE).to_numpy()
    counted = np.empty((3, *lines.shape), dtype=np.int64)
    for place, line in np.ndenumerate(lines):
        counted[(slice(None), *place)] = count_links(parse_pharaoh(str(line)), gold[place[-1]])
    sure = np.array([len(links.sure) for links in gold], dtype=np.int64)
    found = _rates(dims, _summed(counted, sure, np.ones(len(gold))))
    found |= _per_sentence(dims, counted, sure)
    if options.bootstrap:
        found |= _intervals(dims, counted, sure, options)
    dataset = xr.Dataset(found, lead_coordinates(alignment, (*dims, SENTENCE)))
    return _with_choices(dataset, alignment.get("mean_norm"))


def _gold(alignment: xr.Dataset, options: AlignmentErrorOptions) -> list[Links]:
    found = read_links(options.gold, Notation(options.gold_format, options.gold_first, options.gold_order))
    numbers = alignment[SENTENCE].to_numpy()
    if numbers.max(initial=-1) >= len(found):
        raise UsageError(f"{options.gold} has {len(found)} lines, and the corpus has a sentence {numbers.max() + 1}")
    gold = [found[number] for number in numbers]
    sizes = zip(alignment["source_words"].to_numpy(), alignment["target_words"].to_numpy(), strict=True)
    for number, links, (sources, targets) in zip(numbers, gold, sizes, strict=True):
        beyond = [f"{a}-{b}" for a, b in sorted(links.possible) if a >= sources or b >= targets]
        if beyond:
            raise UsageError(
                f"{options.gold}:{number + 1} links {beyond[0]} (source and target, from 0), but the sentence has "
                f"{sources} source and {targets} target words; check gold_first and gold_order, or whether it was cut"
            )
    return gold


def _summed(counted: npt.NDArray[np.int64], sure: npt.NDArray[np.int64], weights: npt.NDArray[Any]) -> Counts:
    """Add counts up over sentences, each as often as its weight says; weights (*sample, sentence)."""
    links, sure_found, possible_found = np.tensordot(counted, weights, axes=(-1, -1))
    return Counts(links=links, sure_found=sure_found, possible_found=possible_found, sure=weights @ sure)


def _rates(dims: tuple[str, ...], counts: Counts) -> dict[str, xr.Variable]:
    return {
        "aer": variable(dims, counts.aer(), "alignment error rate"),
        "precision": variable(dims, counts.precision(), "precision: links made that are possible"),
        "recall": variable(dims, counts.recall(), "recall: sure links that were made"),
        "f1": variable(dims, counts.f1(), "harmonic mean of precision and recall"),
    }


def _per_sentence(
    dims: tuple[str, ...], counted: npt.NDArray[np.int64], sure: npt.NDArray[np.int64]
) -> dict[str, xr.Variable]:
    meanings = {
        "links_made": "links made",
        "sure_found": "links made that are sure",
        "possible_found": "links made that are possible",
    }
    return {
        "sure_links": variable((SENTENCE,), sure, "sure links of the gold alignment"),
        **{
            name: variable((*dims, SENTENCE), values, meaning)
            for (name, meaning), values in zip(meanings.items(), counted, strict=True)
        },
    }


def _intervals(
    dims: tuple[str, ...],
    counted: npt.NDArray[np.int64],
    sure: npt.NDArray[np.int64],
    options: AlignmentErrorOptions,
) -> dict[str, xr.Variable]:
    """Percentiles of the error rate over samples of sentences, drawn with replacement."""
    rng = np.random.default_rng(options.seed)
    weights = rng.multinomial(len(sure), np.full(len(sure), 1 / len(sure)), size=options.bootstrap)
    rates = _summed(counted, sure, weights).aer()
    tail = (1 - options.confidence) / 2
    low, high = np.nanquantile(rates, [tail, 1 - tail], axis=-1)
    ends = {"aer_low": (low, "lower"), "aer_high": (high, "upper")}
    name = f"{options.confidence:.0%} interval of the error rate over sentences"
    return {key: variable(dims, values, f"{end} end of the {name}") for key, (values, end) in ends.items()}


def _with_choices(dataset: xr.Dataset, norm: xr.DataArray | None) -> xr.Dataset:
    """Add the layer (and head) of the lowest error, that of the largest mean norm, and how both go together."""
    dims = [dim for dim in CHOICES if dim in dataset["aer"].dims]
    if not dims:
        return dataset
    aer = dataset["aer"].stack(choice=dims, create_index=False)
    found = _chosen(aer, aer.fillna(np.inf).argmin("choice"), dims, "best", "with the lowest error rate")
    if norm is not None and set(norm.dims) == set(dataset["aer"].dims):
        norms = norm.transpose(*dataset["aer"].dims).stack(choice=dims, create_index=False)
        found |= _chosen(aer, norms.argmax("choice"), dims, "largest_norm", "with the largest mean norm")
        for method in ("spearman", "pearson"):
            rho = xr.apply_ufunc(correlate, aer, norms, method, input_core_dims=[["choice"], ["choice"], []])
            meaning = f"{method.capitalize()}'s correlation of error rate and mean norm over {' and '.join(dims)}s"
            found[f"norm_{method}"] = rho.assign_attrs(long_name=meaning, units="1").reset_coords(drop=True)
    return dataset.assign(found)


def _chosen(
    aer: xr.DataArray, place: xr.DataArray, dims: list[str], name: str, meaning: str
) -> dict[str, xr.DataArray]:
    at = aer.isel(choice=place)
    found = {f"{name}_{dim}": at[dim].reset_coords(drop=True) for dim in dims}
    found = {key: values.assign_attrs(long_name=f"{key.split('_')[-1]} {meaning}") for key, values in found.items()}
    rate = at.reset_coords(dims, drop=True).assign_attrs(long_name=f"error rate of the {' and '.join(dims)} {meaning}")
    return {**found, f"{name}_aer": rate}
