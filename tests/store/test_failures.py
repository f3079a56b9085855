"""A disk that is full or fails: what is finished is kept, and the message says how to continue."""

from __future__ import annotations

import errno
import os
import re
from pathlib import Path

import pytest

from prosect.errors import RunError, StoreError
from prosect.store.failures import storage_errors
from prosect.store.store import Store


@pytest.mark.parametrize(
    ("number", "kind", "message"),
    [
        (errno.ENOSPC, RunError, "every finished unit is kept: free some space"),
        (errno.EDQUOT, RunError, "free some space"),
        (errno.EFBIG, RunError, "free some space"),
        (errno.EIO, RunError, "writing failed .*; every finished unit is kept"),
        (errno.EROFS, StoreError, "cannot write there .*--out"),
        (errno.EACCES, StoreError, "cannot write there"),
    ],
)
def test_each_failure_says_what_to_do(number, kind, message):
    def fail():
        raise OSError(number, os.strerror(number), "results/a.zarr/x")

    with pytest.raises(kind, match=f"results/a.zarr: .*{message}"), storage_errors(Path("results/a.zarr")):
        fail()


def test_a_disk_that_fills_up_in_the_middle_keeps_what_is_finished(writer, contents, reference, tmp_path, monkeypatch):
    path = tmp_path / "a.zarr"
    original = Path.replace

    def replace(self, target):
        if re.search(r"/terms/c/0/0/4/0$", str(target)):
            raise OSError(errno.ENOSPC, "No space left on device", str(target))
        return original(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace)
        with pytest.raises(RunError, match="No space left on device"):
            writer.run(path)
    with Store.open(path, create=False) as store:
        assert store.finished_units(writer.NODE) == {0, 1, 2, 3}
    writer.run(path)
    assert contents(path) == contents(reference)


def test_a_real_limit_of_the_kernel_is_reported_and_the_run_continues_after_it(
    writer, start, contents, reference, tmp_path
):
    path = tmp_path / "a.zarr"
    process = start("limited", path, 5000)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "RunError" in errors.splitlines()[-1]
    assert "File too large while writing; every finished unit is kept" in errors.splitlines()[-1]
    writer.run(path)
    assert contents(path) == contents(reference)
