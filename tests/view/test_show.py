"""What ``prosect show`` says of a store."""

from __future__ import annotations

import json
import re

import pytest

import prosect
from prosect.errors import StoreError
from prosect.store.store import Store
from prosect.view.show import as_json, show, size


def test_the_text_shows_tree_sizes_types_closure_and_state(stored):
    text = show(stored.path)
    assert text.startswith(f"{stored.path}  prosect-results 1, ")
    assert re.search(r"^bert/factors  finished, closure 4\.0e-07 \(tolerance 5e-06\), [\d.]+ kB$", text, re.M)
    assert re.search(r"^bert/late  2 of 4 units, closure 2\.0e-07 \(tolerance 5e-06\)", text, re.M)
    assert re.search(r"^nmt/factors/decoder  finished", text, re.M)
    assert "  layer 2, component 3, token 27\n" in text
    assert re.search(r"^  importance  \(layer, component, token\)  float32  +[\d.]+ k?B$", text, re.M)
    assert "  on token: position, sentence, special, text, word" in text
    assert "  on component: block, kind" in text


def test_the_record_has_the_same_content(stored):
    found = as_json(str(stored.path))
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    nodes = {node["path"]: node for node in found["nodes"]}
    assert set(nodes) == {"bert/factors", "bert/late", "nmt/factors/encoder", "nmt/factors/decoder"}
    late = nodes["bert/late"]
    assert (late["state"], late["units_done"], late["units"]) == ("allocated", 2, 4)
    assert late["closure_max"] == 2e-7
    assert late["sizes"] == {"layer": 2, "component": 3, "token": 27}
    assert [variable["name"] for variable in late["variables"]] == ["importance"]
    assert late["variables"][0]["dtype"] == "float32"
    assert 0 < late["bytes"] < found["bytes"]


def test_bytes_are_those_on_disk(stored):
    found = {node["path"]: node for node in as_json(stored.path)["nodes"]}["bert/factors"]
    files = [file for file in (stored.path / "bert/factors").rglob("*") if file.is_file()]
    assert found["bytes"] == sum(file.stat().st_size for file in files)


def test_a_store_without_steps_says_so(tmp_path):
    Store.open(tmp_path / "a.zarr", create=True).close()
    assert show(tmp_path / "a.zarr").endswith("no steps yet")


def test_what_is_no_store_is_a_clear_error(tmp_path):
    with pytest.raises(StoreError, match="not a store"):
        show(tmp_path)


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (2_140_000, "2.1 MB"), (6e15, "6000.0 TB")]
)
def test_bytes_in_words(number, text):
    assert size(number) == text


def test_a_variable_called_sentences_is_no_node_of_sentences(tmp_path):
    """Derived metrics count sentences; encoder-decoders have a node of that name."""
    config = {"model_type": "bert", "hidden_size": 24, "num_hidden_layers": 1, "num_attention_heads": 4}
    spec = {
        "prosect": 1,
        "models": {"m": {"init": "random", "config": {**config, "intermediate_size": 40, "vocab_size": 60}}},
        "corpora": {"c": {"kind": "inline", "sentences": [[1, 2, 3], [4, 5]]}},
        "analyses": {"maps": {"corpus": "c", "decomposition": "attention_maps", "metrics": ["norm"]}},
        "derived": {"change": {"name": "map_change", "of": "m/maps"}},
    }
    assert "sentences" in prosect.run(spec, tmp_path / "a.zarr", quiet=True)["derived/change"].data_vars
    assert [node["path"] for node in as_json(tmp_path / "a.zarr")["nodes"]] == ["derived/change", "m/maps"]
    assert "  the same for all: model, run" in show(tmp_path / "a.zarr")
