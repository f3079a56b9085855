"""The published numbers of Mickus & Vázquez 2023 from their published curves."""

from __future__ import annotations

import csv

import numpy as np
import pytest

import prosect
from support.published import CURVES, FILES, bleu, curves

PAIRS = [("s0-eng", "s1-eng"), ("s0-eng", "sla-eng"), ("s1-eng", "sla-eng")]


def published() -> list[dict[str, str]]:
    with (CURVES / "dtw-distances.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def distances(pair: tuple[str, str], **where):
    first, second = map(curves, pair)
    options = {"scale": "before", "until": 585_000, "where": where}
    return prosect.derive("dynamic_time_warping", first, second, **options).dynamic_time_warping


def deviation(found, layers) -> tuple[int, float]:
    rows = [row for row in published() if (row["model1"], row["model2"]) in found]
    gaps = [
        abs(float(found[row["model1"], row["model2"]].sel(variable=row["metric"], component=row["component"], layer=n)))
        / float(row[f"layer{n}"])
        - 1
        for row in rows
        if row["metric"] in ("cosine", "norm_ratio", "spim")
        for n in layers
    ]
    return len(gaps), float(np.abs(gaps).max())


def test_the_published_distances_at_the_last_layer_come_out():
    number, worst = deviation({pair: distances(pair, layer=6) for pair in PAIRS}, [6])
    assert number == 45
    assert worst < 1e-9


@pytest.mark.slow
def test_all_published_distances_come_out():
    number, worst = deviation({pair: distances(pair) for pair in PAIRS}, range(1, 7))
    assert number == 270
    assert worst < 1e-9


def test_several_runs_are_compared_in_pairs_and_cut_where_the_first_one_ends():
    runs = [curves(run) for run in FILES]
    where = {"layer": 6, "component": ["T"]}
    found = prosect.derive(
        "dynamic_time_warping", *runs, scale="before", until="common", where=where, variables=["cosine"]
    )
    assert [*zip(found.run.values, found.other_run.values, strict=True)] == [("0", "1"), ("0", "2"), ("1", "2")]
    for place, pair in enumerate(PAIRS):
        expected = distances(pair, **where).sel(variable="cosine").squeeze()
        assert float(found.dynamic_time_warping[0, place].squeeze()) == pytest.approx(float(expected), rel=1e-12)


# Layer 6, BLEU, 1,000 random pairs, 10 draws: published correlations x 100, with the sign of mean - value.
CORRELATIONS = {
    "cosine": {"I": (49, 34, -10), "S": (72, 68, 51), "T": (35, 37, 7), "F": (46, 56, 53), "C": (25, -10, 16)},
    "norm_ratio": {
        "I": (-60, -68, -56),
        "S": (57, 55, 29),
        "T": (-74, -80, -65),
        "F": (-58, -32, 2),
        "C": (-50, -59, -65),
    },
}
SUMS = {"cosine": (59, 54, 17), "norm_ratio": (68, 66, 56)}


@pytest.mark.parametrize("metric", CORRELATIONS)
def test_the_published_correlations_with_bleu_come_out_within_the_noise_of_their_draws(metric):
    for place, run in enumerate(FILES):
        found = prosect.derive(
            "pair_correlation",
            curves(run),
            bleu().sel(run=run, drop=True),
            against="bleu",
            variables=[metric],
            where={"layer": 6},
            scale="mean_minus_value",
            number=4000,
            repetitions=3,
        )
        rho = found.pair_correlation.squeeze(drop=True)
        for component, expected in {**CORRELATIONS[metric], "l1": SUMS[metric]}.items():
            assert float(rho.sel(component=component)) == pytest.approx(expected[place] / 100, abs=0.045), component
        assert found.attrs["seeds"] == [0, 1, 2]
