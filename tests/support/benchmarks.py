"""Programs under benchmarks/ as modules, for the tests of them."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from support.pages import ROOT


@contextmanager
def loaded(name: str) -> Iterator[ModuleType]:
    """Load a program by its name, for the length of a ``with`` block."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
        yield module
    finally:
        del sys.modules[name]
