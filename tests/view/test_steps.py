"""Training steps read off the names of checkpoints."""

from __future__ import annotations

import pytest

from prosect.view.steps import first_step, step_of


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("step1000", 1000),
        ("global_step1000", 1000),
        ("global-step-1000", 1000),
        ("checkpoint-500", 500),
        ("ckpt_500", 500),
        ("iter0001000", 1000),
        ("model.iter1000-eng", 1000),
        ("runs/s1/step3819", 3819),
        ("./runs/s1/1000", 1000),
        ("step_20k", 20_000),
        ("google/multiberts-seed_0-step_1900k", 1_900_000),
        ("step1000-tokens4B", 1000),
        ("step1M", 1_000_000),
        ("STEP7", 7),
        ("update.30", 30),
        ("run step1/step2", 2),
        ("step0", 0),
        ("main", None),
        ("seed_3", None),
        ("bert-base", None),
        ("footstep3", None),
        ("step3x", None),
        (1000, None),
        (None, None),
    ],
)
def test_a_name_states_its_step(name, step):
    assert step_of(name) == step


def test_the_first_name_with_a_step_counts():
    assert first_step(["main", 3, "step2", "step1"]) == 2
    assert first_step(["main"]) is None
