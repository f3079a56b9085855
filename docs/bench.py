"""Times the main job and the light commands in processes of their own; run it with ``make bench``."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
SPEC: Final = str(ROOT / "specs" / "quickstart.yaml")
PROGRAM: Final = "import sys; from prosect.cli import main; sys.exit(main(sys.argv[1:]))"
LIGHT: Final = (("--help",), ("check", SPEC), ("plan", SPEC), ("plugins",), ("schema",))
REPEATS: Final = 3


@dataclass(frozen=True)
class Timing:
    """What one command took: seconds on the clock, seconds of CPU, and the largest memory of any child so far."""

    wall: float
    cpu: float
    peak_mib: float

    def __str__(self) -> str:
        return f"{self.wall:7.2f} s  {self.cpu:7.2f} s CPU"


def measure(*arguments: str) -> Timing:
    """Run one command; CalledProcessError if it fails."""
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-c", PROGRAM, *arguments], check=True, capture_output=True)
    after, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter() - started
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    # Linux counts in KiB, macOS in bytes.
    return Timing(wall, cpu, after.ru_maxrss / (1024 if sys.platform == "linux" else 1024**2))


def main() -> None:
    """Print one line per command: the best of several for the light ones."""
    for arguments in LIGHT:
        best = min((measure(*arguments) for _ in range(REPEATS)), key=lambda timing: timing.cpu)
        sys.stdout.write(f"prosect {' '.join(map(os.path.basename, arguments)):24} {best}\n")
    with tempfile.TemporaryDirectory() as folder:
        job = measure("run", SPEC, "--out", f"{folder}/store.zarr", "--quiet")
    sys.stdout.write(f"prosect {'run quickstart.yaml':24} {job}  {job.peak_mib:,.0f} MiB at most\n")


if __name__ == "__main__":
    main()
