"""Whether a step will run, and why: its configuration against what the store remembers of it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final, TypeVar

from prosect.errors import StoreError
from prosect.planning.digest import UNKNOWN, flat, unknown_parts
from prosect.planning.model import DerivedStep, Plan, Step, StepState
from prosect.planning.records import StepRecord, finished_units

#: Packages that numbers depend on.
NUMERIC: Final = ("torch", "transformers")
#: States of a step that is to be computed.
PENDING: Final = frozenset({"new", "continue", "replace", "unknown"})
S = TypeVar("S", Step, DerivedStep)
_SHOWN: Final = 3
_DIGEST_SHOWN: Final = 12
_LONGEST: Final = 80


def installed_versions() -> dict[str, str]:
    """Versions of the packages that numbers depend on, read without importing them."""
    return {name: found for name in NUMERIC if (found := _version(name)) is not None}


def judge(step: S, store: Path | None, record: StepRecord | None, replaced: Collection[str]) -> S:
    """Return the step with state and reason.

    Parameters
    ----------
    step
        A step whose ``config`` is filled in.
    store, record
        The store, and what it remembers of the step; None where it has none.
    replaced
        Nodes which are to be computed again.
    """
    state, why = _judged(step, store, record, replaced)
    return replace(step, state=state, why=why)


def refuse_changes(plan: Plan) -> None:
    """Stop before anything is computed where a stored step has changed.

    Raises
    ------
    StoreError
        Names every changed step, what differs, and the argument that recomputes it.
    """
    changed = [f"{step.node}: {step.why}" for step in plan.everything if step.state == "changed"]
    if changed:
        raise StoreError("\n".join((f"{plan.store}: the store holds other results", *changed)))


def _judged(
    step: Step | DerivedStep, store: Path | None, record: StepRecord | None, replaced: Collection[str]
) -> tuple[StepState, str]:
    if store is None or record is None:
        return "new", "not in the store" if store else "nothing is stored"
    if step.node in replaced:
        return "replace", "to be computed again, as asked"
    differences = tuple(_differences(record.config, step.config))
    if differences:
        return "changed", _advice(step.node, differences)
    if unknown := unknown_parts(step.config):
        return "unknown", f"cannot tell until {_awaited(step, unknown)}"
    return ("done", "finished, same digest") if record.state == "finished" else _unfinished(step.node, store, record)


def _awaited(step: Step | DerivedStep, unknown: Collection[str]) -> str:
    if isinstance(step, DerivedStep):
        return "what it reads is known"
    return "the model is at hand" if "model.config" in unknown else f"{' and '.join(unknown)} can be read"


def _unfinished(node: str, store: Path, record: StepRecord) -> tuple[StepState, str]:
    installed = installed_versions()
    differences = tuple(_differences(record.versions, {name: installed.get(name) for name in record.versions}))
    if differences:
        return "changed", _advice(node, differences)
    done = sum(len(finished_units(store, node, stream)) for stream in record.units)
    return "continue", f"{done} of {sum(record.units.values())} units are done"


def _differences(stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> Iterator[str]:
    old, new = flat(stored), flat(wanted)
    for name in dict.fromkeys((*old, *new)):
        before, after = old.get(name), new.get(name)
        if after not in (before, UNKNOWN) and not _below_unknown(name, new):
            yield f"{name} was {_short(before)} and is now {_short(after)}"


def _below_unknown(name: str, new: Mapping[str, Any]) -> bool:
    """Tell whether a part lies inside one that is not known yet."""
    parts = name.split(".")
    return any(new.get(".".join(parts[:length])) == UNKNOWN for length in range(1, len(parts)))


def _advice(node: str, differences: tuple[str, ...]) -> str:
    more = f" and {len(differences) - _SHOWN} more" if len(differences) > _SHOWN else ""
    return f"{'; '.join(differences[:_SHOWN])}{more}; --replace {node} computes it again"


def _short(value: object) -> str:
    text = "absent" if value is None else str(value)
    text = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    is_digest = len(text) == 64 and all(digit in "0123456789abcdef" for digit in text)  # noqa: PLR2004 - SHA-256
    return f"{text[:_DIGEST_SHOWN]}…" if is_digest else text


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
