"""Only whole units are written, so that any number of writers never meet in one shard."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prosect.errors import StoreError
from prosect.model.tokens import Unit
from prosect.store.checks import check_region
from prosect.store.store import Store


@pytest.fixture
def allocated(writer, tmp_path):
    node = writer.layout()
    with Store.open(tmp_path / "a.zarr", create=True) as store:
        store.allocate([node], writer.record(node))
        yield store, node


@settings(deadline=None, max_examples=60)
@given(index=st.integers(-1, 8), start=st.integers(0, 112), length=st.integers(0, 112))
def test_a_range_passes_only_if_it_is_a_whole_unit(writer, index, start, length):
    node = writer.layout()
    unit = Unit(index, start, start + length, 0, 1)
    if unit in writer.units(node):
        check_region(node, unit)
    else:
        with pytest.raises(StoreError, match="only whole units"):
            check_region(node, unit)


@pytest.mark.parametrize(
    ("index", "start", "stop"),
    [(0, 0, 8), (0, 0, 17), (1, 8, 24), (1, 0, 16), (0, 0, 32), (6, 96, 112), (7, 112, 110), (-1, -16, 0)],
)
def test_a_misaligned_write_is_refused_and_leaves_no_trace(writer, allocated, index, start, stop):
    store, node = allocated
    before = sorted(store.path.rglob("*"))
    unit = Unit(index, start, stop, 0, 1)
    with pytest.raises(StoreError, match="only whole units may be written"):
        store.write_unit(node, unit, writer.values(node, Unit(0, 0, 16, 0, 1)), {})
    assert sorted(store.path.rglob("*")) == before


def test_units_of_another_length_than_the_stored_shards_are_refused(writer, allocated):
    store, node = allocated
    wide = replace(node, unit_tokens=32)
    unit = writer.units(wide)[0]
    with pytest.raises(StoreError, match="this run needs"):
        store.write_unit(wide, unit, writer.values(wide, unit), {})
    assert store.finished_units(writer.NODE) == frozenset()


def test_data_must_have_the_shape_dtype_and_names_of_the_layout(writer, allocated):
    store, node = allocated
    unit = writer.units(node)[0]
    good = writer.values(node, unit)
    cases = {
        r"norm came as float64": {**good, "norm": good["norm"].astype(np.float64)},
        r"norm came as float32 \(3, 4, 15\)": {**good, "norm": good["norm"][..., :15]},
        r"missing from the data: \['norm'\]": {name: good[name] for name in ("dot", "terms")},
        r"unknown ones: \['extra'\]": {**good, "extra": good["norm"]},
    }
    for message, data in cases.items():
        with pytest.raises(StoreError, match=message):
            store.write_unit(node, unit, data, {})
    assert store.finished_units(writer.NODE) == frozenset()


def test_writing_a_unit_again_is_harmless(writer, allocated, contents):
    store, node = allocated
    unit = writer.units(node)[3]
    store.write_unit(node, unit, writer.values(node, unit), {})
    before = contents(store.path)
    store.write_unit(node, unit, writer.values(node, unit), {})
    assert contents(store.path) == before


def test_two_processes_write_disjoint_units_at_the_same_time_without_loss(writer, start, contents, reference, tmp_path):
    path = tmp_path / "a.zarr"
    node = writer.layout()
    with Store.open(path, create=True) as store:
        store.allocate([node], writer.record(node))
        workers = [start("units", path, first, 2) for first in (0, 1)]
        for worker in workers:
            _, errors = worker.communicate(timeout=60)
            assert worker.returncode == 0, errors
    writer.run(path)
    assert contents(path) == contents(reference)
