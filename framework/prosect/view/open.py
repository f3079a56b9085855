"""Opening results."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from prosect.store.reading import Chunks, open_tree

if TYPE_CHECKING:
    import xarray as xr


def open(store: str | Path, chunks: Chunks = None) -> xr.DataTree:
    """Open a store as a lazy tree of labelled datasets.

    Parameters
    ----------
    store
        Folder of the store. It may be unfinished, or being written: what is not computed yet is NaN.
    chunks
        None: numbers are read on demand into NumPy; ``{}`` or sizes: they are dask arrays.

    Returns
    -------
    xarray.DataTree
        One node per model and analysis, for example ``tree["minilm/factors"]``. Its datasets, as
        ``tree["minilm/factors"].ds``, have the accessor ``prosect`` for sentences and words.

    Raises
    ------
    StoreError
        The folder is no store of prosect, or of another schema version.
    """
    import prosect.view.select  # noqa: F401 -- registers the accessor

    return open_tree(Path(store), chunks)
