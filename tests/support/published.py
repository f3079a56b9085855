"""The published training curves, read as anyone would read them."""

from __future__ import annotations

from functools import cache

import xarray as xr

import prosect
from support.models import DATA

CURVES = DATA / "mickus" / "training-curves"
FILES = {
    "s0-eng": "res-no-gen.rus-eng-s0.csv.gz",
    "s1-eng": "res-no-gen.rus-eng-s1.csv.gz",
    "sla-eng": "res-gen.sla-eng.csv.gz",
}
KEYS = {"layer_idx": "layer", "checkpoint": "step"}


@cache
def curves(run: str) -> xr.Dataset:
    """Means of the indicators of one run: variables by indicator, over layer, step and component."""
    return prosect.load_table(CURVES / FILES[run], keys=KEYS, names="func", spread={"component": "mean *"})


@cache
def bleu() -> xr.Dataset:
    """BLEU per run and checkpoint."""
    return prosect.load_table(
        CURVES / "bleu-scores2.csv.gz",
        keys={"model": "run", "checkpoint": "step"},
        values={"score": "bleu"},
        rename={"model": {"rus-eng_s0": "s0-eng", "rus-eng_s1": "s1-eng"}},
    )
