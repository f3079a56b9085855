"""Sets of vectors with values that other people's packages computed of them."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np

from support.pages import ROOT

FOLDER = ROOT / "tests" / "data" / "geometry"
SETS = (
    "iso_gauss",
    "ball5_in50",
    "aniso_gauss",
    "swiss_roll",
    "dups_d32",
    "n_lt_d",
    "tiny_5",
    "token_context",
    "fp16_overflow",
)


@cache
def values() -> dict[str, Any]:
    """All reference values by key."""
    return json.loads((FOLDER / "values.json").read_text("utf-8"))


def reference(name: str, key: str, source: str = "reference") -> Any:
    """A reference value of a set."""
    return values()[f"{name}|{source}|{key}"]


@cache
def arrays(name: str) -> dict[str, np.ndarray]:
    """Arrays of a set."""
    with np.load(FOLDER / f"{name}.npz") as found:
        return {key: found[key] for key in found.files}


def vectors(name: str) -> np.ndarray:
    """Vectors of a set, in the dtype in which they are given."""
    return arrays(name)["X"]
