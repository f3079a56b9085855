"""The page of closures says what the script that writes it measures."""

import re

import pytest

from prosect.plugins.registry import implementation, load_registry
from prosect.plugins.support import example_of
from prosect.terms.closure import tolerance
from prosect.testing.closing import label_choices
from prosect.testing.models import whole_config
from support.benchmarks import loaded
from support.pages import ROOT

PAGE = (ROOT / "docs" / "benchmarks" / "closure.md").read_text(encoding="utf-8")
REGISTRY = load_registry()


@pytest.fixture(scope="module")
def closure():
    with loaded("closure") as module:
        yield module


def tables():
    """Cells by dtype and row of the page."""
    for dtype in ("float64", "float32"):
        lines = PAGE.partition(f"## {dtype}\n\n")[2].partition("\n\n")[0].splitlines()
        yield (
            dtype,
            {cells[0]: cells[1:] for cells in ([c.strip() for c in line.split("|")[1:-1]] for line in lines[2:])},
        )


def test_every_configuration_is_on_the_page(closure):
    names = [name for name, _ in closure.configurations(REGISTRY)]
    assert {name.partition(" ")[0] for name in names} == {f.name for f in REGISTRY.declarations("architectures")}
    for _, rows in tables():
        assert list(rows) == names


def test_nothing_on_the_page_is_beyond_the_tolerance(closure):
    configurations = dict(closure.configurations(REGISTRY))
    for dtype, rows in tables():
        for name, cells in rows.items():
            config = configurations[name]
            limit = tolerance(
                dtype, implementation(REGISTRY.architecture_for(config["model_type"]))(whole_config(config))
            )
            assert len(cells) == len(closure.COLUMNS)
            assert all(0 < float(cell) < limit for cell in cells if cell)
            assert cells.count("") == (0 if whole_config(config).get("is_encoder_decoder") else 2)


def test_every_column_is_a_choice_of_labels(closure):
    family = REGISTRY.architecture_for("marian")
    architecture = implementation(family)(example_of(family))
    for name, options in closure.COLUMNS.values():
        assert options in label_choices(REGISTRY.find("decompositions", name), architecture)


def test_the_script_measures_what_the_page_says(closure):
    family = REGISTRY.architecture_for("gpt2")
    found = closure.measured(REGISTRY, example_of(family), "float64")
    for column, cell in zip(closure.COLUMNS.values(), dict(tables())["float64"]["gpt2"], strict=True):
        if not cell:
            continue
        assert float(cell) / 20 < float(closure.worst(found, column)) < 20 * float(cell)


def test_reasons_on_the_page_are_those_of_the_descriptions(closure):
    said = PAGE.partition("## What is refused\n\n")[2].strip().splitlines()
    assert said == list(closure.refusals(REGISTRY))
    assert len(said) == len(closure.REFUSED)


def test_the_page_says_when_and_with_what_it_was_made(closure):
    assert re.search(r"^\d{4}-\d\d-\d\d · prosect \S+ torch \S+ transformers \S+ · CPU", PAGE, re.M)
    assert closure.COMMAND in PAGE
