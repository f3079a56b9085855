"""Stored word alignments as Pharaoh files."""

from __future__ import annotations

from pathlib import Path

import xarray as xr

from prosect.api import UsageError


def write_links(alignment: xr.Dataset, path: str | Path, **at: int) -> None:
    """Write one alignment as a Pharaoh file: a line ``source-target …`` per sentence, words from 0.

    Parameters
    ----------
    alignment
        What `word_alignment` or `symmetric_alignment` gives.
    path
        The file; it is written anew.
    **at
        Which one, where there are several: ``layer=2, head=3``, ``model="m@1"``.

    Raises
    ------
    UsageError
        This names none, or more than one; or the file cannot be written.
    """
    try:
        chosen = alignment["links"].sel(at)
    except (KeyError, ValueError) as error:
        raise UsageError(f"there is no alignment at {at}: {error}") from error
    if chosen.dims != ("sentence",):
        left = ", ".join(str(dim) for dim in chosen.dims if dim != "sentence")
        raise UsageError(f"there are several alignments; say which one: {left}")
    text = "".join(f"{line}\n" for line in chosen.to_numpy())
    try:
        Path(path).write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}") from error
