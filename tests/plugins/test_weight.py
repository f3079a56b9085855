"""Looking at what is installed imports no heavy library; the twin shows that the check can fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from prosect.plugins.loading import HEAVY

PROGRAM = """
import json, sys
from prosect.plugins.listing import records
from prosect.plugins.registry import load_registry
found = records(load_registry())
heavy = [item["plugin"]["distribution"] for item in found["heavy"]]
print(json.dumps({"modules": sorted(sys.modules), "plugins": len(found["plugins"]), "heavy": heavy}))
"""


def look() -> dict[str, list[str]]:
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, env=environment)
    return json.loads(done.stdout)


def test_listing_every_plugin_imports_no_heavy_library():
    seen = look()
    assert seen["plugins"] > 10
    assert not set(seen["modules"]) & set(HEAVY)
    assert seen["heavy"] == []


def test_the_check_fails_when_a_plugin_imports_one(install, source):
    install("slow", {"slow_plugin": "import torch\n" + source["metric"]("loudness").replace("\n        ", "\n")})
    seen = look()
    assert "torch" in seen["modules"]
    assert seen["heavy"] == ["slow"]
