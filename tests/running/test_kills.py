"""SIGKILL at random moments, through the command line: the store that comes out is the same, bit for bit."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import prosect
from support.models import FAMILIES

UNITS = 12


@pytest.fixture
def spec_file(tmp_path: Path) -> Path:
    generator = np.random.default_rng(3)
    rows = [generator.integers(1, 58, size=int(generator.integers(2, 30))).tolist() for _ in range(700)]
    (tmp_path / "ids.jsonl").write_text("\n".join(json.dumps({"input_ids": row}) for row in rows), encoding="utf-8")
    tokens = sum(map(len, rows))
    spec = {
        "prosect": 1,
        "models": {"m": {"init": "random", "config": {"model_type": "bert", **FAMILIES["bert"].config}}},
        "corpora": {"c": {"kind": "token_ids", "path": "ids.jsonl", "token_annotations": []}},
        "analyses": {
            "a": {"corpus": "c", "decomposition": "sum_of_factors", "keep": ["terms"]},
            "b": {
                "corpus": "c",
                "decomposition": {"name": "sum_of_factors", "by": "head"},
                "metrics": ["norm", "dot", {"name": "dispersion", "selection": ["all", "no_first"]}],
            },
            "d": {"corpus": "c", "decomposition": "sum_of_factors", "metrics": ["dispersion"]},
        },
        "compute": {"device": "cpu", "unit_tokens": -(-tokens // UNITS), "batch_tokens": 64},
    }
    path = tmp_path / "spec.yaml"
    path.write_text(json.dumps(spec), encoding="utf-8")  # JSON is YAML
    return path


def start(spec: Path, out: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", "import sys; from prosect.cli import main; sys.exit(main())"]
    return subprocess.Popen(
        [*command, "run", str(spec), "--out", str(out), "--quiet"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )


def finish(spec: Path, out: Path) -> None:
    process = start(spec, out)
    _, error = process.communicate(timeout=240)
    assert process.returncode == 0, error.decode()


def kill(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGKILL)
    process.communicate()


def units_done(store: Path) -> int:
    return len(list((store / ".prosect" / "steps").glob("*/*/units/*/*.json")))


def wait_for_units(process: subprocess.Popen[bytes], store: Path, number: int) -> None:
    deadline = time.monotonic() + 120
    while process.poll() is None and units_done(store) < number and time.monotonic() < deadline:
        time.sleep(0.002)


def contents(store: Path) -> dict[str, tuple[str, bytes]]:
    """Every array and coordinate as dtype and bytes."""
    found = {}
    for node in prosect.open(store).subtree:
        for name, variable in node.to_dataset().variables.items():
            values = variable.values
            raw = "\0".join(map(str, values.ravel())).encode() if values.dtype.kind in "OTU" else values.tobytes()
            found[f"{node.path}/{name}"] = (str(values.dtype), raw)
    return found


@pytest.mark.slow
def test_killed_at_random_moments_and_continued_it_gives_the_same_bits(spec_file, tmp_path):
    finish(spec_file, tmp_path / "whole.zarr")
    expected = contents(tmp_path / "whole.zarr")
    chance = random.Random(7)
    store = tmp_path / "killed.zarr"
    written = []
    for units in sorted(chance.sample(range(3 * UNITS - 1), 5)):
        process = start(spec_file, store)
        wait_for_units(process, store, units)
        time.sleep(chance.random() * 0.05)
        kill(process)
        written.append(units_done(store))
    stamps = {file: file.stat().st_mtime_ns for file in (store / ".prosect" / "steps").glob("*/*/units/*/*.json")}
    finish(spec_file, store)
    assert max(written) > min(written) >= 0
    assert all(file.stat().st_mtime_ns == stamp for file, stamp in stamps.items())
    found = contents(store)
    assert found.keys() == expected.keys()
    assert [name for name in found if found[name] != expected[name]] == []


@pytest.mark.slow
def test_killed_before_anything_was_allocated_it_starts_anew(spec_file, tmp_path):
    store = tmp_path / "killed.zarr"
    for delay in (0.05, 0.5, 1.5, 2.5):
        process = start(spec_file, store)
        time.sleep(delay)
        kill(process)
    finish(spec_file, store)
    finish(spec_file, tmp_path / "whole.zarr")
    assert contents(store) == contents(tmp_path / "whole.zarr")


@pytest.mark.slow
def test_a_second_run_on_the_same_store_is_told_who_holds_it(spec_file, tmp_path):
    store = tmp_path / "held.zarr"
    first = start(spec_file, store)
    wait_for_units(first, store, 1)
    second = start(spec_file, store)
    _, error = second.communicate(timeout=120)
    still_running = first.poll() is None
    kill(first)
    assert still_running
    assert second.returncode == 2
    assert str(first.pid) in error.decode()
    assert "Traceback" not in error.decode()
