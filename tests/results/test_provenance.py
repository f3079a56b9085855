"""The root says where results come from, also after a store was extended."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace

from prosect.results.provenance import Provenance, digest, package_versions, root_attributes

FIRST = Provenance(
    spec="models: {a: {load: x}}",
    packages={"torch": "2.13.0"},
    models={"a": {"load": "x", "revision": "main", "weights_digest": "sha256:00", "dtype": "float32", "seed": 0}},
    corpora={"notes": {"tokens": 10, "tokens_cut": 0}},
    device="cpu",
    time="2030-01-01T00:00:00+00:00",
    closure_max={"a/factors": 2e-7},
)
SECOND = replace(
    FIRST,
    spec="models: {b: {load: y}}",
    models={"b": {"load": "y"}},
    corpora={},
    closure_max={"b/factors": float("nan")},
    time="2030-01-02T00:00:00+00:00",
)


def test_the_root_holds_what_the_contract_names():
    found = root_attributes(FIRST)
    assert found["schema"] == "prosect-results"
    assert found["schema_version"] == 1
    assert found["spec"] == FIRST.spec
    assert found["spec_digest"] == "sha256:" + hashlib.sha256(FIRST.spec.encode()).hexdigest()
    assert found["models"]["a"]["weights_digest"] == "sha256:00"
    assert found["packages"] == {"torch": "2.13.0"}
    assert found["closure_max"] == {"a/factors": 2e-7}
    assert (found["device"], found["time"]) == ("cpu", "2030-01-01T00:00:00+00:00")
    assert found["history"] == []


def test_an_extended_store_remembers_both_runs():
    before = root_attributes(FIRST)
    found = root_attributes(SECOND, before)
    assert found["spec"] == SECOND.spec
    assert set(found["models"]) == {"a", "b"}
    assert found["corpora"] == before["corpora"]
    assert found["closure_max"] == {"a/factors": 2e-7, "b/factors": "NaN"}
    assert [earlier["spec"] for earlier in found["history"]] == [FIRST.spec]
    assert found["history"][0]["time"] == FIRST.time
    third = root_attributes(FIRST, found)
    assert [earlier["spec"] for earlier in third["history"]] == [FIRST.spec, SECOND.spec]


def test_continuing_with_the_same_spec_writes_no_history():
    found = root_attributes(replace(FIRST, time="later"), root_attributes(FIRST))
    assert found["history"] == []
    assert found["time"] == "later"


def test_everything_is_json():
    found = root_attributes(SECOND, root_attributes(FIRST))
    assert json.loads(json.dumps(found, allow_nan=False)) == found


def test_a_digest_is_of_the_text():
    assert digest("a") == digest("a") != digest("b")


def test_versions_of_what_is_installed():
    found = package_versions(["numpy", "no-such-package-of-any-kind"])
    assert set(found) == {"numpy"}
    assert found["numpy"][0].isdigit()
