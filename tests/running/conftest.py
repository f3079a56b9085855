"""Small specs on small random models."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prosect.planning.build import make_plan
from prosect.running.loop import Summary, execute
from prosect.running.progress import Lines
from support.models import FAMILIES

Spec = dict[str, Any]


def sentences(number: int = 30, seed: int = 0, longest: int = 12) -> list[list[int]]:
    generator = np.random.default_rng(seed)
    return [generator.integers(1, 58, size=generator.integers(1, longest)).tolist() for _ in range(number)]


def random_model(family: str, **fields: Any) -> Spec:
    config = {"model_type": FAMILIES[family].model_type, **FAMILIES[family].config}
    return {"init": "random", "config": config, **fields}


@pytest.fixture
def spec() -> Callable[..., Spec]:
    """Make a spec of one model, one corpus of token ids, one analysis."""

    def make(family: str = "bert", *, number: int = 30, model: Spec | None = None, **analysis: Any) -> Spec:
        corpus: Spec = {"kind": "inline", "sentences": sentences(number)}
        if family == "marian":
            corpus["targets"] = sentences(number, seed=1)
        return {
            "prosect": 1,
            "models": {"m": random_model(family, **(model or {}))},
            "corpora": {"c": corpus},
            "analyses": {"a": {"corpus": "c", "decomposition": "sum_of_factors", **analysis}},
            "compute": {"unit_tokens": 40, "batch_tokens": 60, "device": "cpu"},
        }

    return make


@pytest.fixture
def carry_out(tmp_path: Path) -> Callable[..., Summary]:
    """Plan and run a spec; what was reported is on the function's ``log``."""

    def carry(source: Any, out: Path | None = None, **arguments: Any) -> Summary:
        carry.log = io.StringIO()  # type: ignore[attr-defined]  # a function can carry its log
        planned = make_plan(source, out=out or tmp_path / "out.zarr", **arguments)
        return execute(planned, Lines(carry.log))  # type: ignore[attr-defined]  # see above

    return carry
