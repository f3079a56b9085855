"""`prediction_agreement`: how far probes say the same, whether or not it is right."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import xarray as xr

from prosect.api import UsageError
from prosect_plugins.probes.kernels.scores import macro_f1, micro_f1
from prosect_plugins.probes.options import AgreementOptions
from prosect_plugins.subsets import SUBSET

OTHER: str = f"other_{SUBSET}"


def prediction_agreement(datasets: Sequence[xr.Dataset], options: AgreementOptions) -> xr.Dataset:
    """F1 of the predictions of every subset against those of every other, of one probe or of two.

    Raises
    ------
    UsageError
        The datasets hold no predictions, or not of the same items and classes.
    """
    one, other = datasets[0], datasets[-1]
    _check(one, other)
    mine, theirs = _chosen(one, options), _chosen(other, options)
    left_out = [place for place, label in enumerate(one["label"].values) if str(label) in options.left_out]
    layers = mine["layer"].values
    values = np.stack([_matrix(mine, theirs, layer, options, left_out) for layer in layers])
    coords = {"layer": layers, SUBSET: mine[SUBSET].values, OTHER: theirs[SUBSET].values}
    return xr.Dataset({"prediction_agreement": (("layer", SUBSET, OTHER), values)}, coords=coords)


def _matrix(
    mine: xr.DataArray, theirs: xr.DataArray, layer: int, options: AgreementOptions, left_out: Sequence[int]
) -> npt.NDArray[np.float64]:
    one = mine.sel(layer=layer).transpose(SUBSET, "item").values.astype(np.int64)
    other = theirs.sel(layer=layer).transpose(SUBSET, "item").values.astype(np.int64)
    # What a probe does not say anything about is a class of its own here.
    labels = int(max(one.max(), other.max())) + 2
    mean = macro_f1 if options.average == "macro" else micro_f1
    shifted = [place + 1 for place in left_out if place + 1 < labels]
    return np.array([[mean(row + 1, said + 1, labels, shifted) for said in other] for row in one])


def _chosen(dataset: xr.Dataset, options: AgreementOptions) -> xr.DataArray:
    """Predictions of one run of each probe."""
    predictions = dataset["prediction"]
    if "run" not in predictions.dims:
        return predictions
    if options.run == "first" or "development" not in dataset:
        return predictions.isel(run=0)
    return predictions.isel(run=dataset["development"].fillna(-np.inf).argmax("run").compute())


def _check(one: xr.Dataset, other: xr.Dataset) -> None:
    for dataset in (one, other):
        if "prediction" not in dataset:
            raise UsageError("there is no variable 'prediction': compare the results of probes")
    same = all(
        one[name].shape == other[name].shape and (one[name].values == other[name].values).all()
        for name in ("label", "sentence", "word")
    )
    if not same or not np.array_equal(one["layer"].values, other["layer"].values):
        raise UsageError("the two probes do not speak of the same items, classes and layers: give them the same split")
