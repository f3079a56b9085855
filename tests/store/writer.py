"""A tiny run over a store: allocates one step and writes its units; started by tests as a process of its own.

python writer.py run STORE [SECONDS_BETWEEN_UNITS]      allocate or continue, write what is missing, finish, seal
python writer.py units STORE FIRST STEP                 join as a worker, write every STEP-th unit from FIRST
"""

from __future__ import annotations

import itertools
import os
import resource
import signal
import sys
from pathlib import Path

import numpy as np

from prosect.model.tokens import Unit
from prosect.planning.records import StepRecord
from prosect.results.layout import ArrayLayout, Coordinate, NodeLayout
from prosect.store.store import Store

NODE = "tiny/factors"
TOKENS, UNIT, HIDDEN = 110, 16, 8
COMPONENTS = ("input", "attention", "feed_forward", "bias")
LAYERS = 3


def layout(path: str = NODE, tokens: int = TOKENS, unit_tokens: int = UNIT) -> NodeLayout:
    rng = np.random.default_rng(0)
    words = np.array([f"w{n}é" for n in range(tokens)], dtype=object)
    return NodeLayout(
        path=path,
        sizes={"layer": LAYERS, "component": 4, "other_component": 4, "token": tokens, "hidden": HIDDEN},
        arrays=(
            ArrayLayout(name="norm", dims=("layer", "component", "token"), dtype="float32", attrs={"units": "1"}),
            ArrayLayout(name="dot", dims=("layer", "component", "other_component", "token"), dtype="float64"),
            ArrayLayout(name="terms", dims=("layer", "component", "token", "hidden"), dtype="float32"),
            ArrayLayout(name="spread", dims=("layer", "component"), dtype="float64"),
        ),
        coordinates=(
            Coordinate(name="layer", dims=("layer",), values=np.arange(LAYERS, dtype=np.int32)),
            Coordinate(name="component", dims=("component",), values=np.array(COMPONENTS)),
            Coordinate(name="sentence", dims=("token",), values=np.arange(tokens, dtype=np.int32) // 5),
            Coordinate(name="text", dims=("token",), values=words, attrs={"long_name": "piece"}),
            Coordinate(name="surprisal", dims=("token",), values=rng.standard_normal(tokens)),
        ),
        unit_tokens=unit_tokens,
        attrs={"schema": "prosect-results"},
    )


def units(node: NodeLayout) -> list[Unit]:
    tokens, length = node.sizes["token"], node.unit_tokens
    starts = range(0, tokens, length)
    return [Unit(i, start, min(start + length, tokens), 0, 1) for i, start in enumerate(starts)]


def record(*layouts: NodeLayout, digest: str = "d0") -> StepRecord:
    model, analysis, *_ = layouts[0].path.split("/")
    streams = {node.path.split("/")[2] if node.path.count("/") == 2 else "main": node for node in layouts}
    return StepRecord(
        node=f"{model}/{analysis}",
        digest=digest,
        config={"decomposition": "sum_of_factors"},
        state="allocated",
        units={stream: len(units(node)) for stream, node in streams.items()},
        batch_tokens=64,
    )


def values(node: NodeLayout, unit: Unit) -> dict[str, np.ndarray]:
    """Numbers that depend on layout and unit only, some of them NaN."""
    made = {}
    for array in node.arrays:
        if "token" in array.dims:
            rng = np.random.default_rng([unit.index, len(array.name)])
            shape = tuple(unit.stop - unit.start if d == "token" else node.sizes[d] for d in array.dims)
            made[array.name] = rng.standard_normal(shape).astype(array.dtype)
            made[array.name][0, ..., 0] = np.nan
    return made


def whole(node: NodeLayout) -> dict[str, np.ndarray]:
    return {a.name: np.full(node.shape(a), 2.5, a.dtype) for a in node.arrays if "token" not in a.dims}


def run(path: Path) -> None:
    node = layout()
    with Store.open(path, create=True) as store:
        if NODE not in store.steps():
            store.allocate([node], record(node))
        store.verify([node])
        for unit in units(node):
            if unit.index not in store.finished_units(NODE):
                store.write_unit(node, unit, values(node, unit), {"closure_max": unit.index * 1e-9})
        store.write_whole(node, whole(node))
        closure = max(entry["closure_max"] for entry in store.entries(NODE).values())
        store.finish(record(node), {NODE: {"closure_max": closure}})
        store.seal({"spec": "models: …", "closure_max": {NODE: closure}})


def kill_before_file(number: int) -> None:
    """Arrange that this process is killed as it puts a file in place, ours and zarr's alike."""
    counter = itertools.count(1)
    original = Path.replace

    def replace(self: Path, target: Path) -> Path:
        if next(counter) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        return original(self, target)

    Path.replace = replace


def replace_step(path: Path) -> None:
    with Store.open(path, create=True) as store:
        store.remove(NODE)
    run(path)


def write_units(path: Path, first: int, step: int) -> None:
    node, store = layout(), Store.attach(path)
    for unit in units(node)[first::step]:
        store.write_unit(node, unit, values(node, unit), {"closure_max": unit.index * 1e-9})


def main(task: str, path: Path, *numbers: int) -> None:
    if task == "units":
        write_units(path, *numbers)
    elif task == "limited":
        resource.setrlimit(resource.RLIMIT_FSIZE, (numbers[0], numbers[0]))
        run(path)
    elif task == "killed":
        kill_before_file(*numbers)
        run(path)
    elif task == "replace":
        kill_before_file(*numbers)
        replace_step(path)
    else:
        run(path)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:]))
