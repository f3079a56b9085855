"""Declarations are checked when they are registered; each fault names what is wrong."""

from __future__ import annotations

from dataclasses import replace
from string import ascii_letters, digits
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from prosect.plugins.declarations import (
    AnyDeclaration,
    ArchitectureDeclaration,
    CorpusDeclaration,
    DecompositionDeclaration,
    MetricDeclaration,
    Options,
    StreamOptions,
    Variable,
)
from prosect.plugins.validation import faults


class Path(Options):
    path: str


class Lenient(BaseModel):
    path: str


class Shadowing(Path):
    limit: int = 3


class Named(StreamOptions):
    name: str = "x"


VARIABLE = Variable(name="norm", dims=("component", "token"), long_name="norm")
COMMON = {"name": "good", "summary": "A good one.", "implementation": "package.module:function"}
GOOD: dict[str, AnyDeclaration] = {
    "architecture": ArchitectureDeclaration(**COMMON, model_types=("bert",)),
    "decomposition": DecompositionDeclaration(**COMMON, metrics=("norm",)),
    "metric": MetricDeclaration(**COMMON, produces=(VARIABLE,)),
    "corpus": CorpusDeclaration(**COMMON, options=Path),
}


def found(what: str, **changes: Any) -> tuple[str, ...]:
    declaration = replace(GOOD[what], **changes)
    return faults(declaration, type(declaration))


@pytest.mark.parametrize("what", GOOD)
def test_a_good_declaration_has_no_fault(what):
    assert found(what) == ()


@pytest.mark.parametrize(
    ("what", "changes", "fault"),
    [
        ("metric", {"name": "9lives"}, "name '9lives' must start with a letter"),
        ("metric", {"name": "a/b"}, "name 'a/b' must start with a letter and hold only letters"),
        ("metric", {"name": "naïve"}, "must start with a letter and hold only letters"),
        ("metric", {"name": ""}, "name '' must start with a letter"),
        ("metric", {"name": "norm\n"}, "must start with a letter"),
        ("metric", {"name": None}, "field 'name': Input should be a valid string"),
        ("metric", {"summary": " "}, "summary is empty"),
        ("metric", {"implementation": "module.function"}, "must have the form 'package.module:attribute'"),
        ("metric", {"implementation": "package.module:"}, "must have the form 'package.module:attribute'"),
        ("metric", {"implementation": "my-package.module:f"}, "must have the form 'package.module:attribute'"),
        ("metric", {"implementation": len}, "field 'implementation': Input should be a valid string"),
        ("metric", {"version": 0}, "version 0 must be 1 or more"),
        ("metric", {"version": "2"}, "field 'version': Input should be a valid integer"),
        ("metric", {"references": "Smith 2020"}, "field 'references': Input should be a valid tuple"),
        ("metric", {"references": ["Smith 2020"]}, "field 'references': Input should be a valid tuple"),
        ("metric", {"options": dict}, "field 'options': Input should be a subclass of BaseModel"),
        ("metric", {"options": Options()}, "field 'options': Input should be"),
        ("corpus", {"options": Lenient}, "options model Lenient must refuse unknown keys"),
        ("corpus", {"options": Shadowing}, "option 'limit' has the name of a key that the spec itself reads"),
        ("corpus", {"paths": ("file",)}, "paths names 'file', which is no option of Path"),
        ("corpus", {"tokenizer": "no"}, "field 'tokenizer': Input should be a valid boolean"),
        ("decomposition", {"options": Named}, "option 'name' has the name of a key that the spec itself reads"),
        ("decomposition", {"options": Path}, "options model Path must derive from prosect.api.StreamOptions"),
        ("decomposition", {"metrics": ("norm", "norm")}, "metrics names 'norm' twice"),
        ("decomposition", {"first_layer": 2}, "field 'first_layer': Input should be 0 or 1"),
        ("decomposition", {"captures": frozenset({"weights"})}, "field 'captures': Input should be"),
        ("architecture", {"model_types": ()}, "model_types must name at least one"),
        ("architecture", {"model_types": ("",)}, "none of them empty"),
        ("architecture", {"model_types": "bert"}, "field 'model_types': Input should be a valid tuple"),
        ("metric", {"produces": ()}, "produces is empty"),
        ("metric", {"produces": (VARIABLE, VARIABLE)}, "produces 'norm' twice"),
        ("metric", {"produces": ("norm",)}, "field 'produces': Input should be an instance of Variable"),
        ("metric", {"produces": (replace(VARIABLE, name="a b"),)}, "variable 'a b' must start with a letter"),
        ("metric", {"produces": (replace(VARIABLE, dims=["token"]),)}, "variable 'norm': field 'dims'"),
        ("metric", {"form": "accumulator"}, "variable 'norm' has the dimension 'token', which an accumulator"),
        (
            "metric",
            {"form": "accumulator", "produces": (replace(VARIABLE, dims=("a b",)),)},
            "dimension of variable 'norm' 'a b' must start with a letter",
        ),
        ("metric", {"produces": (replace(VARIABLE, dtype="int8"),)}, "variable 'norm': field 'dtype'"),
        ("metric", {"footprint": 3}, "field 'footprint': Input should be callable"),
        ("metric", {"form": "tokens"}, "field 'form': Input should be 'token', 'accumulator' or 'derived'"),
    ],
)
def test_a_fault_is_named(what, changes, fault):
    assert any(fault in said for said in found(what, **changes)), found(what, **changes)


@given(st.builds(str.__add__, st.sampled_from(ascii_letters), st.text(f"{ascii_letters}{digits}_-", max_size=12)))
def test_any_name_of_the_pattern_is_accepted(name):
    assert found("metric", name=name) == ()


@given(st.text(max_size=8).filter(lambda name: not name.replace("-", "a").replace("_", "a").isalnum()))
def test_any_name_with_other_characters_is_refused(name):
    assert found("metric", name=name) != ()


def test_a_subclass_whose_annotations_cannot_be_resolved_is_still_checked():
    class Odd(MetricDeclaration):
        extra: "Unknown"  # type: ignore[name-defined]  # noqa: F821, UP037 - it is what the test is about

    declaration = Odd(**COMMON, produces=())
    assert faults(declaration, MetricDeclaration) == ("produces is empty; a metric has at least one variable",)
