"""Where a model is: folders, packages, the hub's cache."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from prosect.errors import ModelError
from prosect.planning.sources import commit_of, hub_cache, locate, read_config

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package that must not be imported, with a model inside."""
    root = tmp_path / "site" / "loud_package"
    (root / "sub" / "model").mkdir(parents=True)
    (root / "__init__.py").write_text("raise RuntimeError('imported')")
    (root / "sub" / "__init__.py").write_text("raise RuntimeError('imported')")
    monkeypatch.syspath_prepend(tmp_path / "site")
    return root


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub cache with one model at ``main`` and at a tag."""
    root = tmp_path / "hub"
    repository = root / "models--owner--name"
    for revision in ("main", "v1.0", "pr/7"):
        (repository / "refs" / revision).parent.mkdir(parents=True, exist_ok=True)
        (repository / "refs" / revision).write_text(COMMIT)
    (repository / "snapshots" / COMMIT).mkdir(parents=True)
    (repository / "snapshots" / COMMIT / "config.json").write_text("{}")
    monkeypatch.setenv("HF_HUB_CACHE", str(root))
    return repository / "snapshots" / COMMIT


@pytest.mark.parametrize("load", ["./toy", "toy", "sub/../toy"])
def test_a_folder_beside_the_spec(folder, load):
    (folder / "sub").mkdir()
    assert locate(load, None, folder) == folder / "toy"


def test_an_absolute_folder(folder):
    assert locate(str(folder / "toy"), None, Path("elsewhere")) == folder / "toy"


def test_a_folder_of_the_name_of_a_hub_model_comes_first(folder, hub):
    (folder / "owner" / "name").mkdir(parents=True)
    assert locate("owner/name", None, folder) == folder / "owner" / "name"


@pytest.mark.parametrize("load", ["package:loud_package/sub/model", "package:loud_package.sub/model"])
def test_a_package_is_located_without_being_imported(package, load):
    assert locate(load, None, Path()) == package / "sub" / "model"
    assert "loud_package" not in sys.modules


@pytest.mark.parametrize("revision", [None, "main", "v1.0", "pr/7", COMMIT])
def test_a_cached_hub_model_is_found_by_every_name_of_its_revision(hub, revision):
    assert locate("owner/name", revision, Path()) == hub


def test_the_cache_is_read_as_the_hub_s_own_library_reads_it(hub):
    from huggingface_hub import try_to_load_from_cache

    path = try_to_load_from_cache("owner/name", "config.json", cache_dir=hub.parents[2])
    assert Path(path).parent == locate("owner/name", None, Path())


@pytest.mark.parametrize(
    ("load", "revision"), [("owner/other", None), ("owner/name", "v2"), ("other", None), ("owner/name", "x" * 40)]
)
def test_a_hub_model_that_is_not_cached_is_not_at_hand(hub, load, revision):
    assert locate(load, revision, Path()) is None


@pytest.mark.parametrize(
    ("variables", "path"),
    [
        ({"HF_HUB_CACHE": "~/a"}, "~/a"),
        ({"HUGGINGFACE_HUB_CACHE": "~/b"}, "~/b"),
        ({"HF_HOME": "~/c"}, "~/c/hub"),
        ({"XDG_CACHE_HOME": "~/d"}, "~/d/huggingface/hub"),
        ({"XDG_CACHE_HOME": ""}, "~/.cache/huggingface/hub"),
    ],
)
def test_the_cache_is_where_the_variables_say(monkeypatch, variables, path):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert hub_cache() == Path(path).expanduser()


@pytest.mark.parametrize(
    ("load", "says"),
    [
        ("./nowhere", "does not exist"),
        ("../nowhere", "does not exist"),
        ("a.txt", "is not a folder"),
        ("package:no_such_package/x", "no installed package 'no_such_package'"),
        ("package:json/nowhere", "the package 'json' holds no folder 'nowhere'"),
        ("package:sys", "no installed package 'sys'"),
        ("package:abc/x", "no installed package 'abc'"),
        ("package:", "no installed package ''"),
        ("package:a-b/c", "no installed package 'a-b'"),
        ("a/b/c", "neither a hub id"),
        ("a b", "neither a hub id"),
        ("", "holds no config.json"),
    ],
)
def test_what_is_nowhere_is_an_error(folder, load, says):
    with pytest.raises(ModelError, match=says):
        read_config(locate(load, None, folder) or folder)


@pytest.mark.parametrize(("content", "says"), [("{", "cannot be read as JSON"), ("[]", "holds no JSON object")])
def test_a_damaged_configuration_is_an_error(folder, content, says):
    (folder / "toy" / "config.json").write_text(content)
    with pytest.raises(ModelError, match=says):
        read_config(folder / "toy")


def test_the_commit_of_a_cached_model_is_known(hub, folder):
    assert commit_of(locate("owner/name", "main", Path())) == COMMIT
    assert commit_of(folder / "toy") is None
    assert commit_of(None) is None
