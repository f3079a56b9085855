"""Light commands import no heavy library and answer at once; the twins show that both checks can fail."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

HEAVY = {"numpy", "torch", "transformers", "xarray", "zarr"}
SECONDS = 0.5
#: Runs a command and says on stderr what it imported and how much CPU time the whole process took.
PROGRAM = """
import sys
try:
    from prosect.cli import main
    code = main()
except SystemExit as stop:
    code = stop.code
finally:
    import json, time
    seen = {"modules": sorted(sys.modules), "seconds": time.process_time()}
    sys.stderr.write("\\n" + json.dumps(seen))
sys.exit(code)
"""
COMMANDS = [["--help"], ["check", "spec.yaml"], ["plan", "spec.yaml"], ["plugins"], ["schema"], ["plugins", "--json"]]
PLUGIN = """
from prosect.api import MetricDeclaration, Variable, hookimpl

@hookimpl
def prosect_metrics():
    variable = Variable(name="loudness", dims=("token",), long_name="loudness")
    return [MetricDeclaration(name="loudness", summary="A.", implementation="a:b", produces=(variable,))]
"""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Name a folder for compiled modules, which an installation has and a checkout need not have."""
    return str(tmp_path_factory.mktemp("compiled"))


@pytest.fixture
def look(prosect, compiled, monkeypatch) -> Callable[..., tuple[set[str], float]]:
    """Run a command: the heavy libraries it imported, and the CPU seconds it took (the best of eight)."""
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", compiled)

    def look(*arguments: str) -> tuple[set[str], float]:
        seen = []
        for _ in range(8):
            code, _, error = prosect(*arguments, program=PROGRAM)
            assert code == 0, error
            seen.append(json.loads(error.splitlines()[-1]))
            if seen[-1]["seconds"] < SECONDS:
                break
        return HEAVY & set(seen[0]["modules"]), min(one["seconds"] for one in seen)

    return look


@pytest.fixture
def plugin(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Install a plugin whose module begins with some lines, and libraries of heavy names that hold nothing."""

    def install(lines: str) -> None:
        site: Path = tmp_path_factory.mktemp("site")
        for name in HEAVY:
            (site / f"{name}.py").touch()
        (site / "loud_plugin.py").write_text(dedent(lines) + PLUGIN, encoding="utf-8")
        info = site / "loud-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text("Metadata-Version: 2.1\nName: loud\nVersion: 1.0\n", encoding="utf-8")
        (info / "entry_points.txt").write_text("[prosect.plugins]\nloud = loud_plugin\n", encoding="utf-8")
        monkeypatch.syspath_prepend(site)

    return install


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_light_command_imports_nothing_heavy_and_answers_at_once(look, arguments):
    imported, seconds = look(*arguments)
    assert imported == set()
    assert seconds < SECONDS


@pytest.mark.parametrize("library", sorted(HEAVY))
def test_a_plugin_that_imports_a_heavy_library_is_seen(look, plugin, library):
    plugin(f"import {library}")
    imported, _ = look("plugins")
    assert imported == {library}


@pytest.mark.slow
def test_a_plugin_that_takes_its_time_is_seen(look, plugin):
    plugin("import time\nwhile time.process_time() < 0.7: pass")
    _, seconds = look("plugins")
    assert seconds > SECONDS
