"""Configuration and state of derived results: what they read, known by its digests."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from prosect.planning.contents import Contents
from prosect.planning.digest import UNKNOWN, step_digest
from prosect.planning.files import named_files
from prosect.planning.model import DerivedStep, PlannedTable, Step
from prosect.planning.records import StepRecord
from prosect.planning.states import judge

#: Version of how nodes and tables are read and put together; raise it when results change.
READING_VERSION: Final = 1


@dataclass(frozen=True)
class Judging:
    """What states are judged by: digests of files, the store, its records, and what is to be computed again."""

    contents: Contents
    store: Path | None
    records: Mapping[str, StepRecord]
    replaced: Collection[str]


def judge_derived(derived: Iterable[DerivedStep], steps: Iterable[Step], judging: Judging) -> tuple[DerivedStep, ...]:
    """Add configuration and state of every derived step; one whose input is computed again is too."""
    digests: dict[str, str | None] = {node: record.digest for node, record in judging.records.items()}
    digests |= {step.node: step_digest(step.config) for step in steps}
    again = {step.node for step in steps if step.state == "replace"}
    found = []
    for step in derived:
        known = replace(step, config=derived_config(step, digests, judging.contents))
        renewed = next((node for node in known.nodes if step_of(node) in again), None)
        asked = {*judging.replaced, *((known.node,) if renewed else ())}
        done = judge(known, judging.store, judging.records.get(known.node), asked)
        if done.state == "replace":
            again.add(done.node)
        if done.state == "replace" and done.node not in judging.replaced:
            done = replace(done, why=f"{renewed} is computed again")
        digests[done.node] = step_digest(done.config)
        found.append(done)
    return tuple(found)


def derived_config(step: DerivedStep, digests: Mapping[str, str | None], contents: Contents) -> dict[str, Any]:
    """Build the configuration that enters the digest of a derived step.

    Parameters
    ----------
    step
        The step.
    digests
        Node ``MODEL/ANALYSIS`` or ``derived/NAME`` -> digest; None while it is not known.
    contents
        Digests of files.
    """
    return {
        "reading": READING_VERSION,
        "metric": _metric(step, contents),
        "inputs": [
            {
                "several": found.several,
                "nodes": [{"name": node, "digest": digests.get(step_of(node)) or UNKNOWN} for node in found.nodes],
            }
            for found in step.inputs
        ],
        "tables": [_table(table, contents) for table in step.tables],
    }


def _metric(step: DerivedStep, contents: Contents) -> dict[str, Any]:
    """Record the metric, with the contents of files in the place of their paths."""
    record, paths = step.metric.record(), step.metric.declaration.paths
    if not paths:
        return record
    files = {
        option: [contents.digest(Path(file)) or UNKNOWN for file in named_files(record["options"].get(option))]
        for option in paths
    }
    own = {option: value for option, value in record["options"].items() if option not in paths}
    return {**record, "options": own, "files": files}


def step_of(node: str) -> str:
    """Node of the step that a stream's node belongs to."""
    return "/".join(node.split("/")[:2])


def _table(table: PlannedTable, contents: Contents) -> dict[str, Any]:
    how = table.spec.model_dump(mode="json", exclude={"path"})
    return {"name": table.name, **how, "file": contents.digest(table.file) or UNKNOWN}
