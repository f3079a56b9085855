"""A folder with a spec that runs in no time, and the command line as a process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PROGRAM = "import sys; from prosect.cli import main; sys.exit(main())"
SPEC = """\
prosect: 1
models:
  tiny: {init: random, config: CONFIG}
corpora:
  ids: {kind: token_ids, path: ids.jsonl}
analyses:
  factors: {corpus: ids, decomposition: sum_of_factors, metrics: [importance, norm]}
store: {path: results.zarr}
compute: {device: cpu}
"""
CONFIG = {
    "model_type": "bert",
    "hidden_size": 8,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 12,
    "vocab_size": 20,
    "max_position_embeddings": 16,
    "layer_norm_eps": 1e-12,
    "hidden_act": "gelu",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder with ``spec.yaml`` and its corpus; the user's caches take no part."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "spec.yaml").write_text(SPEC.replace("CONFIG", json.dumps(CONFIG)), encoding="utf-8")
    rows = [json.dumps({"input_ids": [1 + (row + i) % 19 for i in range(2 + row % 5)]}) for row in range(12)]
    (tmp_path / "ids.jsonl").write_text("\n".join(rows), encoding="utf-8")
    return tmp_path


@pytest.fixture
def broken(folder: Path) -> Path:
    """The same spec with two mistakes."""
    path = folder / "broken.yaml"
    text = (folder / "spec.yaml").read_text(encoding="utf-8")
    path.write_text(text.replace("corpus: ids", "corpus: idz").replace("cpu", "gpu"), encoding="utf-8")
    return path


def start(*arguments: str, program: str = PROGRAM, **options: object) -> subprocess.Popen[str]:
    """Start the command line as a process."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "env": environment, **options}
    return subprocess.Popen([sys.executable, "-c", program, *arguments], **streams)


@pytest.fixture
def prosect(folder: Path) -> Callable[..., tuple[int, str, str]]:
    """Run the command line as a process: exit code, stdout, stderr."""

    def run(*arguments: str, program: str = PROGRAM) -> tuple[int, str, str]:
        process = start(*arguments, program=program)
        out, error = process.communicate(timeout=120)
        return process.returncode, out, error

    return run


@pytest.fixture
def process() -> Callable[..., subprocess.Popen[str]]:
    """Start the command line and leave it running."""
    return start
