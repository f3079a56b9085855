"""The JSON Schema of a spec: of the right dialect, whole, and in agreement with what the loader takes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict

from prosect.spec.loading import read_spec
from prosect.spec.schema import DIALECT, spec_schema

#: Keywords of draft 2020-12 which the schema uses, with the types their values must have.
KEYWORDS: dict[str, tuple[type, ...]] = {
    "$schema": (str,),
    "$defs": (dict,),
    "$ref": (str,),
    "additionalProperties": (bool, dict),
    "anyOf": (list,),
    "oneOf": (list,),
    "not": (dict,),
    "const": (str, int),
    "default": (object,),
    "description": (str,),
    "enum": (list,),
    "exclusiveMinimum": (int, float),
    "items": (dict,),
    "maximum": (int, float),
    "minItems": (int,),
    "minLength": (int,),
    "minProperties": (int,),
    "minimum": (int, float),
    "pattern": (str,),
    "patternProperties": (dict,),
    "properties": (dict,),
    "propertyNames": (dict,),
    "required": (list,),
    "title": (str,),
    "type": (str,),
}


TYPES: dict[str, type | tuple[type, ...]] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "boolean": bool,
    "number": (int, float),
    "null": type(None),
}


class Inner(BaseModel):
    """Part of an option."""

    model_config = ConfigDict(extra="forbid")

    depth: int


class PartsOptions(BaseModel):
    """Options with a model inside."""

    model_config = ConfigDict(extra="forbid")

    by: Literal["kind", "head"] = "kind"
    inner: Inner | None = None


class LinesOptions(BaseModel):
    """Options with a required path."""

    model_config = ConfigDict(extra="forbid")

    path: str


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    return spec_schema(
        decompositions={"parts": PartsOptions},
        metrics={"norm": PartsOptions},
        derived={"drift": LinesOptions},
        corpora={"lines": LinesOptions},
    )


def parts(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every schema inside a schema."""
    yield schema
    for keyword in ("$defs", "properties", "patternProperties"):
        for inner in schema.get(keyword, {}).values():
            yield from parts(inner)
    for keyword in ("items", "not", "additionalProperties", "propertyNames"):
        if isinstance(schema.get(keyword), dict):
            yield from parts(schema[keyword])
    for keyword in ("anyOf", "oneOf"):
        for inner in schema.get(keyword, []):
            yield from parts(inner)


class Misfit(Exception):
    """A value does not fit its schema."""


def validate(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> None:
    """Check a value by the keywords that tell a right spec from a wrong one."""
    if "$ref" in schema:
        validate(value, root["$defs"][schema["$ref"].removeprefix("#/$defs/")], root)
    fits = {word: sum(_fits(value, inner, root) for inner in schema.get(word, [])) for word in ("anyOf", "oneOf")}
    if ("anyOf" in schema and not fits["anyOf"]) or ("oneOf" in schema and fits["oneOf"] != 1):
        raise Misfit(value)
    if "not" in schema and _fits(value, schema["not"], root):
        raise Misfit(value)
    _validate_scalar(value, schema)
    if isinstance(value, dict):
        _validate_object(value, schema, root)
    if isinstance(value, list):
        for item in value:
            validate(item, schema.get("items", {}), root)


def _validate_scalar(value: Any, schema: dict[str, Any]) -> None:
    if "type" in schema and not isinstance(value, TYPES[schema["type"]]):
        raise Misfit(value)
    if value not in schema.get("enum", [value]) or value != schema.get("const", value):
        raise Misfit(value)


def _validate_object(value: dict[str, Any], schema: dict[str, Any], root: dict[str, Any]) -> None:
    if set(schema.get("required", [])) - set(value):
        raise Misfit(value)
    for key, item in value.items():
        patterns = [inner for pattern, inner in schema.get("patternProperties", {}).items() if re.search(pattern, key)]
        if key in schema.get("properties", {}):
            validate(item, schema["properties"][key], root)
        elif patterns:
            validate(item, patterns[0], root)
        elif schema.get("additionalProperties", True) is False:
            raise Misfit(key)
        elif isinstance(schema.get("additionalProperties"), dict):
            validate(item, schema["additionalProperties"], root)


def _fits(value: Any, schema: dict[str, Any], root: dict[str, Any]) -> bool:
    try:
        validate(value, schema, root)
    except Misfit:
        return False
    return True


def spec(**changes: Any) -> dict[str, Any]:
    return {
        "prosect": 1,
        "models": {"m": {"load": "x", "matrix": {"seed": [1, 2]}}},
        "corpora": {"c": {"kind": "lines", "path": "a.txt", "limit": 3, "window": {"tokens": 4}}},
        "analyses": {
            "a": {
                "corpus": "c",
                "decomposition": {"name": "parts", "by": "head", "inner": {"depth": 2}},
                "metrics": ["norm", {"name": "norm", "by": "kind"}],
                "layers": ["0-2", -1],
                "keep": ["terms", {"terms": {"dtype": "float16"}}],
            }
        },
        "derived": {
            "d": {"name": "drift", "path": "x"},
            "e": {"name": "drift", "path": "x", "of": ["m/a"], "tables": {"t": {"path": "t.csv", "keys": ["k"]}}},
        },
        "compute": {"device": "cpu", "batch_tokens": "auto"},
        **changes,
    }


def analysis(**changes: Any) -> dict[str, Any]:
    return spec(analyses={"a": {**spec()["analyses"]["a"], **changes}})


def test_it_is_json_of_draft_2020_12(schema):
    assert schema["$schema"] == DIALECT
    assert json.loads(json.dumps(schema)) == schema


def test_it_uses_only_keywords_of_that_draft_with_values_of_their_types(schema):
    for part in parts(schema):
        assert set(part) <= set(KEYWORDS)
        for keyword, value in part.items():
            assert isinstance(value, KEYWORDS[keyword])


def test_every_reference_leads_somewhere(schema):
    references = {part["$ref"] for part in parts(schema) if "$ref" in part}
    assert len(references) > 5
    assert {name for name in references if name.removeprefix("#/$defs/") not in schema["$defs"]} == set()


@pytest.mark.parametrize(
    "value",
    [
        spec(),
        spec(include=["b.yaml"]),
        {"prosect": 1, "include": ["b.yaml"]},
        analysis(decomposition="parts"),
        analysis(layers=3),
    ],
)
def test_it_takes_what_the_loader_takes(schema, value):
    assert _fits(value, schema, schema)


@pytest.mark.parametrize(
    "value",
    [
        spec(modles={}),
        spec(prosect=2),
        {"prosect": 1, "models": {}},
        spec(models={"m": {"lod": "x"}}),
        spec(models={"m": {"dtype": "float3"}}),
        spec(corpora={"c": {"kind": "words", "path": "a"}}),
        spec(corpora={"c": {"kind": "lines"}}),
        spec(corpora={"c": {"kind": "lines", "path": "a", "unit": "line"}}),
        analysis(decomposition="part"),
        analysis(decomposition={"name": "parts", "by": "heads"}),
        analysis(decomposition={"name": "parts", "inner": {"deep": 1}}),
        analysis(metrics=["drift"]),
        analysis(keep=["term"]),
        spec(derived={"d": {"name": "norm"}}),
        spec(derived={"d": {"name": "drift", "path": "x", "of": 3}}),
        spec(derived={"d": {"name": "drift", "path": "x", "tables": {"t": {"keys": ["k"]}}}}),
        spec(compute={"device": "tpu"}),
    ],
)
def test_it_refuses_what_is_wrong(schema, value):
    with pytest.raises(Misfit):
        validate(value, schema, schema)


def test_the_loader_agrees_on_what_is_right_in_itself():
    assert read_spec(spec()).problems == ()


def test_without_derived_metrics_no_derived_entry_is_right():
    schema = spec_schema(decompositions={}, metrics={}, derived={}, corpora={"lines": LinesOptions})
    with pytest.raises(Misfit):
        validate({"name": "drift"}, schema["$defs"]["DerivedSpec"], schema)
