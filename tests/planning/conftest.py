"""A folder with a spec, texts and two models, and the fake plugins they are planned with."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from prosect.errors import Problem, SpecError
from prosect.planning.build import Request, plan_request
from prosect.planning.model import Plan
from support.fake_plugins import registry

TOY = {"model_type": "toy", "layers": 6, "width": 8, "heads": 2}
PAIR = {**TOY, "is_encoder_decoder": True, "layers": 2, "decoder_layers": 3}


@pytest.fixture(autouse=True)
def _no_caches(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the user's cache of digests nor the user's models take part."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
    for name in ("HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder with models ``toy`` and ``pair`` and texts of 40, 80 and 12 bytes."""
    for name, config in (("toy", TOY), ("pair", PAIR)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "config.json").write_text(json.dumps(config), encoding="utf-8")
        (tmp_path / name / "model.safetensors").write_bytes(name.encode())
        (tmp_path / name / "tokenizer.json").write_text("{}", encoding="utf-8")
    for name, content in (("a.txt", b"seven x\n" * 5), ("b.txt", b"seven x\n" * 10), ("ids.jsonl", b"[1, 2, 3,4]\n")):
        (tmp_path / name).write_bytes(content)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def mapping(**changes: Any) -> dict[str, Any]:
    """Give a small spec as a mapping, with whole sections changed."""
    spec = {
        "prosect": 1,
        "models": {"m": {"load": "./toy"}},
        "corpora": {"c": {"kind": "lines", "path": "a.txt"}},
        "analyses": {"a": {"corpus": "c", "decomposition": "parts"}},
    }
    return {**spec, **changes}


@pytest.fixture
def planned(folder: Path) -> Callable[..., Plan]:
    """Plan a spec with the fake plugins; changes of whole sections by name, the rest of `Request` beside them."""

    def plan(source: Any = None, **given: Any) -> Plan:
        request = {name: given.pop(name) for name in tuple(given) if name in Request.__dataclass_fields__}
        return plan_request(Request(**{"source": source or mapping(**given), "registry": registry(), **request}))

    return plan


@pytest.fixture
def problems(planned: Callable[..., Plan]) -> Callable[..., tuple[Problem, ...]]:
    """Plan a spec that is wrong and return its problems."""

    def find(source: Any = None, **given: Any) -> tuple[Problem, ...]:
        with pytest.raises(SpecError) as caught:
            planned(source, **given)
        return caught.value.problems

    return find
