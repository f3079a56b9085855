"""Digests of files: remembered, checked, never trusted too far."""

from __future__ import annotations

import hashlib
import json
import os

import pytest

from prosect.planning import contents
from prosect.planning.contents import Contents, cache_file
from prosect.planning.digest import UNKNOWN, digest
from prosect.planning.inputs import NONE, Supplied, tokenizer_digest, weight_files, weights_digest
from prosect.planning.model import PlannedModel
from prosect.spec.models import ModelSpec


@pytest.fixture
def cache(tmp_path):
    return tmp_path / "cache" / "digests.json"


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "weights"
    path.write_bytes(b"abc")
    return path


@pytest.fixture
def big(monkeypatch, file):
    """Every file counts as big."""
    monkeypatch.setattr(contents, "SMALL", 2)
    return file


def sha(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_digest_is_the_sha256_of_the_content(cache, file):
    assert Contents(cache=cache).digest(file) == sha(file)


def test_a_big_file_is_read_only_when_asked_to(cache, big):
    assert Contents(cache=cache).digest(big) is None
    assert Contents(cache=cache, verify=True).digest(big) == sha(big)


def test_what_was_computed_is_remembered(cache, big):
    first = Contents(cache=cache, verify=True)
    first.digest(big)
    first.save()
    assert Contents(cache=cache).digest(big) == sha(big)


def test_a_link_is_known_by_what_it_points_to(cache, big, tmp_path):
    (tmp_path / "link").symlink_to(big)
    first = Contents(cache=cache, verify=True)
    first.digest(big)
    first.save()
    assert Contents(cache=cache).digest(tmp_path / "link") == sha(big)


def test_another_size_or_time_makes_a_file_unknown_again(cache, big):
    first = Contents(cache=cache, verify=True)
    first.digest(big)
    first.save()
    status = big.stat()
    os.utime(big, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
    assert Contents(cache=cache).digest(big) is None
    big.write_bytes(b"abcd")
    os.utime(big, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert Contents(cache=cache).digest(big) is None


def test_verifying_reads_the_content_whatever_the_cache_says(cache, big):
    first = Contents(cache=cache, verify=True)
    first.digest(big)
    first.save()
    status = big.stat()
    big.write_bytes(b"xyz")
    os.utime(big, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert Contents(cache=cache).digest(big) == hashlib.sha256(b"abc").hexdigest()
    checked = Contents(cache=cache, verify=True)
    assert checked.digest(big) == sha(big)
    checked.save()
    assert Contents(cache=cache).digest(big) == sha(big)


@pytest.mark.parametrize("damage", ["{", "[]", '{"a": 1}', "\x00", '"text"'])
def test_a_damaged_cache_is_an_empty_one(cache, big, damage):
    cache.parent.mkdir()
    cache.write_text(damage)
    assert Contents(cache=cache).digest(big) is None
    again = Contents(cache=cache, verify=True)
    again.digest(big)
    again.save()
    assert Contents(cache=cache).digest(big) == sha(big)


def test_two_processes_lose_nothing_of_each_other(cache, tmp_path):
    one, other = Contents(cache=cache), Contents(cache=cache)
    for name, who in (("a", one), ("b", other)):
        (tmp_path / name).write_text(name)
        who.digest(tmp_path / name)
    one.save()
    other.save()
    assert len(json.loads(cache.read_text())) == 2
    assert [path.name for path in cache.parent.iterdir()] == ["digests.json"]


def test_a_cache_that_cannot_be_written_stops_nothing(tmp_path, file):
    blocked = tmp_path / "blocked"
    blocked.write_text("a file where a folder should be")
    found = Contents(cache=blocked / "digests.json")
    found.digest(file)
    found.save()
    assert blocked.read_text() == "a file where a folder should be"


def test_nothing_new_writes_nothing(cache):
    Contents(cache=cache).save()
    assert not cache.exists()


def test_a_big_blob_of_the_hub_s_cache_has_its_digest_for_a_name(cache, tmp_path, monkeypatch):
    monkeypatch.setattr(contents, "SMALL", 2)
    content = b"weights"
    blob = tmp_path / "blobs" / hashlib.sha256(content).hexdigest()
    blob.parent.mkdir()
    blob.write_bytes(content)
    (tmp_path / "model.safetensors").symlink_to(blob)
    assert Contents(cache=cache).digest(tmp_path / "model.safetensors") == sha(blob)
    elsewhere = tmp_path / blob.name
    elsewhere.write_bytes(content)
    assert Contents(cache=cache).digest(elsewhere) is None


def test_the_cache_is_the_user_s(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_file() == tmp_path / "prosect" / "digests.json"
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    assert cache_file().parts[-3:] == (".cache", "prosect", "digests.json")


@pytest.mark.parametrize(
    ("files", "pickle", "read"),
    [
        (["model.safetensors", "pytorch_model.bin"], True, ["model.safetensors"]),
        (["pytorch_model.bin"], True, ["pytorch_model.bin"]),
        (["pytorch_model.bin"], False, []),
        (["pytorch_model-1.bin", "pytorch_model-2.bin"], True, ["pytorch_model-1.bin", "pytorch_model-2.bin"]),
        ([], True, []),
    ],
)
def test_weights_are_the_files_that_are_read(tmp_path, files, pickle, read):
    for name in files:
        (tmp_path / name).touch()
    assert [file.name for file in weight_files(tmp_path, pickle=pickle)] == read


def test_weights_in_parts_are_those_the_index_names(tmp_path, cache):
    for name in ("a.safetensors", "b.safetensors", "other.safetensors"):
        (tmp_path / name).write_text(name)
    index = {"weight_map": {"x": "b.safetensors", "y": "a.safetensors", "z": "b.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    files = weight_files(tmp_path, pickle=False)
    assert [file.name for file in files] == ["a.safetensors", "b.safetensors"]
    model = PlannedModel(name="m", entry="m", spec=ModelSpec(load="x"), location=tmp_path)
    assert weights_digest(model, Contents(cache=cache), Supplied()) == digest({f.name: sha(f) for f in files})
    (tmp_path / "a.safetensors").unlink()
    assert weights_digest(model, Contents(cache=cache), Supplied()) == UNKNOWN


def test_a_model_in_memory_has_the_digests_it_is_given(cache):
    model = PlannedModel(name="m", entry="m", spec=ModelSpec())
    supplied = Supplied(weights="w", tokenizer="t")
    assert weights_digest(model, Contents(cache=cache), supplied) == "w"
    assert tokenizer_digest(model, Contents(cache=cache), supplied) == "t"
    assert weights_digest(model, Contents(cache=cache), Supplied()) == UNKNOWN


def test_a_tokenizer_is_known_by_all_its_files(tmp_path, cache):
    model = PlannedModel(name="m", entry="m", spec=ModelSpec(load="x"), location=tmp_path)
    assert tokenizer_digest(model, Contents(cache=cache), Supplied()) == NONE
    (tmp_path / "README.md").write_text("x")
    assert tokenizer_digest(model, Contents(cache=cache), Supplied()) == NONE
    found = set()
    for name in ("vocab.txt", "tokenizer_config.json", "source.spm"):
        (tmp_path / name).write_text(name)
        found.add(tokenizer_digest(model, Contents(cache=cache), Supplied()))
    assert len(found) == 3
    absent = PlannedModel(name="m", entry="m", spec=ModelSpec(load="x", tokenizer="y/z"), location=tmp_path)
    assert tokenizer_digest(absent, Contents(cache=cache), Supplied()) == UNKNOWN
