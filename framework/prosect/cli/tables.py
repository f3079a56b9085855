"""Plans as text and as records."""

from __future__ import annotations

from typing import Any, Final

from prosect.cli import output
from prosect.planning.axes import Axes, axes_by_stream
from prosect.planning.digest import step_digest
from prosect.planning.layers import layers_by_stream
from prosect.planning.model import DerivedStep, Plan, Step
from prosect.vocab.architecture import fed_stream

_UNKNOWN: Final = "unknown until loaded"
_HEADINGS: Final = ("step", "tokens", "layers × components", "bytes", "running state", "state", "why")  # noqa: RUF001 - the sign of multiplication is meant
_RIGHT: Final = frozenset({1, 3, 4})
_RUNNING: Final = 4


def plan_table(plan: Plan) -> str:
    """Write a plan as a table with one line per step, and the store below it."""
    rows = [
        (step.node, _tokens(step), _shape(step), output.size(step.cost.bytes), _running(step), step.state, step.why)
        for step in plan.steps
    ]
    rows += [(step.node, "", "", "", "", step.state, step.why) for step in plan.derived]
    # Nothing accumulates in most specs.
    shown = [place for place in range(len(_HEADINGS)) if place != _RUNNING or any(row[_RUNNING] for row in rows)]
    right = frozenset(number for number, place in enumerate(shown) if place in _RIGHT)
    table = output.table([_HEADINGS[place] for place in shown], [[row[p] for p in shown] for row in rows], right)
    where = "nothing is stored" if plan.store is None else f"store: {plan.store}"
    estimated = "" if all(step.cost.exact for step in plan.steps) else "; ~ is estimated, --tokenise counts"
    return f"{table}\n\n{where}{estimated}"


def plan_record(plan: Plan) -> dict[str, Any]:
    """Write a plan as JSON values."""
    derived = [_derived_record(step) for step in plan.derived]
    return {"ok": True, "store": plan.store, "steps": [_step_record(step) for step in plan.steps], "derived": derived}


def _tokens(step: Step) -> str:
    if step.cost.tokens is None:
        return "?"
    return f"{step.cost.tokens:,}" if step.cost.exact else f"~{step.cost.tokens:,}"


def _running(step: Step) -> str:
    """Size of what accumulators have gathered; empty for a step without any."""
    return "" if step.cost.state == 0 else output.size(step.cost.state)


def _shape(step: Step) -> str:
    axes, layers = _sizes(step)
    if not axes or not layers:
        return _UNKNOWN
    return " + ".join(f"{len(layers[fed_stream(stream)])} × {_labels(found)}" for stream, found in axes.items())  # noqa: RUF001 - as above


def _labels(axes: Axes) -> str | int:
    if axes.by_token:
        return "tokens"
    if axes.per_source:
        return f"{axes.components} × tokens"  # noqa: RUF001 - as above
    # Only the corpus knows how many values an annotation has.
    return f"values of {axes.annotation}" if axes.components is None else axes.components


def _sizes(step: Step) -> tuple[dict[str, Axes], dict[str, tuple[int, ...]]]:
    by_stream = layers_by_stream(step.model, step.layer_selection, step.decomposition.declaration)
    return dict(axes_by_stream(step) or {}), dict(by_stream or {})


def _derived_record(step: DerivedStep) -> dict[str, Any]:
    return {
        "node": step.node,
        "metric": step.metric.name,
        "of": list(step.nodes),
        "tables": {table.name: str(table.file) for table in step.tables},
        "state": step.state,
        "why": step.why,
        "digest": step_digest(step.config),
    }


def _step_record(step: Step) -> dict[str, Any]:
    axes, layers = _sizes(step)
    return {
        "node": step.node,
        "model": step.model.name,
        "analysis": step.analysis,
        "corpus": step.corpus.name,
        "decomposition": step.decomposition.name,
        "metrics": [metric.name for metric in step.metrics],
        "layers": {stream: list(found) for stream, found in layers.items()} or None,
        "components": {stream: _labels(found) for stream, found in axes.items()} or None,
        "tokens": step.cost.tokens,
        "bytes": step.cost.bytes,
        "exact": step.cost.exact,
        "running_state_bytes": step.cost.state,
        "state": step.state,
        "why": step.why,
        "digest": step_digest(step.config),
    }
