"""A run that is killed at any moment and started again leaves what an uninterrupted run leaves."""

from __future__ import annotations

import itertools
import random
import shutil
import signal
import time

import pytest
import xarray as xr

from prosect.store.store import Store


def killed(process) -> bool:
    _, errors = process.communicate(timeout=60)
    assert process.returncode in {0, -signal.SIGKILL}, errors
    return process.returncode != 0


# an uninterrupted run puts 53 files in place: 1-2 identity and root, 3-18 allocation and its record,
# 19-46 units (data before entry), 47-51 the whole array and the finish mark, 52-53 the root's metadata
@pytest.mark.parametrize("number", [1, 2, 3, 9, 18, 22, 24, 51, 53])
def test_killed_before_a_file_is_put_in_place_then_continued(writer, start, contents, reference, tmp_path, number):
    path = tmp_path / "a.zarr"
    assert killed(start("killed", path, number))
    writer.run(path)
    assert contents(path) == contents(reference)


def test_killed_again_and_again_at_random_moments(writer, start, contents, reference, tmp_path):
    path = tmp_path / "a.zarr"
    rng = random.Random(1)
    kills = 0
    for _ in range(6):
        process = start("run", path)
        while not path.exists() and process.poll() is None:
            time.sleep(0.002)
        time.sleep(rng.uniform(0, 0.15))
        process.kill()
        kills += killed(process)
    assert kills > 0
    writer.run(path)
    assert contents(path) == contents(reference)


@pytest.mark.parametrize("number", [1, 2, 12])
def test_killed_while_a_step_is_replaced(writer, start, contents, reference, tmp_path, number):
    path = tmp_path / "a.zarr"
    writer.run(path)
    assert killed(start("replace", path, number))
    writer.run(path)
    assert contents(path) == contents(reference)


@pytest.mark.parametrize("call", [1, 2])
def test_removal_cut_short_is_completed_at_the_next_start(writer, contents, reference, tmp_path, monkeypatch, call):
    path = tmp_path / "a.zarr"
    writer.run(path)
    remove_tree, calls = shutil.rmtree, itertools.count(1)

    def interrupted(folder, *rest, **options):
        if next(calls) == call:
            raise KeyboardInterrupt
        remove_tree(folder, *rest, **options)

    with Store.open(path, create=False) as store, monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", interrupted)
        with pytest.raises(KeyboardInterrupt):
            store.remove(writer.NODE)
        assert writer.NODE not in store.steps()
    writer.run(path)
    assert contents(path) == contents(reference)


def test_finished_units_are_not_written_again_after_a_kill(writer, start, reference, tmp_path):
    path = tmp_path / "a.zarr"
    assert killed(start("killed", path, 41))
    entries = path / ".prosect/steps/tiny/factors/units/main"
    before = {file.name: file.stat().st_mtime_ns for file in entries.iterdir() if file.suffix == ".json"}
    assert 0 < len(before) < 7
    writer.run(path)
    assert before.items() <= {file.name: file.stat().st_mtime_ns for file in entries.iterdir()}.items()


def test_no_trace_of_a_kill_shows_in_the_results(writer, start, reference, tmp_path):
    path = tmp_path / "a.zarr"
    assert killed(start("killed", path, 36))
    assert list(path.rglob("*.partial"))
    writer.run(path)
    assert not list(path.rglob("*.partial"))
    with xr.open_datatree(path, engine="zarr") as found, xr.open_datatree(reference, engine="zarr") as wanted:
        xr.testing.assert_identical(found, wanted)
