"""Whether a step will run, judged from what a store remembers of it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from prosect.errors import StoreError
from prosect.planning.records import JOURNAL, SCHEMA, SCHEMA_VERSION, step_folder
from prosect.planning.states import installed_versions, refuse_changes
from prosect.results.layout import SCHEMA as RESULTS_SCHEMA
from prosect.results.layout import SCHEMA_VERSION as RESULTS_VERSION
from support.records import remember_step

OUT = "results.zarr"


def remember(folder: Path, step, **left) -> None:
    remember_step(folder / OUT, step, **left)


@pytest.fixture
def step(planned):
    return planned(out=OUT).steps[0]


def judged(planned, **given):
    (found,) = planned(out=OUT, **given).steps
    return found.state, found.why


def test_the_store_and_the_plan_speak_of_the_same_schema():
    assert (SCHEMA, SCHEMA_VERSION) == (RESULTS_SCHEMA, RESULTS_VERSION)


def test_a_step_the_store_does_not_have_is_new(planned):
    assert judged(planned) == ("new", "not in the store")


def test_a_finished_step_is_done(planned, folder, step):
    remember(folder, step, state="finished", units=8)
    assert judged(planned) == ("done", "finished, same digest")


def test_a_half_done_step_goes_on(planned, folder, step):
    remember(folder, step, units=3)
    assert judged(planned) == ("continue", "3 of 8 units are done")


def test_units_of_all_streams_count(planned, folder, step):
    remember(folder, step, units=3, streams={"encoder": 5, "main": 4})
    assert judged(planned) == ("continue", "3 of 9 units are done")


def test_a_changed_step_names_what_differs_and_what_to_do(planned, folder, step):
    remember(folder, step, state="finished", units=8)
    analyses = {"a": {"corpus": "c", "decomposition": {"name": "parts", "by": "head"}}}
    state, why = judged(planned, analyses=analyses)
    assert state == "changed"
    assert why == "decomposition.options.by was kind and is now head; --replace m/a computes it again"


def test_other_contents_are_shown_by_the_start_of_their_digests(planned, folder, step):
    remember(folder, step, state="finished", units=8)
    (folder / "a.txt").write_text("other")
    old, new = step.config["corpus"]["files"]["path"][0], planned().steps[0].config["corpus"]["files"]["path"][0]
    assert judged(planned)[1].startswith(f"corpus.files.path.0 was {old[:12]}… and is now {new[:12]}…;")


def test_many_differences_are_counted(planned, folder, step):
    remember(folder, step)
    analyses = {"a": {"corpus": "c", "decomposition": "blocks", "metrics": ["dot"], "layers": [2]}}
    _, why = judged(planned, analyses=analyses)
    assert why.count(" was ") == 3
    assert " more; --replace m/a computes it again" in why


def test_what_came_and_what_went_is_said(planned, folder, step):
    remember(folder, step)
    _, why = judged(planned, analyses={"a": {"corpus": "c", "decomposition": "parts", "metrics": ["cosine"]}})
    assert "metrics.norm.name was norm and is now absent" in why


def test_a_step_to_replace_will_run(planned, folder, step):
    remember(folder, step, state="finished", units=8)
    assert judged(planned, replace=["m/a"]) == ("replace", "to be computed again, as asked")
    analyses = {"a": {"corpus": "c", "decomposition": "blocks"}}
    assert judged(planned, replace=["m/a"], analyses=analyses)[0] == "replace"


def test_a_step_to_replace_that_is_not_there_is_new(planned):
    assert judged(planned, replace=["m/a"]) == ("new", "not in the store")


def test_without_weights_at_hand_nothing_can_be_told(planned, folder, step):
    remember(folder, step, state="finished", units=8)
    (folder / "toy" / "model.safetensors").unlink()
    assert judged(planned) == ("unknown", "cannot tell until model.weights can be read")


def test_a_model_that_is_not_at_hand_is_no_changed_one(planned, folder, step):
    remember(folder, step, state="finished", units=8)
    found = judged(planned, models={"m": {"load": "owner/name"}})
    assert found == ("unknown", "cannot tell until the model is at hand")


def test_a_known_difference_is_told_even_where_other_parts_are_unknown(planned, folder, step):
    remember(folder, step, state="finished", units=8)
    (folder / "toy" / "model.safetensors").unlink()
    state, why = judged(planned, analyses={"a": {"corpus": "c", "decomposition": "parts", "layers": [0]}})
    assert state == "changed"
    assert "model.weights" not in why


def test_a_half_done_step_does_not_go_on_under_other_versions(planned, folder, step):
    remember(folder, step, units=3, versions={**installed_versions(), "torch": "0.1"})
    state, why = judged(planned)
    assert state == "changed"
    assert why.startswith("torch was 0.1 and is now ")
    assert "--replace m/a" in why


def test_a_finished_step_stays_under_other_versions(planned, folder, step):
    remember(folder, step, state="finished", units=8, versions={"torch": "0.1"})
    assert judged(planned)[0] == "done"


def test_steps_are_judged_one_by_one(planned, folder, step):
    remember(folder, step, state="finished", units=8)
    analyses = {name: {"corpus": "c", "decomposition": "parts"} for name in ("a", "b")}
    plan = planned(out=OUT, analyses=analyses)
    assert [(found.node, found.state) for found in plan.steps] == [("m/a", "done"), ("m/b", "new")]


def test_changes_stop_a_run_before_it_begins(planned, folder, step):
    refuse_changes(planned(out=OUT))
    remember(folder, step)
    changed = planned(out=OUT, analyses={"a": {"corpus": "c", "decomposition": "parts", "layers": 0}})
    with pytest.raises(StoreError) as caught:
        refuse_changes(changed)
    assert caught.value.exit_code == 2
    assert "m/a: layers.main" in str(caught.value)
    assert "--replace m/a" in str(caught.value)
    assert str(folder / OUT) in str(caught.value)


def store_with(folder: Path, text: str) -> None:
    (folder / OUT / JOURNAL).mkdir(parents=True)
    (folder / OUT / JOURNAL / "store.json").write_text(text)


def test_a_folder_of_someone_else_is_refused(planned, folder):
    (folder / OUT).mkdir()
    (folder / OUT / "thesis.tex").touch()
    with pytest.raises(StoreError, match="is no store of prosect, and not empty: choose another folder with --out"):
        planned(out=OUT)


def test_a_file_is_refused(planned, folder):
    (folder / OUT).touch()
    with pytest.raises(StoreError, match="is a file"):
        planned(out=OUT)


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), lambda path: (path / JOURNAL).mkdir(parents=True)])
def test_an_empty_folder_and_the_start_of_a_store_are_taken(planned, folder, make):
    make(folder / OUT)
    assert judged(planned)[0] == "new"


def test_a_store_of_another_version_is_refused(planned, folder):
    store_with(folder, json.dumps({"schema": SCHEMA, "schema_version": 99}))
    with pytest.raises(StoreError, match=f"holds {SCHEMA} version 99, and this prosect writes {SCHEMA} version 1"):
        planned(out=OUT)


@pytest.mark.parametrize("text", ["{", "[]", "{}", "null"])
def test_a_store_that_does_not_say_what_it_is_is_refused(planned, folder, text):
    store_with(folder, text)
    with pytest.raises(StoreError, match="cannot be read"):
        planned(out=OUT)


@pytest.mark.parametrize("text", ["{", "[]", '{"node": "m/a"}', "\x00"])
def test_a_damaged_record_is_an_error(planned, folder, step, text):
    remember(folder, step)
    (step_folder(folder / OUT, "m/a") / "step.json").write_text(text)
    with pytest.raises(StoreError, match=r"the journal of .* is damaged"):
        planned(out=OUT)


def test_a_plan_writes_nothing_into_the_store(planned, folder):
    planned(out=OUT)
    assert not (folder / OUT).exists()


def test_layers_are_named_as_a_whole(planned, folder, step):
    remember(folder, step, state="finished", units=8)
    _, why = judged(planned, analyses={"a": {"corpus": "c", "decomposition": "parts", "layers": [1, 2]}})
    assert why == "layers.main was [0, 1, 2, 3, 4, 5, 6] and is now [1, 2]; --replace m/a computes it again"
