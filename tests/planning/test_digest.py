"""Digests change with what numbers depend on, and with nothing else."""

from __future__ import annotations

import json
import shutil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prosect.planning.digest import UNKNOWN, canonical, digest, flat, step_digest, unknown_parts

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), JSON))
def test_the_order_of_keys_does_not_matter(value):
    assert digest(dict(reversed(list(value.items())))) == digest(value)


@given(JSON, JSON)
def test_two_values_share_their_canonical_form_only_if_they_are_the_same_json(one, other):
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (canonical(one) == canonical(other)) is same


def test_a_digest_is_the_sha256_of_canonical_json():
    # sha256sum of {"a":[1,"\u00e4"],"b":null}
    assert canonical({"b": None, "a": [1, "ä"]}) == '{"a":[1,"\\u00e4"],"b":null}'
    assert digest({}) == "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a"


def test_nested_values_become_dotted_names():
    value = {"a": {"b": 1, "c": []}, "d": [{"name": "x", "y": 2}], "e": [5, 6], "f": [{"name": "x"}, {"name": "x"}]}
    assert flat(value) == {
        "a.b": 1,
        "a.c": [],
        "d.x.name": "x",
        "d.x.y": 2,
        "e": [5, 6],
        "f.0.name": "x",
        "f.1.name": "x",
    }


def test_an_unknown_part_leaves_the_digest_unknown():
    config = {"a": 1, "b": {"c": UNKNOWN, "d": [UNKNOWN]}}
    assert unknown_parts(config) == ("b.c", "b.d.0")
    assert step_digest(config) is None
    assert step_digest({"a": 1}) == digest({"a": 1})


def analysis(**more):
    return {"a": {"corpus": "c", "decomposition": "parts", **more}}


@pytest.fixture
def step_hash(planned):
    """Digest of the only step of a plan."""

    def find(**given):
        (step,) = planned(**given).steps
        found = step_digest(step.config)
        assert found is not None
        return found

    return find


CHANGES = {
    "dtype": {"models": {"m": {"load": "./toy", "dtype": "float64"}}},
    "random weights": {"models": {"m": {"load": "./toy", "init": "random"}}},
    "remote code": {"models": {"m": {"load": "./toy", "trust_remote_code": True}}},
    "configuration": {"models": {"m": {"load": "./toy", "config": {"dropout": 0.5}}}},
    "tokenizer": {"models": {"m": {"load": "./toy", "tokenizer": "./pair"}}},
    "corpus": {"corpora": {"c": {"kind": "lines", "path": "b.txt"}}},
    "kind of corpus": {"corpora": {"c": {"kind": "ids", "path": "a.txt"}}},
    "option of the corpus": {"corpora": {"c": {"kind": "lines", "path": "a.txt", "unit": "paragraph"}}},
    "limit": {"corpora": {"c": {"kind": "lines", "path": "a.txt", "limit": 3}}},
    "mask": {"corpora": {"c": {"kind": "lines", "path": "a.txt", "mask": {}}}},
    "decomposition": {"analyses": analysis(decomposition="blocks", metrics=["norm", "cosine"])},
    "option": {"analyses": analysis(decomposition={"name": "parts", "by": "head"})},
    "metrics": {"analyses": analysis(metrics=["norm"])},
    "option of a metric": {"analyses": analysis(metrics=["cosine", {"name": "norm", "order": 1}])},
    "layers": {"analyses": analysis(layers="0-5")},
    "kept vectors": {"analyses": analysis(keep=["terms"])},
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_numbers_depend_on_changes_the_digest(step_hash, folder, change):
    (folder / "pair" / "tokenizer.json").write_text("other")
    assert step_hash(**CHANGES[change]) != step_hash()


SAME = {
    "names": {
        "models": {"other": {"load": "./toy"}},
        "corpora": {"d": {"kind": "lines", "path": "a.txt"}},
        "analyses": {"b": {"corpus": "d", "decomposition": "parts"}},
    },
    "layers in other words": {"analyses": analysis(layers=["0-3", 4, -2, -1])},
    "order of metrics": {"analyses": analysis(metrics=["cosine", {"name": "norm", "order": 2}])},
    "defaults": {"analyses": analysis(decomposition={"name": "parts", "by": "kind"})},
    "seed without random weights": {"models": {"m": {"load": "./toy", "seed": 5}}},
    "revision of a folder": {"models": {"m": {"load": "./toy", "revision": "x"}}},
    "tokenizer from the same folder": {"models": {"m": {"load": "./toy", "tokenizer": "./toy"}}},
    "batches": {"compute": {"batch_tokens": 7, "unit_tokens": 70, "device": "cpu"}},
    "store": {"store": {"path": "x"}},
    "path of the corpus": {"corpora": {"c": {"kind": "lines", "path": "copy.txt"}}},
    "folder of the model": {"models": {"m": {"load": "./copy"}}},
}


@pytest.mark.parametrize("change", SAME)
def test_what_numbers_do_not_depend_on_leaves_the_digest(step_hash, folder, change):
    shutil.copy(folder / "a.txt", folder / "copy.txt")
    shutil.copytree(folder / "toy", folder / "copy")
    assert step_hash(**SAME[change]) == step_hash()


def test_where_a_configuration_was_saved_does_not_matter(step_hash, folder):
    before = step_hash()
    config = json.loads((folder / "toy" / "config.json").read_text())
    marks = {"_name_or_path": "x", "transformers_version": "9"}
    (folder / "toy" / "config.json").write_text(json.dumps({**config, **marks}))
    assert step_hash() == before


@pytest.mark.parametrize("name", ["toy/model.safetensors", "toy/tokenizer.json", "a.txt"])
def test_other_contents_under_the_same_name_change_the_digest(step_hash, folder, name):
    before = step_hash()
    (folder / name).write_bytes((folder / name).read_bytes() + b" ")
    assert step_hash() != before


def test_the_seed_counts_for_random_weights_and_no_file_does(step_hash, folder):
    random = {"models": {"m": {"load": "./toy", "init": "random", "seed": 1}}}
    before = step_hash(**random)
    (folder / "toy" / "model.safetensors").write_bytes(b"other")
    assert step_hash(**random) == before
    assert step_hash(models={"m": {"load": "./toy", "init": "random", "seed": 2}}) != before


def test_weights_that_are_not_there_leave_the_digest_unknown(planned, folder):
    (folder / "toy" / "model.safetensors").unlink()
    (step,) = planned().steps
    assert unknown_parts(step.config) == ("model.weights",)


def test_a_corpus_of_ids_needs_no_tokenizer(planned):
    (step,) = planned(corpora={"c": {"kind": "ids", "path": "ids.jsonl"}}).steps
    assert "tokenizer" not in step.config


def test_a_configuration_is_plain_json(planned):
    (step,) = planned(analyses=analysis(keep=["terms"])).steps
    assert json.loads(canonical(step.config)) == step.config
