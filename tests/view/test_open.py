"""Opening results: labelled, lazy, light."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from prosect.errors import StoreError
from prosect.view.open import open as open_store


def test_a_store_opens_as_a_labelled_tree(stored):
    with open_store(str(stored.path)) as tree:
        assert {node.path for node in tree.leaves} == {
            "/bert/factors",
            "/bert/late",
            "/nmt/factors/encoder",
            "/nmt/factors/decoder",
        }
        found = tree["bert/factors"].ds.importance
        np.testing.assert_array_equal(found.values, stored.numbers)
        assert found.sel(layer=1, component="attention.1").block == 1
        assert found.attrs["units"] == "1"
        assert found.attrs["reference"] == "Mickus 2022, eq. 7"
        assert tree.attrs["spec"] == "models: …"


def test_what_is_not_computed_yet_is_missing(stored):
    with open_store(stored.path) as tree:
        late = tree["bert/late"].ds
        assert late.attrs["state"] == "unfinished"
        assert late.importance.isel(token=slice(16, None)).isnull().all()
        assert late.importance.isel(layer=1, token=slice(0, 16)).notnull().all()


def test_the_accessor_is_there_once_a_store_was_opened(dataset):
    assert dataset.prosect.sentences.tolist() == [0, 1, 2, 3, 4]


def test_opening_imports_no_torch_and_showing_not_even_xarray(stored):
    code = (
        "import sys; from pathlib import Path\n"
        "from prosect.view.show import show; show(Path(sys.argv[1]))\n"
        "heavy = {'torch', 'transformers', 'xarray', 'zarr'} & set(sys.modules); assert not heavy, heavy\n"
        "from prosect.view.open import open; open(sys.argv[1])['bert/factors'].ds.importance.values\n"
        "heavy = {'torch', 'transformers'} & set(sys.modules); assert not heavy, heavy\n"
    )
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, stored.path], capture_output=True, text=True, check=False
    )
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize(
    ("name", "message"), [("absent", "no such store"), ("file", "is a file"), (".", "not a store")]
)
def test_a_path_that_is_no_store_is_a_clear_error(tmp_path, name, message):
    (tmp_path / "file").write_text("x")
    with pytest.raises(StoreError, match=message):
        open_store(tmp_path / name)
