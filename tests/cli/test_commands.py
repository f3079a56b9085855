"""What the commands print, and how they hang together: plan, run, show, export, and back to plan."""

from __future__ import annotations

import gc
import json
from pathlib import Path

import pytest

from prosect.cli import main


@pytest.fixture
def call(folder, capsys):
    """Run a command in this process: exit code, stdout, stderr."""

    def call(*arguments: str) -> tuple[int, str, str]:
        code = main(arguments)
        out, error = capsys.readouterr()
        return code, out, error

    return call


def first_step(call, *arguments: str) -> dict:
    return json.loads(call("plan", "spec.yaml", "--json", *arguments)[1])["steps"][0]


def test_a_plan_is_a_table_with_where_results_go(call, folder):
    code, out, error = call("plan", "spec.yaml")
    assert (code, error) == (0, "")
    lines = out.splitlines()
    assert lines[0].split() == ["step", "tokens", "layers", "×", "components", "bytes", "state", "why"]  # noqa: RUF001 - as printed
    assert lines[1].split()[:2] == ["tiny/factors", f"~{-(-(folder / 'ids.jsonl').stat().st_size // 6)}"]
    assert lines[1].endswith("new    not in the store")
    assert lines[-1] == f"store: {folder / 'results.zarr'}; ~ is estimated, --tokenise counts"


def test_a_plan_as_json_says_the_same(call, folder):
    step = first_step(call)
    assert step["node"] == "tiny/factors"
    assert step["layers"] == {"main": [0, 1, 2]}
    assert step["components"] == {"main": 4}
    assert (step["state"], step["exact"]) == ("new", False)
    assert len(step["digest"]) == 64


def test_an_unknown_model_is_shown_as_such(call):
    _, out, _ = call("plan", "spec.yaml", "--set", "models.tiny={load: owner/name}")
    assert "unknown until loaded" in out
    assert "?" in out
    step = first_step(call, "--set", "models.tiny={load: owner/name}")
    assert (step["layers"], step["components"], step["bytes"], step["digest"]) == (None, None, None, None)


def test_counted_tokens_are_exact(call, folder):
    rows = [json.loads(row)["input_ids"] for row in (folder / "ids.jsonl").read_text().splitlines()]
    step = first_step(call, "--tokenise")
    assert (step["tokens"], step["exact"]) == (sum(map(len, rows)), True)
    _, out, _ = call("plan", "spec.yaml", "--tokenise")
    assert "~" not in out


def test_every_plugin_of_a_kind_is_listed_with_its_options(call):
    code, out, _ = call("plugins", "decompositions")
    assert code == 0
    assert out.startswith("decompositions\n")
    assert "sum_of_factors" in out
    assert "by='kind'" in out
    assert "metrics" not in out
    _, out, _ = call("plugins")
    assert [line for line in out.splitlines() if not line.startswith((" ", "name")) and line] == [
        "architectures",
        "decompositions",
        "metrics",
        "corpora",
    ]


def test_plugins_as_json_have_all_that_is_known(call):
    found = json.loads(call("plugins", "metrics", "--json")[1])
    assert {plugin["kind"] for plugin in found["plugins"]} == {"metrics"}
    assert found["broken"] == []


def test_the_schema_knows_the_installed_plugins(call):
    schema = json.loads(call("schema")[1])
    assert schema["$schema"].endswith("2020-12/schema")
    assert "sum_of_factors" in schema["$defs"]["AnalysisSpec"]["properties"]["decomposition"]["anyOf"][0]["enum"]
    assert "token_ids" in json.dumps(schema["$defs"]["CorpusSpec"])


@pytest.mark.parametrize("command", ["run", "check", "plan", "show", "export", "plugins", "schema"])
def test_every_command_has_help_with_an_example(capsys, command):
    with pytest.raises(SystemExit) as stop:
        main([command, "--help"])
    assert stop.value.code == 0
    assert f"example:\n  prosect {command}" in capsys.readouterr().out


def test_check_as_json_counts(call):
    found = json.loads(call("check", "spec.yaml", "--json")[1])
    assert found == {
        "ok": True,
        "spec": "spec.yaml",
        "models": 1,
        "corpora": 1,
        "analyses": 1,
        "steps": 1,
        "problems": [],
    }


def test_from_a_plan_to_results_and_back(call, folder):
    code, out, error = call("run", "spec.yaml")
    assert code == 0
    lines = out.splitlines()
    assert lines[0].startswith("tiny/factors: importance, mean over ")
    assert lines[1].split() == ["layer", "input", "attention", "feed_forward", "bias"]
    assert [line.split()[0] for line in lines[2:5]] == ["0", "1", "2"]
    assert lines[-1] == f"1 step computed; results: {folder / 'results.zarr'}"
    assert "prosect: tiny/factors: finished" in error

    assert first_step(call)["state"] == "done"
    code, out, _ = call("run", "spec.yaml", "--quiet", "--json")
    assert (code, json.loads(out)["computed"], json.loads(out)["untouched"]) == (0, [], ["tiny/factors"])

    code, out, _ = call("show", "results.zarr")
    assert code == 0
    assert "tiny/factors  finished" in out
    assert json.loads(call("show", "results.zarr", "--json")[1])["nodes"][0]["path"] == "tiny/factors"

    assert call("export", "results.zarr", "f.nc", "--node", "tiny/factors") == (0, "", "prosect: wrote f.nc\n")
    assert Path("f.nc").stat().st_size > 1000
    code, _, error = call("export", "results.zarr", "f.nc")
    assert code == 2
    assert "exists already" in error
    assert call("export", "results.zarr", "f.nc", "--overwrite")[0] == 0

    change = ("--set", "analyses.factors.layers=[0, 1]")
    before = sorted(path.stat().st_mtime_ns for path in Path("results.zarr").rglob("*"))
    code, out, error = call("run", "spec.yaml", *change)
    assert (code, out) == (2, "")
    assert (
        "tiny/factors: layers.main was [0, 1, 2] and is now [0, 1]; --replace tiny/factors computes it again" in error
    )
    assert sorted(path.stat().st_mtime_ns for path in Path("results.zarr").rglob("*")) == before
    assert first_step(call, *change)["state"] == "changed"
    code, out, _ = call("run", "spec.yaml", *change, "--replace", "tiny/factors", "--quiet")
    assert code == 0
    assert len(out.splitlines()) == 6


def test_steps_beyond_the_first_few_are_named_by_their_number(call):
    seeds = "models.tiny.matrix={seed: [1, 2, 3, 4, 5]}"
    code, out, _ = call("run", "spec.yaml", "--quiet", "--set", seeds)
    assert code == 0
    assert out.count("importance, mean over") == 4
    assert "and 1 more step: prosect show " in out
    assert out.splitlines()[-1].startswith("5 steps computed; results: ")


def test_a_step_without_a_fitting_variable_has_no_table(call, folder):
    code, out, _ = call("run", "spec.yaml", "--quiet", "--set", "analyses.factors.metrics=[dot]")
    assert (code, out) == (0, f"1 step computed; results: {folder / 'results.zarr'}\n")


def test_a_model_that_is_not_at_hand_stops_no_counting_of_others(call, folder):
    (folder / "more.yaml").write_text("prosect: 1\ninclude: [spec.yaml]\nmodels: {far: {load: owner/name}}\n")
    code, out, error = call("plan", "more.yaml", "--tokenise", "--set", "analyses.factors.decomposition=none")
    assert (code, error) == (0, "")
    tokens = {line.split()[0]: line.split()[1] for line in out.splitlines()[1:3]}
    assert tokens["far/factors"].startswith("~")
    assert not tokens["tiny/factors"].startswith("~")


def test_a_fault_of_a_corpus_names_it_and_the_model(call, folder):
    (folder / "ids.jsonl").write_text("\n")
    for command in (("run", "spec.yaml"), ("plan", "spec.yaml", "--tokenise")):
        code, _, error = call(*command)
        assert (code, error) == (2, "prosect: error: model 'tiny', corpus 'ids': the corpus has no sentence\n")


def test_garbage_is_collected_again_after_a_short_command(capsys):
    assert main(["plugins"]) == 0
    assert gc.isenabled()
    assert "sum_of_factors" in capsys.readouterr().out
