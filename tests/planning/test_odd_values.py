"""Whatever a spec says at whatever key, a plan ends with a plan or with problems, never with a traceback."""

from __future__ import annotations

import json
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from prosect.errors import ProsectError, SpecError
from prosect.planning.model import Plan

SPEC: dict[str, Any] = {
    "prosect": 1,
    "include": [],
    "models": {
        "m": {
            "load": "./toy",
            "revision": "main",
            "dtype": "float32",
            "head": "none",
            "init": "weights",
            "seed": 0,
            "config": {"layers": 6},
            "tokenizer": "./toy",
            "trust_remote_code": False,
            "matrix": {"seed": [1, 2]},
        }
    },
    "corpora": {
        "c": {"kind": "lines", "path": "a.txt", "unit": "line", "limit": 3, "window": {"tokens": 8, "stride": 4}},
        "p": {"kind": "pairs", "source": "a.txt", "target": "b.txt", "references": ["b.txt"], "mask": {"rate": 0.5}},
    },
    "analyses": {
        "a": {
            "models": ["m", "m@1"],
            "corpus": "c",
            "decomposition": {"name": "parts", "by": "kind"},
            "layers": ["0-2", -1],
            "metrics": ["cosine", {"name": "norm", "order": 1}],
            "keep": ["terms", {"terms": {"dtype": "float16"}}],
        }
    },
    "derived": {"d": {"name": "drift"}},
    "store": {"path": "r.zarr"},
    "compute": {"device": "cpu", "batch_tokens": "auto", "unit_tokens": 5, "executor": "local"},
}
TEXT = st.sampled_from(["", "..", "~nobody-of-this-name/x", "x" * 5000, "a/../b", "package:__main__/x", "m@", "all"])
SCALAR = st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.text(max_size=8)
VALUE = st.recursive(SCALAR, lambda v: st.lists(v, max_size=2) | st.dictionaries(st.text(max_size=4), v, max_size=2))


def paths(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every path inside a value."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(inner for key, child in children for inner in paths(child, (*path, key)))]


PATHS = [path for path in paths(SPEC) if path]


def changed(path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    spec = deepcopy(SPEC)
    target: Any = spec
    for part in path[:-1]:
        target = target[part]
    target[path[-1]] = value
    return spec


def ending(planned, source: Any) -> Plan | ProsectError:
    """Plan a spec; its plan, or the error of ours that it ends with."""
    try:
        return planned(source)
    except ProsectError as error:
        return error


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(PATHS), value=VALUE)
@example(path=("models", "m", "load"), value="package:__main__/x")
@example(path=("models", "m", "load"), value="~nobody-of-this-name/x")
@example(path=("models", "m", "load"), value="x" * 5000)
@example(path=("models", "m", "revision"), value="../../..")
@example(path=("corpora", "c", "path"), value="x" * 5000)
@example(path=("store", "path"), value="~nobody-of-this-name/x")
@example(path=("include",), value=["x" * 5000])
def test_no_value_anywhere_ends_in_a_traceback(planned, path, value):
    assert ending(planned, changed(path, value))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(PATHS), value=VALUE)
def test_a_file_says_the_same_as_a_mapping_and_with_places(folder, planned, path, value):
    text = json.dumps(changed(path, value), ensure_ascii=True)
    (folder / "s.yaml").write_text(text, encoding="utf-8")
    found = ending(planned, "s.yaml")
    assert not isinstance(found, SpecError) or all(problem.file and problem.line for problem in found.problems)


def test_a_matrix_has_a_limit(problems):
    matrix = {"seed": list(range(1000)), "revision": [str(number) for number in range(1000)]}
    (problem,) = problems(models={"m": {"load": "./toy", "matrix": matrix}})
    assert (problem.path, problem.message) == (
        "models.m.matrix",
        "the matrix makes 1000000 models; at most 10000 are taken",
    )


def test_text_holds_no_zero_character(folder, problems):
    (folder / "s.yaml").write_text('prosect: 1\nmodels: {m: {load: "a\\0b"}}\ncorpora: {}\nanalyses: {}')
    assert "s.yaml:2:20: models.m.load: text cannot hold the character U+0000" in map(str, problems("s.yaml"))


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"weight_map": 3}'])
def test_a_damaged_index_of_weights_is_an_error(folder, planned, content):
    (folder / "toy" / "model.safetensors").unlink()
    (folder / "toy" / "model.safetensors.index.json").write_text(content)
    with pytest.raises(ProsectError, match=r"index\.json"):
        planned()


def test_a_file_that_cannot_be_read_is_an_error(folder, planned, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("prosect.planning.contents._sha256", refuse)
    with pytest.raises(ProsectError, match=r"cannot be read: Permission denied"):
        planned()
