"""An exported file says what the store says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from prosect.errors import RunError, StoreError
from prosect.results.layout import ArrayLayout, Coordinate
from prosect.store.netcdf import decode_attributes, encode_attributes, export
from prosect.store.reading import open_tree
from prosect.store.store import Store

ODD = {"none": None, "truth": True, "list": [1, 2], "one": ["a"], "deep": {"a": [None, {"b": 0.5}]}, "big": 2**70}
PLAIN = {"text": "é\nb", "empty": "", "whole": -3, "half": 0.5}


@pytest.fixture
def rich(writer, tmp_path) -> Path:
    """A finished store of a matrix member, with everything that NetCDF lacks."""
    path = tmp_path / "rich.zarr"
    base = writer.layout("m@step=1,2/fac-tors")
    half = ArrayLayout(name="half", dims=("layer", "token"), dtype="float16", attrs={"units": "1", **ODD})
    extra = (
        Coordinate(name="special", dims=("token",), values=np.arange(110) % 2 == 0, attrs={"long_name": "special"}),
        Coordinate(name="block", dims=("component",), values=np.array([np.nan, 1, 2, np.nan], np.float32)),
    )
    node = replace(base, arrays=(*base.arrays, half), coordinates=(*base.coordinates, *extra), attrs={**ODD, **PLAIN})
    with Store.open(path, create=True) as store:
        store.allocate([node], writer.record(node))
        for unit in writer.units(node):
            store.write_unit(node, unit, writer.values(node, unit), {})
        store.write_whole(node, writer.whole(node))
        store.finish(writer.record(node), {})
        store.seal({"models": {"m@step=1,2": {"revision": None}}, **PLAIN})
    return path


def test_the_file_opens_equal_to_the_store(rich, tmp_path):
    file = tmp_path / "rich.nc"
    export(rich, file)
    with xr.open_datatree(file) as found, open_tree(rich) as stored:
        xr.testing.assert_equal(found, stored)
        assert {path for path, _ in found.subtree_with_keys} == {path for path, _ in stored.subtree_with_keys}
        for path, node in stored.subtree_with_keys:
            twin = found[path].to_dataset()
            assert decode_attributes(twin.attrs) == node.attrs
            assert set(twin.coords) == set(node.coords)
            for name, variable in node.variables.items():
                assert decode_attributes(twin[name].attrs) == variable.attrs
                assert twin[name].dims == variable.dims


def test_only_half_precision_is_widened(rich, tmp_path):
    file = tmp_path / "rich.nc"
    export(rich, file)
    with xr.open_datatree(file) as found:
        dataset = found["m@step=1,2/fac-tors"].to_dataset()
        kinds = {name: variable.dtype for name, variable in dataset.variables.items()}
        assert kinds["half"] == np.float32
        assert kinds["norm"] == np.float32
        assert kinds["dot"] == np.float64
        assert kinds["special"] == np.bool_
        assert kinds["sentence"] == np.int32


def test_one_node_becomes_the_root_and_keeps_the_provenance(rich, tmp_path):
    file = tmp_path / "node.nc"
    export(rich, file, "m@step=1,2/fac-tors")
    with xr.open_dataset(file) as found, open_tree(rich) as stored:
        xr.testing.assert_equal(found, stored["m@step=1,2/fac-tors"].to_dataset())
        attrs = decode_attributes(found.attrs)
        assert attrs["models"] == {"m@step=1,2": {"revision": None}}
        assert attrs["state"] == "finished"


@settings(deadline=None, max_examples=25)
@given(
    st.dictionaries(
        st.text("abcdef", min_size=1),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
            lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
        ),
    )
)
def test_attributes_come_back_from_their_encoding(attrs):
    encoded = encode_attributes(attrs)
    assert all(isinstance(value, str | int | float) and not isinstance(value, bool) for value in encoded.values())
    assert decode_attributes(encoded) == attrs


def test_an_existing_file_is_kept_unless_overwriting_was_asked_for(reference, tmp_path):
    file = tmp_path / "a.nc"
    file.write_text("mine")
    with pytest.raises(StoreError, match="exists already"):
        export(reference, file)
    assert file.read_text() == "mine"
    export(reference, file, overwrite=True)
    with xr.open_datatree(file) as found:
        assert found.attrs["spec"] == "models: …"


def test_a_failed_export_leaves_no_file(reference, tmp_path, monkeypatch):
    def fail(*_, **__):
        raise RuntimeError("NetCDF: HDF error")

    monkeypatch.setattr(xr.Dataset, "to_netcdf", fail)
    with pytest.raises(RunError, match=r"a\.nc: could not be written \(NetCDF: HDF error\)"):
        export(reference, tmp_path / "a.nc")
    assert list(tmp_path.iterdir()) == []


def test_unknown_nodes_folders_and_stores_are_named(reference, tmp_path):
    with pytest.raises(StoreError, match="has no node 'tiny/other'; it has tiny/factors"):
        export(reference, tmp_path / "a.nc", "tiny/other")
    with pytest.raises(StoreError, match="there is no folder"):
        export(reference, tmp_path / "deep" / "a.nc")
    with pytest.raises(StoreError, match="no such store"):
        export(tmp_path / "b.zarr", tmp_path / "a.nc")


def test_unfinished_steps_are_not_exported_but_finished_ones_beside_them_are(writer, tmp_path):
    path = tmp_path / "a.zarr"
    writer.run(path)
    node = writer.layout("tiny/more")
    with Store.open(path, create=True) as store:
        store.allocate([node], writer.record(node))
    for chosen in (None, "tiny/more"):
        with pytest.raises(StoreError, match="not finished: tiny/more"):
            export(path, tmp_path / "a.nc", chosen)
    export(path, tmp_path / "a.nc", "tiny/factors")
    assert (tmp_path / "a.nc").exists()
