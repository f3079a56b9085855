"""What a store remembers of its steps, as plain JSON files which can be read without zarr.

Layout inside the store's folder::

    .prosect/store.json                               {"schema": ..., "schema_version": ...}
    .prosect/steps/MODEL/ANALYSIS/step.json           one `StepRecord`
    .prosect/steps/MODEL/ANALYSIS/units/STREAM/N.json one entry per finished unit

Every file is written atomically (a temporary file, then a rename), a unit's entry after its data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

JOURNAL: Final = ".prosect"
#: Name and version of the layout of a store, as ``store.json`` says it.
SCHEMA: Final = "prosect-results"
SCHEMA_VERSION: Final = 1


@dataclass(frozen=True, kw_only=True)
class StepRecord:
    """One step of a store.

    Attributes
    ----------
    node
        ``MODEL/ANALYSIS``.
    digest
        Content hash of ``config``.
    config
        The normalised configuration the digest was made from.
    state
        ``allocated`` once its arrays and coordinates stand, ``finished`` when every unit is written.
    units
        Stream -> number of units it has in all.
    batch_tokens
        Token budget of a batch recorded at the first start, so that a resumed run makes the same batches.
    versions
        Versions of the packages that numbers depend on (torch, transformers) at the first start.
    """

    node: str
    digest: str
    config: Mapping[str, Any]
    state: Literal["allocated", "finished"]
    units: Mapping[str, int]
    batch_tokens: int
    versions: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """Serialise, keys sorted."""
        return json.dumps(asdict(self), indent=1, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> StepRecord:
        """Rebuild from `to_json`; ValueError or TypeError where the text is not a record."""
        return cls(**json.loads(text))


def step_folder(store: Path, node: str) -> Path:
    """Folder of a step's journal."""
    return store / JOURNAL / "steps" / node


def read_steps(store: Path) -> dict[str, StepRecord]:
    """Read all step records of a store by node; empty where there is no store."""
    files = sorted((store / JOURNAL / "steps").glob("*/*/step.json"))
    records = [StepRecord.from_json(file.read_text(encoding="utf-8")) for file in files]
    return {record.node: record for record in records}


def finished_units(store: Path, node: str, stream: str) -> frozenset[int]:
    """Return the numbers of the units whose data is complete."""
    return frozenset(int(file.stem) for file in (step_folder(store, node) / "units" / stream).glob("*.json"))
