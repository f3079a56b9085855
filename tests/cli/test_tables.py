"""Plans and plugins as text, for plans and registries that the command line's own tests do not have."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from prosect.cli.plugin_tables import plugin_listing
from prosect.cli.tables import plan_record, plan_table
from prosect.planning.build import Request, plan_request
from prosect.plugins.declarations import BrokenPlugin, Origin
from prosect.plugins.loading import LoadedPlugin
from prosect.plugins.registry import Registry
from support.fake_plugins import metric, registry

PAIR = {"model_type": "toy", "layers": 2, "decoder_layers": 3, "width": 8, "heads": 2, "is_encoder_decoder": True}


@pytest.fixture
def plan(folder: Path):
    (folder / "a.txt").write_text("seven x\n" * 5)
    spec = {
        "prosect": 1,
        "models": {"nmt": {"init": "random", "config": PAIR}},
        "corpora": {"c": {"kind": "pairs", "source": "a.txt", "target": "a.txt"}},
        "analyses": {"a": {"corpus": "c", "decomposition": "parts", "metrics": ["norm"]}},
    }
    return plan_request(Request(source=spec, registry=registry(), out="r.zarr"))


def test_both_streams_are_shown(plan):
    line = plan_table(plan).splitlines()[1]
    assert line.split()[:3] == ["nmt/a", "~20", "3"]
    # components: input, attention, feed_forward, bias
    assert "3 × 4 + 4 × 4" in line  # noqa: RUF001 - as printed
    (step,) = plan_record(plan)["steps"]
    assert step["layers"] == {"encoder": [0, 1, 2], "decoder": [0, 1, 2, 3]}
    assert step["components"] == {"encoder": 4, "decoder": 4}


def test_a_plan_without_a_store_says_so(plan):
    assert "nothing is stored" in plan_table(replace(plan, store=None))
    assert plan_record(replace(plan, store=None))["store"] is None


def test_what_is_unknown_is_null(plan):
    step = plan.steps[0]
    bare = replace(plan, steps=(replace(step, cost=replace(step.cost, tokens=None, bytes=None)),))
    assert plan_table(bare).splitlines()[1].split()[1] == "?"
    assert plan_record(bare)["steps"][0]["tokens"] is None


def test_what_is_broken_claimed_twice_or_slow_stands_below():
    broken = BrokenPlugin(Origin("lost", "1.0", "lost"), "module 'lost' is absent", ("loud",), "metrics")
    lost = LoadedPlugin(broken.origin, broken=(broken,))
    slow = LoadedPlugin(Origin("slow", "3.0", "slow"), heavy=("torch", "zarr"))
    found = plugin_listing(Registry.of([*registry(metric("norm")).plugins, lost, slow]), "metrics").split("\n\n")
    assert found[0].startswith("metrics\n")
    assert found[1:] == [
        "broken: lost 1.0 (lost) (loud): module 'lost' is absent",
        "claimed twice: metric 'norm' is claimed by fakes 1.0 (fakes) and others 2.0 (others); "
        "write 'fakes:norm' or 'others:norm'",
        "slow: importing slow 3.0 (slow) imports torch, zarr",
    ]
    assert "fakes:norm" in found[0]


def test_faults_of_another_kind_are_left_out():
    assert "claimed twice" not in plugin_listing(registry(metric("norm")), "corpora")


def test_a_kind_without_plugins_says_none():
    assert plugin_listing(Registry.of([]), "corpora") == "corpora\n  none"
