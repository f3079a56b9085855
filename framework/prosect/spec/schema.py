"""JSON Schema (draft 2020-12) of a spec file, with the options of every plugin that is installed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from prosect.spec.models import CommonCorpusOptions, Spec

DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"

OptionModels = Mapping[str, type[BaseModel]]
JsonSchema = dict[str, Any]
#: Values of these very types stand in a schema as they are.
_PLAIN: Final = frozenset({str, int, bool, type(None)})


class _Generator(GenerateJsonSchema):
    """Writes plain defaults as they are, where pydantic would build a serializer for each: options have hundreds."""

    def encode_default(self, dft: Any) -> Any:  # noqa: ANN401 - the default of any option
        return dft if type(dft) in _PLAIN else super().encode_default(dft)


def spec_schema(
    decompositions: OptionModels, metrics: OptionModels, derived: OptionModels, corpora: OptionModels
) -> JsonSchema:
    """Build the schema.

    Parameters
    ----------
    decompositions, metrics, derived, corpora
        Name of each plugin -> model of its options; ``derived`` are the metrics over stored results.
    """
    schema: JsonSchema = Spec.model_json_schema(schema_generator=_Generator)
    definitions = schema["$defs"]
    analysis = definitions["AnalysisSpec"]["properties"]
    analysis["decomposition"] = _plugin("decompositions", decompositions, definitions)
    analysis["metrics"] = {"type": "array", "items": _plugin("metrics", metrics, definitions)}
    derived_forms = _derived(derived, definitions)
    nothing: JsonSchema = {"not": {}}
    definitions["DerivedSpec"] = {"oneOf": derived_forms} if derived_forms else nothing
    definitions["CorpusSpec"] = {"oneOf": _corpora(corpora, definitions)}
    schema["properties"]["include"] = {"type": "array", "items": {"type": "string"}, "default": []}
    required = schema.pop("required")
    schema["anyOf"] = [{"required": required}, {"required": ["prosect", "include"]}]
    return {"$schema": DIALECT, **schema, "title": "prosect spec"}


def _plugin(kind: str, models: OptionModels, definitions: JsonSchema) -> JsonSchema:
    return {"anyOf": [{"enum": sorted(models)}, *_forms(kind, models, definitions)]}


def _forms(kind: str, models: OptionModels, definitions: JsonSchema) -> list[JsonSchema]:
    forms = []
    for name, model in sorted(models.items()):
        options = _options(f"{kind}.{name}", model, definitions)
        forms.append(_with_constant(options, "name", name))
    return forms


def _derived(models: OptionModels, definitions: JsonSchema) -> list[JsonSchema]:
    """Forms of an entry of ``derived``: a metric's options beside what every entry may say."""
    common = {key: value for key, value in definitions["DerivedSpec"]["properties"].items() if key != "name"}
    forms = _forms("derived", models, definitions)
    return [{**form, "properties": {**common, **form["properties"]}} for form in forms]


def _corpora(models: OptionModels, definitions: JsonSchema) -> list[JsonSchema]:
    """Forms of an entry of ``corpora``: options of its kind beside those of every corpus."""
    common = CommonCorpusOptions.model_json_schema(schema_generator=_Generator)
    definitions.update(common.pop("$defs", {}))
    forms = []
    for kind, model in models.items():
        own = _options(f"corpora.{kind}", model, definitions)
        own["properties"] = {**common["properties"], **own.get("properties", {})}
        forms.append(_with_constant(own, "kind", kind))
    return forms


def _options(prefix: str, model: type[BaseModel], definitions: JsonSchema) -> JsonSchema:
    """Take the schema of an options model; models inside it move to the root under names of their own."""
    schema = model.model_json_schema(ref_template=f"#/$defs/{prefix}.{{model}}", schema_generator=_Generator)
    definitions.update({f"{prefix}.{name}": inner for name, inner in schema.pop("$defs", {}).items()})
    return schema


def _with_constant(schema: JsonSchema, key: str, value: str) -> JsonSchema:
    properties = {key: {"const": value}, **schema.get("properties", {})}
    return {**schema, "properties": properties, "required": [key, *schema.get("required", [])]}
