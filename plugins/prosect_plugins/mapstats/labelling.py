"""Pairs of types labelled by hand: a table to fill in, and what was filled in as labelled data."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import xarray as xr

from prosect.api import UsageError
from prosect_plugins.mapstats.labelled import lead_coordinates, text, variable
from prosect_plugins.mapstats.options import LabelledPairsOptions

RANK: Final = "rank"
LABEL: Final = "label"
KEYS: Final = ("query", "source")


def write_pairs(pairs: xr.Dataset, path: str | Path) -> None:
    """Write ranked pairs of types as a CSV table with an empty column ``label``, to be filled in by hand.

    Parameters
    ----------
    pairs
        What `amplified_pairs` gives.
    path
        The file; it may not be there yet, so that no labels are lost.

    Raises
    ------
    UsageError
        The file is there already or cannot be written.
    """
    lead = [str(dim) for dim in pairs["query"].dims]
    columns = [name for name in ("amplification", "count", *KEYS, "category") if name in pairs]
    examples = [f"example_{number + 1}" for number in range(pairs.sizes.get("example", 0))]
    try:
        with Path(path).open("x", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([*lead, *columns, LABEL, *examples])
            for place in np.ndindex(pairs["query"].shape):
                at = dict(zip(lead, place, strict=True))
                where = [pairs[dim].to_numpy()[n] if dim in pairs.coords else n + 1 for dim, n in at.items()]
                shown = pairs["examples"].isel(at).to_numpy().tolist() if examples else []
                writer.writerow([*where, *(pairs[name].isel(at).item() for name in columns), "", *shown])
    except FileExistsError as error:
        raise UsageError(f"{path} is there already; labels in it are not overwritten") from error
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error


def labelled_pairs(datasets: Sequence[xr.Dataset], options: LabelledPairsOptions) -> xr.Dataset:
    """Join labels with ranked pairs of types, and count them for every layer.

    Raises
    ------
    UsageError
        The file cannot be read, lacks a column, or has two labels for one pair.
    """
    pairs = datasets[0].compute()
    known = _read(options.labels)
    dims = tuple(str(dim) for dim in pairs["query"].dims)
    layers = pairs["layer"].broadcast_like(pairs["query"]).transpose(*dims) if "layer" in pairs.coords else None
    found = np.full(pairs["query"].shape, options.unlabelled, dtype=object)
    for place in np.ndindex(found.shape):
        query, source = (str(pairs[key].to_numpy()[place]) for key in KEYS)
        layer = "" if layers is None else str(layers.to_numpy()[place])
        found[place] = known.get((query, source, layer)) or known.get((query, source, "")) or options.unlabelled
    names = [*sorted({*known.values(), *found.ravel().tolist()} - {options.unlabelled}), options.unlabelled]
    shares = np.stack([(found == name).mean(axis=dims.index(RANK)) for name in names], axis=-1)
    rest = tuple(dim for dim in dims if dim != RANK)
    variables = {
        "pair_label": text(dims, found, "label given by hand"),
        "label_share": variable((*rest, LABEL), shares, "share of the ranked pairs of types with a label"),
    }
    return xr.Dataset(variables, {**lead_coordinates(pairs, rest), LABEL: text((LABEL,), names, "label given by hand")})


def _read(path: str) -> dict[tuple[str, str, str], str]:
    found: dict[tuple[str, str, str], str] = {}
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            missing = [name for name in (*KEYS, LABEL) if name not in (rows.fieldnames or ())]
            if missing:
                raise UsageError(f"{path} has no column {missing[0]!r}")
            for row in rows:
                key, label = (row["query"], row["source"], row.get("layer") or ""), (row[LABEL] or "").strip()
                if label and found.setdefault(key, label) != label:
                    raise UsageError(f"{path}:{rows.line_num}: {key[0]!r} and {key[1]!r} have two labels")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{path}: {error}") from error
    return found
