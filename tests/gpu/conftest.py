"""Where the tests of a GPU run, and how far from the reference values they came.

They are marked ``gpu`` and run on CUDA; with PROSECT_TEST_DEVICE=cpu the same tests run on the CPU:

    pytest -m gpu tests/gpu
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch

DEVIATIONS: pytest.StashKey[dict[str, tuple[float, float]]] = pytest.StashKey()

Note = Callable[[str, float, float], None]
Agree = Callable[[str, Any, npt.NDArray[Any], float], None]


@pytest.fixture(scope="session")
def device() -> str:
    """Device of the run: ``cuda``, or what PROSECT_TEST_DEVICE says."""
    name = os.environ.get("PROSECT_TEST_DEVICE", "cuda")
    if name == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    return name


@pytest.fixture
def assert_within(request: pytest.FixtureRequest) -> Note:
    """Refuse a deviation beyond its tolerance, and keep it for the summary: the largest of each name."""
    noted = request.config.stash.setdefault(DEVIATIONS, {})

    def keep(name: str, deviation: float, tolerance: float) -> None:
        noted[name] = max(noted.get(name, (0.0, 0.0))[0], deviation), tolerance
        assert deviation <= tolerance, f"{name}: {deviation:.2e}, more than {tolerance:.0e}"

    return keep


@pytest.fixture
def assert_agrees(assert_within: Note) -> Agree:
    """Compare values with a reference, relative to its largest entry."""

    def compare(name: str, values: Any, reference: npt.NDArray[Any], tolerance: float) -> None:
        found, expected = (np.asarray(array, dtype=np.float64).squeeze() for array in (values, reference))
        assert found.shape == expected.shape, name
        assert (np.isnan(found) == np.isnan(expected)).all(), name
        assert_within(name, float(np.nanmax(np.abs(found - expected)) / np.nanmax(np.abs(expected))), tolerance)

    return compare


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    """List the largest deviation from each reference."""
    noted = config.stash.get(DEVIATIONS, {})
    if not noted:
        return
    name = torch.cuda.get_device_name() if os.environ.get("PROSECT_TEST_DEVICE", "cuda") == "cuda" else "cpu"
    terminalreporter.section(f"largest deviations on {name}, relative to the largest value (tolerance)")
    for what, (deviation, tolerance) in sorted(noted.items()):
        terminalreporter.line(f"{deviation:9.2e} ({tolerance:.0e})  {what}")
