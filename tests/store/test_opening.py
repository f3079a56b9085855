"""Which folders become or are a store, and who may write to it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest

from prosect.errors import StoreError
from prosect.results.layout import SCHEMA, SCHEMA_VERSION
from prosect.store.identity import IDENTITY
from prosect.store.store import Store


def snapshot(folder: Path) -> dict[str, bytes | None]:
    return {str(p): p.read_bytes() if p.is_file() else None for p in folder.rglob("*")}


@contextmanager
def as_ordinary_user():
    """Permissions do not bind root, so root steps down for a moment."""
    user = os.geteuid()
    os.seteuid(user or 65534)
    try:
        yield
    finally:
        os.seteuid(user)


def test_a_new_store_and_an_empty_folder_become_ours(tmp_path):
    empty = tmp_path / "empty"
    empty.mkdir()
    for path in (empty, tmp_path / "deep" / "new.zarr"):
        Store.open(path, create=True).close()
        assert json.loads((path / IDENTITY).read_text()) == {"schema": SCHEMA, "schema_version": SCHEMA_VERSION}


def test_a_folder_that_is_not_ours_is_left_untouched(tmp_path):
    (tmp_path / "thesis.tex").write_text("ten years")
    before = snapshot(tmp_path)
    with pytest.raises(StoreError, match="not a store of prosect"):
        Store.open(tmp_path, create=True)
    assert snapshot(tmp_path) == before


def test_a_file_in_the_way(tmp_path):
    file = tmp_path / "a.zarr"
    file.write_text("x")
    for path in (file, file / "below"):
        with pytest.raises(StoreError, match=r"is a file|Not a directory"):
            Store.open(path, create=True)
    assert file.read_text() == "x"


def test_an_absent_store_is_not_made_by_chance(tmp_path):
    with pytest.raises(StoreError, match="there is no such store"):
        Store.open(tmp_path / "a.zarr", create=False)
    assert not (tmp_path / "a.zarr").exists()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (json.dumps({"schema": "prosect-results", "schema_version": 99}), "prosect-results version 99"),
        (json.dumps({"schema": "other", "schema_version": 1}), "other version 1"),
        ("{", "damaged"),
        ("[]", "damaged"),
    ],
)
def test_another_schema_is_refused_and_nothing_changed(tmp_path, text, message):
    path = tmp_path / "a.zarr"
    Store.open(path, create=True).close()
    (path / ".prosect/store.json").write_text(text)
    before = snapshot(path)
    with pytest.raises(StoreError, match=message):
        Store.open(path, create=True)
    assert snapshot(path) == before


def test_a_second_process_hears_who_holds_the_store(tmp_path):
    path = tmp_path / "a.zarr"
    code = (
        "import sys; from pathlib import Path; from prosect.store.store import Store; from prosect.errors import *\n"
        "try: Store.open(Path(sys.argv[1]), create=True)\n"
        "except StoreError as error: sys.exit(str(error))"
    )
    with Store.open(path, create=True):
        second = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=False)
        assert second.returncode == 1
        assert f"in use by process {os.getpid()} on" in second.stderr
        with pytest.raises(StoreError, match="in use by"):
            Store.open(path, create=True)
    Store.open(path, create=True).close()


def test_a_killed_holder_does_not_keep_the_lock(tmp_path):
    path = tmp_path / "a.zarr"
    code = (
        "import sys, time; from pathlib import Path; from prosect.store.store import Store\n"
        "store = Store.open(Path(sys.argv[1]), create=True); sys.stdout.write('held'); sys.stdout.flush()\n"
        "time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.read(4) == "held"
        with pytest.raises(StoreError, match=f"process {holder.pid}"):
            Store.open(path, create=True)
        holder.kill()
    Store.open(path, create=True).close()


def test_a_failed_opening_gives_the_lock_back(tmp_path, monkeypatch):
    path = tmp_path / "a.zarr"
    with monkeypatch.context() as patch:
        patch.setattr("prosect.store.identity.claim", lambda _: (_ for _ in ()).throw(PermissionError(13, "no")))
        with pytest.raises(StoreError, match="cannot write"):
            Store.open(path, create=True)
    Store.open(path, create=True).close()


def test_a_read_only_folder_says_so():
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "inner").mkdir()
        path = folder / "inner" / "a.zarr"
        Store.open(path, create=True).close()
        for part in (folder, folder / "inner", path, path / ".prosect"):
            part.chmod(0o555)
        with as_ordinary_user():
            for target in (path, folder / "inner" / "b.zarr"):
                with pytest.raises(StoreError, match=r"cannot write there .*--out"):
                    Store.open(target, create=True)
        for part in (folder, folder / "inner", path, path / ".prosect"):
            part.chmod(0o755)
