"""Plans and plugins as text and as records."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import fill
from typing import Any, Final

from prosect.cli import output
from prosect.planning.axes import Axes, axes_by_stream
from prosect.planning.digest import step_digest
from prosect.planning.layers import layers_by_stream
from prosect.planning.model import Plan, Step
from prosect.plugins import listing
from prosect.plugins.registry import Registry
from prosect.plugins.support import support

_UNKNOWN: Final = "unknown until loaded"
_HEADINGS: Final = ("step", "tokens", "layers × components", "bytes", "state", "why")  # noqa: RUF001 - the sign of multiplication is meant
_WIDTH: Final = 56
_RIGHT: Final = frozenset({1, 3})


def plan_table(plan: Plan) -> str:
    """Write a plan as a table with one line per step, and the store below it."""
    rows = [
        (step.node, _tokens(step), _shape(step), output.size(step.cost.bytes), step.state, step.why)
        for step in plan.steps
    ]
    where = "nothing is stored" if plan.store is None else f"store: {plan.store}"
    estimated = "" if all(step.cost.exact for step in plan.steps) else "; ~ is estimated, --tokenise counts"
    return f"{output.table(_HEADINGS, rows, _RIGHT)}\n\n{where}{estimated}"


def plan_record(plan: Plan) -> dict[str, Any]:
    """Write a plan as JSON values."""
    return {"ok": True, "store": plan.store, "steps": [_step_record(step) for step in plan.steps]}


def plugin_listing(registry: Registry, kind: str | None) -> str:
    """Write what is installed, by kind; then what is broken, claimed twice, or slow to import."""
    found = listing.rows(registry, kind)
    blocks = [_kind_block(name, [row for row in found if row.kind == name]) for name in listing.kinds(kind)]
    works = [support_block(registry)] if kind == "architectures" else []
    return "\n\n".join(block for block in (*blocks, *works, *_faults(registry, kind)) if block)


def support_block(registry: Registry) -> str:
    """Write which decomposition works for which family; reasons stand below the table, by number."""
    found = support(registry)
    reasons = list(dict.fromkeys(entry.reason for entry in found if entry.reason is not None))
    families: dict[str, list[str]] = {}
    for entry in found:
        verdict = "yes" if entry.reason is None else f"no [{reasons.index(entry.reason) + 1}]"
        families.setdefault(entry.family, []).append(verdict)
    headings = ("family", *dict.fromkeys(entry.decomposition for entry in found))
    table = output.table(headings, [(family, *verdicts) for family, verdicts in families.items()])
    notes = [f"[{place}] {reason}" for place, reason in enumerate(reasons, 1)]
    return "\n".join(["what works", *_indented("\n".join([table, *notes]))]) if found else ""


def _tokens(step: Step) -> str:
    if step.cost.tokens is None:
        return "?"
    return f"{step.cost.tokens:,}" if step.cost.exact else f"~{step.cost.tokens:,}"


def _shape(step: Step) -> str:
    axes, layers = _sizes(step)
    if not axes or not layers:
        return _UNKNOWN
    return " + ".join(f"{len(layers[stream])} × {_labels(found)}" for stream, found in axes.items())  # noqa: RUF001 - as above


def _labels(axes: Axes) -> str | int:
    return "tokens" if axes.by_token else axes.components


def _sizes(step: Step) -> tuple[dict[str, Axes], dict[str, tuple[int, ...]]]:
    by_stream = layers_by_stream(step.model, step.layer_selection, step.decomposition.declaration)
    return dict(axes_by_stream(step) or {}), dict(by_stream or {})


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
        "state": step.state,
        "why": step.why,
        "digest": step_digest(step.config),
    }


def _kind_block(kind: str, rows: list[listing.Row]) -> str:
    lines = [kind, *(_indented(output.table(*_table(rows))) if rows else ["  none"])]
    return "\n".join(lines)


def _table(rows: list[listing.Row]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    cells: list[tuple[str, ...]] = [
        (row.name, row.distribution, fill(", ".join(map(str, row.options)), _WIDTH), fill(row.summary, _WIDTH))
        for row in rows
    ]
    return ("name", "from", "options", "what it is"), cells


def _indented(text: str) -> list[str]:
    return [f"  {line}" for line in text.splitlines()]


def _faults(registry: Registry, kind: str | None) -> Iterator[str]:
    for row in listing.broken_rows(registry, kind):
        names = f" ({', '.join(row.names)})" if row.names else ""
        yield f"broken: {row.plugin}{names}: {row.reason}"
    yield from (f"claimed twice: {conflict}" for conflict in registry.conflicts if kind in (None, conflict.kind))
    for plugin in registry.plugins:
        if plugin.heavy:
            yield f"slow: importing {plugin.origin} imports {', '.join(plugin.heavy)}"
