"""A small stored result with sentences, words, special tokens and two streams."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from prosect.model.tokens import TokenStream, Unit
from prosect.planning.model import Bound
from prosect.planning.records import StepRecord
from prosect.plugins.declarations import MetricDeclaration, Options, Variable
from prosect.results.build import Extent, metric_arrays, node_layout
from prosect.results.layout import NodeLayout
from prosect.store.store import Store
from prosect.vocab.components import BIAS, INPUT, Component

LENGTHS = (4, 6, 3, 9, 5)
IMPORTANCE = Bound(
    MetricDeclaration(
        name="importance",
        summary="Share of the embedding.",
        implementation="nowhere:nothing",
        produces=(Variable(name="importance", dims=("component", "token"), long_name="importance of the term"),),
        references=("Mickus 2022, eq. 7",),
    ),
    Options(),
)


def tokens() -> TokenStream:
    """Each sentence: a special token, words of two pieces (the last may have one), a special token."""
    sentence = np.repeat(np.arange(len(LENGTHS)), LENGTHS)
    position = np.concatenate([np.arange(n) for n in LENGTHS])
    last = np.repeat(LENGTHS, LENGTHS) - 1
    special = (position == 0) | (position == last)
    return TokenStream(
        ids=np.arange(len(sentence), dtype=np.int32),
        offsets=np.concatenate([[0], np.cumsum(LENGTHS)]),
        coordinates={
            "sentence": sentence,
            "position": position,
            "text": np.array([f"t{n}" for n in range(len(sentence))], dtype=object),
            "special": special,
            "word": np.where(special, -1, (position - 1) // 2),
        },
    )


def layout(path: str) -> NodeLayout:
    components = (INPUT, Component("attention.1", "attention", 1), BIAS)
    extent = Extent(layers=(0, 1), components=components, stream=tokens(), hidden=4, unit_tokens=8)
    return node_layout(path, extent, metric_arrays(IMPORTANCE, "float32"), {"closure_tolerance": 5e-6})


def values(node: NodeLayout) -> np.ndarray:
    found = np.random.default_rng(0).standard_normal(node.shape(node.arrays[0])).astype(np.float32)
    found[0, 0, [0, 5]] = np.nan
    return found


@dataclass(frozen=True)
class Stored:
    """A store, and what went into it."""

    path: Path
    numbers: np.ndarray
    stream: TokenStream


def write(store: Store, node: str, streams: tuple[str, ...] = ("main",), units: int = 4) -> np.ndarray:
    layouts = {name: layout(node if name == "main" else f"{node}/{name}") for name in streams}
    record = StepRecord(
        node=node, digest="d", config={}, state="allocated", units=dict.fromkeys(streams, 4), batch_tokens=64
    )
    store.allocate(list(layouts.values()), record)
    for one in layouts.values():
        numbers = values(one)
        for index in range(units):
            part = Unit(index, index * 8, min(index * 8 + 8, 27), 0, 1)
            data = {"importance": np.ascontiguousarray(numbers[..., part.start : part.stop])}
            store.write_unit(one, part, data, {"closure_max": (index + 1) * 1e-7})
    if units == 4:
        store.finish(record, {one.path: {"closure_max": 4e-7} for one in layouts.values()})
    return numbers


@pytest.fixture(scope="session")
def stored(tmp_path_factory) -> Stored:
    """Three steps: a finished one, one of two streams, and one of which two of four units are done."""
    path = tmp_path_factory.mktemp("stored") / "a.zarr"
    with Store.open(path, create=True) as store:
        numbers = write(store, "bert/factors")
        write(store, "nmt/factors", ("encoder", "decoder"))
        store.seal({"spec": "models: …"})
        write(store, "bert/late", units=2)
    return Stored(path, numbers, tokens())


@pytest.fixture
def dataset(stored) -> Any:
    """The finished node of one stream."""
    from prosect.view.open import open as open_store

    with open_store(stored.path) as tree:
        yield tree["bert/factors"].to_dataset()
