"""Journals of stores as a run would have left them, without the arrays."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from prosect.planning.digest import step_digest
from prosect.planning.model import Step
from prosect.planning.records import JOURNAL, SCHEMA, SCHEMA_VERSION, StepRecord, step_folder
from prosect.planning.states import installed_versions


def remember_step(
    store: Path,
    step: Step,
    *,
    units: int = 0,
    streams: Mapping[str, int] | None = None,
    state: Literal["allocated", "finished"] = "allocated",
    **changes: Any,
) -> None:
    """Write the record of a step with so many units of its main stream done."""
    record = StepRecord(
        node=step.node,
        digest=step_digest(step.config) or "",
        config=step.config,
        state=state,
        units=streams or {"main": 8},
        batch_tokens=64,
        versions=installed_versions(),
    )
    place = step_folder(store, step.node)
    (place / "units" / "main").mkdir(parents=True, exist_ok=True)
    (store / JOURNAL / "store.json").write_text(json.dumps({"schema": SCHEMA, "schema_version": SCHEMA_VERSION}))
    (place / "step.json").write_text(replace(record, **changes).to_json())
    for unit in range(units):
        (place / "units" / "main" / f"{unit}.json").write_text("{}")
