"""Where a model is: in a folder, inside an installed package, in the hub's cache, or not at hand."""

from __future__ import annotations

import importlib.util
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from prosect.errors import ModelError

CONFIG: Final = "config.json"
_PACKAGE: Final = "package:"
_SNAPSHOTS: Final = "snapshots"
_HUB_ID: Final = re.compile(r"[\w.-]+(/[\w.-]+)?", re.ASCII)


def locate(load: str, revision: str | None, folder: Path) -> Path | None:
    """Find the folder a model or tokenizer is read from, without reading it.

    Parameters
    ----------
    load
        ``package:NAME/sub/dir`` (the package is found, not imported), ``./dir`` or an absolute path,
        a path that exists below ``folder``, or the id of a hub model.
    revision
        Branch, tag or commit of a hub model; ``main`` where None.
    folder
        Where relative paths start.

    Returns
    -------
    Path or None
        None for a hub model that is not in the local cache.

    Raises
    ------
    ModelError
        There is no such folder or package, or the text is none of these forms.
    """
    if load.startswith(_PACKAGE):
        return _in_package(load.removeprefix(_PACKAGE))
    # os.path answers where pathlib raises: for paths that are too long, and homes of users that do not exist.
    path = os.path.join(folder, os.path.expanduser(load))
    if os.path.isdir(path):
        return Path(path).resolve()
    if load.startswith(("./", "../", "~")) or os.path.isabs(load) or os.path.exists(path):
        what = "is not a folder" if os.path.exists(path) else "does not exist"
        raise ModelError(f"the folder {path!r} {what}")
    if not _HUB_ID.fullmatch(load):
        raise ModelError(f"{load!r} is neither a hub id (owner/name), nor a folder, nor package:NAME/sub/dir")
    return _in_hub_cache(load, revision or "main")


def read_config(folder: Path) -> Mapping[str, Any]:
    """Read ``config.json``; ModelError where there is none, or it is no JSON object."""
    path = folder / CONFIG
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(f"the folder {str(folder)!r} holds no {CONFIG}, so it is not a model") from None
    except (OSError, ValueError) as error:
        raise ModelError(f"{str(path)!r} cannot be read as JSON: {error}") from error
    if not isinstance(config, dict):
        raise ModelError(f"{str(path)!r} holds no JSON object")
    return config


def _in_package(rest: str) -> Path:
    top, *below = Path(rest).parts or ("",)
    # find_spec imports the parents of a dotted name, so only the first part is looked up.
    name, *inner = top.split(".")
    roots = _package_folders(name)
    if not roots:
        raise ModelError(f"there is no installed package {name!r}")
    for root in roots:
        path = Path(root, *inner, *below)
        if path.is_dir():
            return path.resolve()
    raise ModelError(f"the package {name!r} holds no folder {'/'.join((*inner, *below))!r}")


def _package_folders(name: str) -> list[str]:
    if not name.isidentifier():
        return []
    try:
        spec = importlib.util.find_spec(name)
    except ValueError:  # a module that was not imported from anywhere, such as __main__
        return []
    return list(spec.submodule_search_locations or ()) if spec else []


def _in_hub_cache(load: str, revision: str) -> Path | None:
    """Look a model up by the layout of the cache; importing huggingface_hub would cost more than the whole plan.

    References
    ----------
    "Understand caching" in the documentation of huggingface_hub: ``refs/REVISION`` holds a commit,
    ``snapshots/COMMIT`` the files.
    """
    repository = hub_cache() / f"models--{load.replace('/', '--')}"
    reference = repository / "refs" / revision
    commit = reference.read_text(encoding="utf-8").strip() if os.path.isfile(reference) else revision
    snapshot = repository / _SNAPSHOTS / commit
    return snapshot.resolve() if os.path.isfile(snapshot / CONFIG) else None


def commit_of(location: Path | None) -> str | None:
    """Commit of a model that was read from the hub's cache; None for any other folder."""
    return location.name if location is not None and location.parent.name == _SNAPSHOTS else None


def hub_cache() -> Path:
    """Folder of the hub's cache, by the same variables that huggingface_hub reads."""
    environment = os.environ
    home = environment.get("HF_HOME") or str(Path(environment.get("XDG_CACHE_HOME") or "~/.cache") / "huggingface")
    folder = environment.get("HF_HUB_CACHE") or environment.get("HUGGINGFACE_HUB_CACHE") or str(Path(home) / "hub")
    return Path(os.path.expandvars(folder)).expanduser()
