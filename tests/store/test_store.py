"""The life of a store: made, extended, continued, sealed, replaced; everything else is refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
import zarr

from prosect.errors import StoreError
from prosect.results.layout import Coordinate
from prosect.store.store import Store


@pytest.fixture
def store(tmp_path):
    with Store.open(tmp_path / "a.zarr", create=True) as opened:
        yield opened


def fill(store, writer, node, record):
    for unit in writer.units(node):
        store.write_unit(node, unit, writer.values(node, unit), {"closure_max": 1e-9})
    store.write_whole(node, writer.whole(node))
    store.finish(record, {node.path: {"closure_max": 1e-9}})


def test_values_come_back_bit_for_bit(writer, reference):
    group = zarr.open_group(reference, mode="r")[writer.NODE]
    node = writer.layout()
    for unit in writer.units(node):
        for name, values in writer.values(node, unit).items():
            token = next(a for a in node.arrays if a.name == name).dims.index("token")
            part = (slice(None),) * token + (slice(unit.start, unit.stop),)
            assert group[name][part].tobytes() == values.tobytes()


def test_plain_xarray_opens_a_finished_store_without_a_warning(writer, reference):
    with xr.open_datatree(reference, engine="zarr") as tree:
        dataset = tree[writer.NODE].to_dataset()
    assert dataset.norm.dims == ("layer", "component", "token")
    assert dataset.text.values[3] == "w3é"
    assert set(dataset.coords) == {"layer", "component", "sentence", "text", "surprisal"}
    assert dataset.attrs["state"] == "finished"


def test_every_unit_is_one_shard_of_its_own(writer, reference):
    group = zarr.open_group(reference, mode="r")[writer.NODE]
    assert group["terms"].shards == (3, 4, writer.UNIT, writer.HIDDEN)
    assert len(list((reference / writer.NODE / "terms" / "c").glob("0/0/*/0"))) == len(writer.units(writer.layout()))


def test_unwritten_units_read_as_missing(store, writer):
    node = writer.layout()
    store.allocate([node], writer.record(node))
    unit = writer.units(node)[2]
    store.write_unit(node, unit, writer.values(node, unit), {})
    norm = zarr.open_group(store.path, mode="r")[writer.NODE]["norm"][...]
    assert np.isnan(norm[:, :, : unit.start]).all()
    assert np.isnan(norm[:, :, unit.stop :]).all()
    assert np.isfinite(norm[1:, :, unit.start : unit.stop]).all()


def test_the_journal_knows_units_and_what_was_noted(store, writer):
    node = writer.layout()
    store.allocate([node], writer.record(node))
    for unit in reversed(writer.units(node)[4:]):
        store.write_unit(node, unit, writer.values(node, unit), {"halved": unit.index == 5})
    assert store.finished_units(writer.NODE) == {4, 5, 6}
    assert store.entries(writer.NODE)[5] == {"tokens": 16, "halved": True}
    assert list(store.entries(writer.NODE)) == [4, 5, 6]
    assert store.entries(writer.NODE)[6]["tokens"] == 110 - 6 * 16


def test_streams_have_nodes_and_units_of_their_own(store, writer):
    layouts = [writer.layout("nmt/factors/encoder", 40), writer.layout("nmt/factors/decoder", 64)]
    record = writer.record(*layouts)
    assert record.units == {"encoder": 3, "decoder": 4}
    store.allocate(layouts, record)
    for node in layouts:
        for unit in writer.units(node):
            store.write_unit(node, unit, writer.values(node, unit), {})
        store.write_whole(node, writer.whole(node))
    assert store.finished_units("nmt/factors", "decoder") == {0, 1, 2, 3}
    store.finish(record, {"nmt/factors/encoder": {"closure_max": 1e-9}})
    store.seal({})
    with xr.open_datatree(store.path, engine="zarr") as tree:
        assert tree["nmt/factors/encoder"].attrs["closure_max"] == 1e-9
        assert tree["nmt/factors/decoder"].sizes["token"] == 64


def test_a_sealed_store_can_be_extended(writer, tmp_path):
    path = tmp_path / "a.zarr"
    writer.run(path)
    node = writer.layout("tiny/more")
    with Store.open(path, create=True) as store:
        store.allocate([node], writer.record(node))
        fill(store, writer, node, writer.record(node))
        store.seal({**store.attrs, "again": True})
    with xr.open_datatree(path, engine="zarr") as tree:
        assert set(tree["tiny"].children) == {"factors", "more"}
        assert tree.attrs["again"] is True
        assert tree.attrs["spec"] == "models: …"


def test_a_store_knows_whether_it_changed_since_it_was_sealed(store, writer):
    assert not store.sealed
    store.seal({})
    assert store.sealed
    node = writer.layout()
    store.allocate([node], writer.record(node))
    assert not store.sealed
    fill(store, writer, node, writer.record(node))
    assert not store.sealed
    store.seal({})
    store.remove(writer.NODE)
    assert not store.sealed


def test_a_step_is_not_finished_while_units_are_missing(store, writer):
    node = writer.layout()
    store.allocate([node], writer.record(node))
    with pytest.raises(StoreError, match=r"not complete.*\[0, 1, 2, 3, 4, 5, 6\]"):
        store.finish(writer.record(node), {})
    assert store.steps()[writer.NODE].state == "allocated"


def test_a_stored_step_is_not_allocated_again(store, writer):
    node = writer.layout()
    store.allocate([node], writer.record(node))
    with pytest.raises(StoreError, match=r"already stored.*--replace tiny/factors"):
        store.allocate([node], writer.record(node, digest="d1"))
    assert store.steps()[writer.NODE].digest == "d0"


def test_what_no_run_has_made_is_left_alone(store, writer):
    notes = store.path / writer.NODE / "notes.txt"
    notes.parent.mkdir(parents=True)
    notes.write_text("mine")
    node = writer.layout()
    with pytest.raises(StoreError, match="no run of prosect has made"):
        store.allocate([node], writer.record(node))
    assert notes.read_text() == "mine"


def test_a_removed_step_leaves_nothing_and_its_neighbour_stays(store, writer):
    for path in ("tiny/factors", "tiny/more"):
        node = writer.layout(path)
        store.allocate([node], writer.record(node))
        fill(store, writer, node, writer.record(node))
    store.remove("tiny/factors")
    assert set(store.steps()) == {"tiny/more"}
    assert not (store.path / "tiny/factors").exists()
    store.remove("tiny/more")
    assert {entry.name for entry in store.path.iterdir()} == {".prosect", "zarr.json"}


def test_verify_accepts_the_layout_it_was_allocated_with(store, writer):
    node = writer.layout()
    store.allocate([node], writer.record(node))
    store.verify([writer.layout()])
    assert store.unit_tokens(writer.NODE) == writer.UNIT


def test_verify_names_what_differs(store, writer):
    node = writer.layout()
    store.allocate([node], writer.record(node))
    *others, surprisal = node.coordinates
    changed = surprisal.values.copy()
    changed[-1] += 1e-12
    cases = {
        "surprisal": replace(node, coordinates=(*others, replace(surprisal, values=changed))),
        "norm": replace(node, arrays=(replace(node.arrays[0], dtype="float64"),)),
        "terms": replace(node, arrays=(node.arrays[2],), unit_tokens=32),
        "'importance'": replace(node, arrays=(replace(node.arrays[0], name="importance"),)),
    }
    for name, layout in cases.items():
        with pytest.raises(StoreError, match=rf"{name}.*--replace"):
            store.verify([layout])


@pytest.mark.parametrize("node", ["tiny", "tiny/a/b", "../a", "a/..", ".prosect/a", "/a", "a/"])
def test_only_paths_of_two_plain_names_are_nodes(store, writer, node):
    record = replace(writer.record(writer.layout()), node=node)
    with pytest.raises(StoreError, match="is no path of a node"):
        store.allocate([writer.layout(node)], record)


def test_names_that_would_nest_or_break_the_list_of_coordinates_are_refused(store, writer):
    node = writer.layout()
    for name in ("a/b", "part of speech", "_x", "norm"):
        odd = Coordinate(name=name, dims=("layer",), values=np.arange(3))
        with pytest.raises(StoreError, match=f"cannot be stored.*{name}"):
            store.allocate([replace(node, coordinates=(*node.coordinates, odd))], writer.record(node))
    assert store.steps() == {}


def test_record_and_layouts_must_agree(store, writer):
    node = writer.layout()
    with pytest.raises(StoreError, match="its tokens make 7"):
        store.allocate([node], replace(writer.record(node), units={"main": 6}))
    with pytest.raises(StoreError, match="do not match the streams"):
        store.allocate([node], replace(writer.record(node), units={"encoder": 7}))


def test_a_worker_may_only_write_units(store, writer):
    node = writer.layout()
    worker = Store.attach(store.path)
    for change in (
        lambda: worker.allocate([node], writer.record(node)),
        lambda: worker.remove(writer.NODE),
        lambda: worker.seal({}),
    ):
        with pytest.raises(StoreError, match="may only write units"):
            change()


def test_a_damaged_record_is_named(store, writer):
    node = writer.layout()
    store.allocate([node], writer.record(node))
    (store.path / ".prosect/steps/tiny/factors/step.json").write_text("{")
    with pytest.raises(StoreError, match=r"step record .* is damaged"):
        store.steps()
