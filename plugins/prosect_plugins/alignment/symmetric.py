"""Two stored word alignments of opposite direction as one, as labelled data."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import xarray as xr

from prosect.api import UsageError
from prosect_plugins.alignment.links import parse_pharaoh, pharaoh
from prosect_plugins.alignment.options import SymmetricAlignmentOptions
from prosect_plugins.alignment.symmetry import symmetrise
from prosect_plugins.mapstats.labelled import text

SENTENCE = "sentence"


def symmetric_alignment(datasets: Sequence[xr.Dataset], options: SymmetricAlignmentOptions) -> xr.Dataset:
    """Combine two alignments sentence by sentence: ``links`` with the languages as in the first.

    Raises
    ------
    UsageError
        They are not alignments of the same sentences.
    """
    first, second = (_picked(dataset, options, place) for place, dataset in enumerate(datasets))
    if options.reversed:
        second = second.rename(source_words="target_words", target_words="source_words")
    names = ("source_words", "target_words")
    if not all(first[name].identical(second[name].assign_attrs(first[name].attrs)) for name in names):
        raise UsageError("the two alignments are not of the same sentences, or one of them is not reversed")
    try:
        links = xr.align(first["links"], second["links"], join="exact")
    except ValueError as error:
        raise UsageError("the two alignments have other layers or heads; choose one of each") from error
    one, other = xr.broadcast(*links)
    combined = _combined(one, other.transpose(*one.dims), first, options)
    found = text([str(dim) for dim in one.dims], combined, "links of source and target words, from 0 (Pharaoh)")
    return xr.Dataset({"links": found, **{name: first[name] for name in names}}, one.coords)


def _picked(dataset: xr.Dataset, options: SymmetricAlignmentOptions, place: int) -> xr.Dataset:
    chosen = {
        dim: pair[place] for dim, pair in (("layer", options.layers), ("head", options.heads)) if pair is not None
    }
    for dim, label in chosen.items():
        if dim not in dataset.dims or label not in dataset[dim].to_numpy():
            raise UsageError(f"there is no {dim} {label} in alignment {place + 1}")
    return dataset.sel(chosen, drop=True).compute()


def _combined(
    one: xr.DataArray, other: xr.DataArray, sizes: xr.Dataset, options: SymmetricAlignmentOptions
) -> npt.NDArray[np.object_]:
    axis = one.dims.index(SENTENCE)
    shapes = list(zip(sizes["target_words"].to_numpy(), sizes["source_words"].to_numpy(), strict=True))
    lines, others = one.to_numpy(), other.to_numpy()
    found = np.empty(lines.shape, dtype=object)
    for place, line in np.ndenumerate(lines):
        shape = shapes[place[axis]]
        forward = _matrix(str(line), shape, turned=False)
        backward = _matrix(str(others[place]), shape, turned=options.reversed)
        links = symmetrise(forward, backward, options.method)
        found[place] = pharaoh((int(source), int(target)) for target, source in np.argwhere(links))
    return found


def _matrix(line: str, shape: tuple[int, int], *, turned: bool) -> npt.NDArray[np.bool_]:
    found = np.zeros(shape, dtype=np.bool_)
    for source, target in parse_pharaoh(line):
        found[(source, target) if turned else (target, source)] = True
    return found
