"""What ``prosect run`` leaves on the terminal: a small table of means per step, or a record. Imports xarray."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from prosect.cli import output
from prosect.planning.model import Plan, Step
from prosect.running.loop import Summary
from prosect.view.open import open as open_store
from prosect.view.tables import token_means
from prosect.vocab.dims import COMPONENT, LAYER, TOKEN

if TYPE_CHECKING:
    import xarray as xr

#: So many steps are shown; `prosect show` lists all.
_SHOWN: Final = 4
#: A larger variable is not read just for a table.
_LARGEST: Final = 256 * 2**20


def summary_text(plan: Plan, summary: Summary) -> str:
    """Write means over tokens of the first variable of the first steps, then where the results are."""
    blocks = []
    with open_store(summary.store) as tree:
        for step in plan.steps[:_SHOWN]:
            blocks += [token_means(variable, title=path) for path, variable in _first_variables(tree, step)]
    if len(plan.steps) > _SHOWN:
        blocks.append(f"and {output.count(len(plan.steps) - _SHOWN, 'more step')}: prosect show {summary.store}")
    return "\n\n".join((*blocks, _where(summary)))


def summary_record(summary: Summary) -> dict[str, Any]:
    """Write what a run did as JSON values."""
    return {
        "ok": True,
        "store": str(summary.store),
        "computed": list(summary.computed),
        "untouched": list(summary.untouched),
        "closure_max": dict(summary.closure_max),
        "seconds": round(summary.seconds, 3),
    }


def _where(summary: Summary) -> str:
    done = output.count(len(summary.computed), "step")
    before = f", {len(summary.untouched)} finished before" if summary.untouched else ""
    return f"{done} computed{before}; results: {summary.store}"


def _first_variables(tree: xr.DataTree, step: Step) -> Iterator[tuple[str, xr.DataArray]]:
    """First variable over (layer, component, token) that a step names, of its node or of each of its streams."""
    names = (variable.name for metric in step.metrics for variable in metric.declaration.variables(metric.options))
    for name in names:
        found = [(node.path.lstrip("/"), node.ds[name]) for node in tree[step.node].subtree if name in node.data_vars]
        if found and all(set(variable.dims) == {LAYER, COMPONENT, TOKEN} for _, variable in found):
            yield from ((path, variable) for path, variable in found if variable.nbytes <= _LARGEST)
            return
