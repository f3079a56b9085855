"""Which heavy libraries an import drags in, seen from a fresh interpreter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable

from prosect.plugins.loading import HEAVY

_PROGRAM = """
import importlib, json, sys
for name in sys.argv[1:]:
    importlib.import_module(name)
print(json.dumps([*sys.modules]))
"""


def heavy_imports(modules: Iterable[str]) -> tuple[str, ...]:
    """Return which of torch, transformers, xarray and zarr are imported by importing ``modules``.

    Raises
    ------
    AssertionError
        One of the modules cannot be imported; the message holds the interpreter's.
    """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", _PROGRAM, *modules]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise AssertionError(done.stderr)
    imported = json.loads(done.stdout.splitlines()[-1])
    return tuple(name for name in HEAVY if name in imported)
