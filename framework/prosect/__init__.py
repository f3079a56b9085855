"""Takes Transformers apart into labelled vector terms, measures them, keeps the measurements as xarray.

``prosect.run`` carries out a spec, ``prosect.plan`` says what it would do, ``prosect.open`` opens results,
``prosect.decompose`` takes a model in memory, ``prosect.measure`` measures plain arrays, ``prosect.derive``
computes metrics over results, ``prosect.stack`` puts the results of several models into one dataset. Importing prosect
imports neither torch nor xarray.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prosect._version import __version__

if TYPE_CHECKING:
    from prosect.results.tables import load_table
    from prosect.running.derived import derive
    from prosect.running.measuring import measure
    from prosect.running.python import decompose, plan, run
    from prosect.view.members import stack
    from prosect.view.open import open

__all__ = ["__version__", "decompose", "derive", "load_table", "measure", "open", "plan", "run", "stack"]

_HOMES = {
    "decompose": "prosect.running.python",
    "derive": "prosect.running.derived",
    "load_table": "prosect.results.tables",
    "measure": "prosect.running.measuring",
    "open": "prosect.view.open",
    "plan": "prosect.running.python",
    "run": "prosect.running.python",
    "stack": "prosect.view.members",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - one of the public functions
    """Import a public function when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'prosect' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
