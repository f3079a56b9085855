"""constraints.txt pins the whole set that is tested."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from support.pages import ROOT

LINES = [line for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines() if line and line[0] != "#"]
PINS = {canonicalize_name(line.partition("==")[0]): line for line in LINES}
#: Taken in only on systems other than the one the pins were written on.
ELSEWHERE = re.compile(r"nvidia-|cuda-|triton")


def needed(requirement: Requirement, seen: set[str]) -> Iterator[str]:
    """Names of all distributions that a requirement brings in here, its extras followed."""
    name = canonicalize_name(requirement.name)
    key = f"{name}[{','.join(sorted(requirement.extras))}]"
    if key in seen or ELSEWHERE.match(name):
        return
    seen.add(key)
    yield name
    try:
        wanted = requires(name) or []
    except PackageNotFoundError:
        return
    for text in wanted:
        found = Requirement(text)
        extras = requirement.extras or {""}
        if found.marker is None or any(found.marker.evaluate({"extra": extra}) for extra in extras):
            yield from needed(found, seen)


@pytest.mark.parametrize("extra", ["demo", "test", "dev", "bench"])
def test_everything_that_an_extra_brings_is_pinned(extra):
    names = {*needed(Requirement(f"prosect[{extra}]"), set())} - {"prosect"}
    assert len(names) > 40
    assert names - PINS.keys() == set()


def test_the_build_backend_is_pinned():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    names = {canonicalize_name(Requirement(text).name) for text in project["build-system"]["requires"]}
    assert names <= PINS.keys()


def test_every_pin_is_one_exact_version():
    assert [line for line in LINES if not re.fullmatch(r"[A-Za-z0-9_.-]+==[A-Za-z0-9.]+", line)] == []
    assert len(PINS) == len(LINES)


def test_the_pins_satisfy_what_the_project_asks_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    asked = [*project["dependencies"], *(text for extra in project["optional-dependencies"].values() for text in extra)]
    for requirement in map(Requirement, asked):
        if requirement.name != "prosect":
            pinned = PINS[canonicalize_name(requirement.name)].partition("==")[2]
            assert requirement.specifier.contains(pinned), requirement
