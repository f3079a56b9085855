"""What `prosect plugins` shows: rows for people, records for programs."""

from __future__ import annotations

import json

import pytest

from prosect.errors import PluginError
from prosect.plugins.declarations import DECLARATIONS
from prosect.plugins.listing import broken_rows, records, rows
from prosect.plugins.registry import load_registry


def test_rows_hold_name_summary_distribution_version_and_options():
    row = next(row for row in rows(load_registry(), "corpora") if row.name == "text")
    assert row.summary == "Running text, one sentence per line or per paragraph."
    assert row.distribution.startswith("prosect ")
    assert row.version == 1
    assert [option.name for option in row.options] == ["encoding", "path", "unit"]


def test_without_a_kind_all_kinds_are_listed_in_order():
    listed = [row.kind for row in rows(load_registry())]
    assert list(dict.fromkeys(listed)) == list(DECLARATIONS)


def test_a_kind_that_does_not_exist_is_an_error():
    with pytest.raises(PluginError, match="no kind of plugin 'metric'"):
        rows(load_registry(), "metric")


def test_names_that_two_distributions_claim_are_listed_qualified(install, source):
    install("first", {"first_metrics": source["metric"]("loudness")})
    install("second", {"second_metrics": source["metric"]("loudness")})
    registry = load_registry()
    listed = [row.name for row in rows(registry, "metrics")]
    assert {"first:loudness", "second:loudness"} < set(listed)
    assert "loudness" not in listed
    (conflict,) = records(registry, "metrics")["conflicts"]
    assert conflict.startswith("metric 'loudness' is claimed by")
    assert records(registry, "corpora")["conflicts"] == []


def test_broken_plugins_are_listed_with_their_reason(install, source):
    install("lost", {}, {"lost": "lost_package.plugin"})
    install("bad", {"bad_plugin": source["metric"]("1oud")})
    registry = load_registry()
    metrics = {row.plugin: row for row in broken_rows(registry, "metrics")}
    assert metrics["bad 1.0 (bad_plugin)"].names == ("1oud",)
    assert metrics["bad 1.0 (bad_plugin)"].kind == "metrics"
    assert "absent" in metrics["lost 1.0 (lost)"].reason
    assert [row.plugin for row in broken_rows(registry, "corpora")] == ["lost 1.0 (lost)"]
    assert "norm" in [row.name for row in rows(registry, "metrics")]


def test_records_are_json_with_the_schema_of_the_options():
    listed = json.loads(json.dumps(records(load_registry())))
    assert set(listed) == {"plugins", "broken", "conflicts", "heavy"}
    assert (listed["broken"], listed["heavy"]) == ([], [])
    text = next(plugin for plugin in listed["plugins"] if (plugin["kind"], plugin["name"]) == ("corpora", "text"))
    assert text["origin"]["distribution"] == "prosect"
    assert text["implementation"] == "prosect_plugins.corpora.text:read"
    assert "unit" in {option["name"] for option in text["options"]}
    assert {option["name"]: option["default"] for option in text["options"]}["unit"] == "line"
