"""A store can be read at any time: finished, running, cut short."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import xarray as xr

from prosect.errors import StoreError
from prosect.store.folder import ResultFolder
from prosect.store.reading import open_tree
from prosect.store.store import Store


def test_nothing_is_read_before_it_is_asked_for(reference, writer, tmp_path):
    path = tmp_path / "a.zarr"
    shutil.copytree(reference, path)
    with open_tree(path) as tree:
        shutil.rmtree(path / writer.NODE / "terms" / "c")
        assert np.isnan(tree[writer.NODE].ds.terms.values).all()
        assert np.isfinite(tree[writer.NODE].ds.dot.isel(layer=1).values).all()


def test_dask_arrays_where_asked_for(reference, writer):
    with open_tree(reference, chunks={}) as tree, open_tree(reference) as plain:
        assert tree[writer.NODE].ds.norm.chunks is not None
        assert plain[writer.NODE].ds.norm.chunks is None
        xr.testing.assert_identical(tree.load(), plain)


def test_an_extended_store_shows_its_new_nodes_at_once(writer, tmp_path):
    path = tmp_path / "a.zarr"
    writer.run(path)
    node = writer.layout("tiny/more")
    with Store.open(path, create=True) as store:
        store.allocate([node], writer.record(node))
        with open_tree(path) as tree:
            assert set(tree["tiny"].children) == {"factors", "more"}
            assert tree["tiny/more"].attrs["state"] == "unfinished"
            assert np.isnan(tree["tiny/more"].ds.norm.values).all()


def test_half_made_nodes_and_temporary_files_do_not_show(writer, tmp_path):
    path = tmp_path / "a.zarr"
    writer.run(path)
    node = writer.layout("tiny/more")
    with Store.open(path, create=True) as store:
        store.allocate([node], writer.record(node))
    (path / ".prosect/steps/tiny/more/step.json").unlink()
    (path / "tiny/more/norm/zarr.json").unlink()
    (path / "tiny/zarr.0123.partial").write_text("{")
    with open_tree(path) as tree:
        assert set(tree["tiny"].children) == {"factors"}


def test_a_store_that_was_killed_at_its_birth_says_so(writer, tmp_path):
    path = tmp_path / "a.zarr"
    Store.open(path, create=True).close()
    (path / "zarr.json").unlink()
    with pytest.raises(StoreError, match="holds nothing yet"):
        open_tree(path)


def test_reading_changes_nothing(reference, contents):
    before = contents(reference), {file: file.stat().st_mtime_ns for file in reference.rglob("*")}
    with open_tree(reference) as tree:
        tree.load()
    assert (contents(reference), {file: file.stat().st_mtime_ns for file in reference.rglob("*")}) == before


def test_nodes_stand_in_the_order_of_their_names(writer, tmp_path, monkeypatch):
    """In whatever order the disk lists them; and the second seed stands before the tenth."""
    with Store.open(tmp_path / "a.zarr", create=True) as store:
        for path in ("m@10/b", "m@2/b", "m@2/a", "b/a"):
            node = writer.layout(path)
            store.allocate([node], writer.record(node))
    listed = ResultFolder.list_dir

    async def backwards(folder, prefix):
        for name in sorted([name async for name in listed(folder, prefix)], reverse=True):
            yield name

    monkeypatch.setattr(ResultFolder, "list_dir", backwards)
    with open_tree(tmp_path / "a.zarr") as tree:
        paths = [path for path, node in tree.subtree_with_keys if node.has_data]
        assert list(tree["b/a"].data_vars) == ["dot", "norm", "spread", "terms"]
        assert list(tree["b/a"].coords) == ["component", "layer", "sentence", "surprisal", "text"]
    assert paths == ["b/a", "m@2/a", "m@2/b", "m@10/b"]
