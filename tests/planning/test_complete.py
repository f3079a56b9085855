"""What a plan did not know is filled in once models are at hand."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from prosect.errors import ModelError, SpecError
from prosect.planning.build import complete
from prosect.planning.digest import step_digest
from prosect.planning.inputs import Supplied
from support.fake_plugins import registry
from support.records import remember_step

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOY = {"model_type": "toy", "layers": 6, "width": 8, "heads": 2}


@pytest.fixture
def download(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """Put a model into the hub's cache, as loading it would."""
    monkeypatch.setenv("HF_HUB_CACHE", str(folder / "hub"))

    def put(config=TOY) -> None:
        repository = folder / "hub" / "models--owner--name"
        (repository / "refs").mkdir(parents=True)
        (repository / "refs" / "main").write_text(COMMIT)
        shutil.copytree(folder / "toy", repository / "snapshots" / COMMIT)
        (repository / "snapshots" / COMMIT / "config.json").write_text(json.dumps(config))

    return put


def hub(**more):
    return {"models": {"m": {"load": "owner/name", **more}}}


def test_a_downloaded_model_is_found_and_described(planned, download):
    plan = planned(**hub())
    assert step_digest(plan.steps[0].config) is None
    download()
    (step,) = complete(plan, registry=registry()).steps
    assert step.layers == (0, 1, 2, 3, 4, 5, 6)
    assert step.model.family.name == "toy"
    assert step.cost.bytes == 2 * 7 * 4 * 10 * 4
    assert step_digest(step.config) is not None


def test_a_downloaded_model_has_the_digest_of_the_same_model_in_a_folder(planned, download):
    plan = planned(**hub())
    download()
    local = planned().steps[0]
    assert step_digest(complete(plan, registry=registry()).steps[0].config) == step_digest(local.config)


def test_a_complete_plan_stays_as_it_is(planned):
    plan = planned()
    assert complete(plan, registry=registry()) == plan


def test_without_the_download_it_stays_unknown(planned, download):
    plan = planned(**hub())
    assert complete(plan, registry=registry()).steps[0].config["model"]["weights"] == "unknown until run"


@pytest.mark.parametrize(
    ("config", "analysis", "path", "says"),
    [
        (TOY, {"layers": 9}, "analyses.a.layers", "there is no layer 9: L is 6"),
        ({"model_type": "new"}, {}, "analyses.a.decomposition", "no plugin describes models of type 'new'"),
        (TOY, {"decomposition": "causal"}, "analyses.a.decomposition", "needs a causal model"),
    ],
)
def test_what_only_the_model_shows_to_be_wrong_is_a_problem_then(planned, download, config, analysis, path, says):
    plan = planned(**hub(), analyses={"a": {"corpus": "c", "decomposition": "parts", **analysis}})
    download(config)
    with pytest.raises(SpecError) as caught:
        complete(plan, registry=registry())
    assert [problem.path for problem in caught.value.problems] == [path]
    assert says in str(caught.value)


def test_the_full_configuration_of_a_loaded_model_describes_it(planned):
    short = {"model_type": "toy", "layers": 6}
    plan = planned(models={"m": {"init": "random", "config": short}})
    assert plan.steps[0].layers is None
    (step,) = complete(plan, registry=registry(), supplied={"m": Supplied(config=TOY)}).steps
    assert step.layers == (0, 1, 2, 3, 4, 5, 6)
    assert step.model.config == short


def test_a_full_configuration_that_still_cannot_be_described_is_a_problem(planned):
    plan = planned(models={"m": {"init": "random", "config": {"model_type": "toy"}}})
    with pytest.raises(SpecError, match="KeyError: 'layers'"):
        complete(plan, registry=registry(), supplied={"m": Supplied(config={"model_type": "toy"})})


def test_digests_are_taken_from_the_content_itself(planned, folder):
    plan = planned()
    (folder / "a.txt").write_text("other")
    assert complete(plan, registry=registry()).steps[0].config != plan.steps[0].config


def test_a_model_in_memory_is_known_by_the_digests_it_comes_with(planned):
    plan = planned(models={"m": {}}, in_memory={"m": TOY})
    supplied = {"m": Supplied(weights="w", tokenizer="t")}
    (step,) = complete(plan, registry=registry(), supplied=supplied).steps
    assert step.config["model"]["weights"] == "w"
    assert step_digest(step.config) is not None


def test_a_counted_cost_is_kept(planned):
    plan = planned(counter=lambda *_: {"main": 77})
    assert complete(plan, registry=registry()).steps[0].cost.tokens == 77


def test_a_step_to_replace_is_still_to_be_replaced(planned, folder):
    plan = planned(out="r.zarr")
    remember_step(folder / "r.zarr", plan.steps[0], state="finished", units=8)
    again = complete(planned(out="r.zarr", replace=["m/a"]), registry=registry())
    assert again.steps[0].state == "replace"


def test_a_download_that_is_no_model_is_an_error(planned, download, folder):
    plan = planned(**hub())
    download()
    (folder / "hub" / "models--owner--name" / "snapshots" / COMMIT / "config.json").write_text("{")
    with pytest.raises(ModelError, match="cannot be read as JSON"):
        complete(plan, registry=registry())
