"""Writes docs/reference/ from the code: spec, plugins, commands, hooks, descriptions. A test asks that it is current.

Run it with ``make docs``. Only plugins that come with prosect are listed, whatever else is installed.
"""

from __future__ import annotations

import argparse
import inspect
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel
from pydantic_core import to_jsonable_python

from prosect.cli.arguments import parser
from prosect.plugins import hookspecs
from prosect.plugins.declarations import (
    DECLARATIONS,
    AnyDeclaration,
    Footprint,
    MetricDeclaration,
    Sizes,
    StreamOptions,
    Variable,
)
from prosect.plugins.options import documentation
from prosect.plugins.registry import load_registry
from prosect.plugins.support import support
from prosect.spec import models
from prosect.vocab import architecture
from prosect.vocab.rules import Rules

FOLDER: Final = Path(__file__).parent / "reference"
NOTE: Final = "<!-- Written by docs/generate.py from the code; change the code and run `make docs`. -->"
SECTIONS: Final = {
    "The file": models.Spec,
    "models.NAME": models.ModelSpec,
    "corpora.NAME": models.CorpusSpec,
    "corpora.NAME.window": models.Window,
    "corpora.NAME.mask": models.Mask,
    "analyses.NAME": models.AnalysisSpec,
    "analyses.NAME.keep": models.Keep,
    "analyses.NAME.keep.terms": models.KeepOptions,
    "derived.NAME": models.DerivedSpec,
    "derived.NAME.tables.NAME": models.TableSpec,
    "Any decomposition or metric": models.Named,
    "store": models.StoreSpec,
    "compute": models.ComputeSpec,
}
OPTION_HEADINGS: Final = ("option", "value", "default", "meaning")
DESCRIPTION: Final = (
    architecture.Architecture,
    architecture.Stream,
    architecture.Block,
    architecture.Stage,
    architecture.Branch,
    architecture.Attention,
    architecture.FeedForward,
    architecture.Experts,
    architecture.Norm,
    architecture.Projection,
    Rules,
)
WORKS: Final = (
    "What works for what; `prosect plugins architectures` shows the same for all that is installed. How near each "
    "comes to closing, and which configurations are refused: [closure](../benchmarks/closure.md)."
)
#: The same in every feed-forward part, and so not described there.
CONSTANT: Final = frozenset({"kind"})
COMMON: Final = {
    "decompositions": "Every decomposition takes these options of the forward pass; they matter for encoder-decoders.",
    "corpora": "Every kind also takes the [common options](spec.md#corporaname) `limit`, `window`, `pair`, "
    "`special_tokens` and `mask`.",
}
#: Not a field of `Spec`: the loader merges the files before the model sees them.
INCLUDE: Final = ["`include`", "list of text", "`[]`", "Other spec files; what they say is merged into this one."]


def spec_page() -> str:
    """Every key of a spec."""
    parts = ["# Keys of a spec", "The JSON Schema for editors, with all plugins' options: `prosect schema`."]
    for title, model in SECTIONS.items():
        rows = list(_options(model))
        if model is models.Spec:
            rows.append(INCLUDE)
        parts += [f"## {title}", _summary(model), _table(["key", "value", "default", "meaning"], rows)]
    return _page(parts)


def plugins_page() -> str:
    """Every architecture, decomposition, metric and kind of corpus."""
    parts = [
        "# What comes with prosect",
        "`prosect plugins` lists what is installed, foreign plugins included.",
    ]
    for kind in DECLARATIONS:
        parts += [f"## {kind.capitalize()}", COMMON.get(kind, "")]
        if kind == "decompositions":
            parts.append(_table(OPTION_HEADINGS, _options(StreamOptions)))
        if kind == "architectures":
            parts += _what_works()
        for entry in load_registry().of_kind(kind):
            if entry.origin.distribution == "prosect":
                parts += _plugin(entry.declaration)
    return _page(parts)


def _what_works() -> list[str]:
    """Family by decomposition, as `prosect plugins architectures` shows it; reasons of what does not stand below."""
    registry = load_registry()
    ours = {entry.declaration.name for entry in registry.entries if entry.origin.distribution == "prosect"}
    found = [one for one in support(registry) if {one.family, one.decomposition} <= ours]
    decompositions = list(dict.fromkeys(one.decomposition for one in found))
    reasons = list(dict.fromkeys(one.reason for one in found if one.reason))
    rows: dict[str, list[str]] = {}
    for one in found:
        rows.setdefault(one.family, []).append("yes" if one.reason is None else f"no ({reasons.index(one.reason) + 1})")
    table = _table(["family", *decompositions], [[f"`{family}`", *cells] for family, cells in rows.items()])
    return [WORKS, table, *(f"({number}) {reason}" for number, reason in enumerate(reasons, 1))]


def commands_page() -> str:
    """Every command with its arguments."""
    main = parser()
    parts = ["# Commands", str(main.description), str(main.epilog)]
    for action in main._actions:  # argparse has no public way to list what a parser takes
        if isinstance(action, argparse._SubParsersAction):
            for name, command in action.choices.items():
                parts += _command(name, command)
    return _page(parts)


def hooks_page() -> str:
    """Every hook, and every field of the declarations which they return."""
    parts = ["# Hooks and declarations", _prose(hookspecs)]
    for name, hook in inspect.getmembers(hookspecs, inspect.isfunction):
        if name.startswith("prosect_"):
            kind = DECLARATIONS[name.removeprefix("prosect_")]
            parts.append(f"## {name}\n\n{_prose(hook)} It returns a sequence of `{kind.__name__}`.")
    for declaration in (*DECLARATIONS.values(), Variable, Sizes, Footprint):
        said = documentation(declaration)
        rows = [[f"`{f.name}`", said[f.name]] for f in fields(declaration)]
        parts += [f"## {declaration.__name__}", _prose(declaration), _table(["field", "meaning"], rows)]
    return _page(parts)


def architecture_page() -> str:
    """Every part of a description, and every rule of a decomposition."""
    parts = ["# Descriptions and rules", "All of these are frozen dataclasses in `prosect.api`."]
    for part in DESCRIPTION:
        said = documentation(part)
        rows = [
            [f"`{field.name}`", said[field.name]]
            for field in fields(part)
            if field.name in said or field.name not in CONSTANT
        ]
        parts += [f"## {part.__name__}", _prose(part), _table(["field", "meaning"], rows)]
    return _page(parts)


PAGES: Final = {
    "architecture.md": architecture_page,
    "spec.md": spec_page,
    "plugins.md": plugins_page,
    "commands.md": commands_page,
    "hooks.md": hooks_page,
}


def main() -> None:
    """Write every page."""
    FOLDER.mkdir(exist_ok=True)
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")


def _plugin(declaration: AnyDeclaration) -> Iterator[str]:
    yield f"### {declaration.name}"
    yield declaration.summary
    yield "\n".join(f"- {key}: {value}" for key, value in _facts(declaration) if value)
    shared = StreamOptions.model_fields if declaration.kind == "decompositions" else ()
    rows = [row for row in _options(declaration.options) if row[0].strip("`") not in shared]
    if rows:
        yield _table(OPTION_HEADINGS, rows)


def _facts(declaration: AnyDeclaration) -> Iterator[tuple[str, str]]:
    if isinstance(declaration, MetricDeclaration):
        for variable in declaration.produces:
            measured = declaration.form != "derived"
            dims = ", ".join(("layer", *variable.dims) if measured else variable.dims)
            yield f"variable `{variable.name}` ({dims})", f"{variable.long_name}; unit {variable.units}"
        yield "where it is undefined", declaration.undefined
    yield "models", ", ".join(f"`{name}`" for name in getattr(declaration, "model_types", ()))
    yield "metrics when a spec names none", ", ".join(f"`{name}`" for name in getattr(declaration, "metrics", ()))
    yield "reference", "; ".join(declaration.references)


def _command(name: str, command: argparse.ArgumentParser) -> Iterator[str]:
    yield f"## prosect {name}"
    yield str(command.description)
    rows = []
    for action in command._actions:  # as above
        if action.dest != "help":
            given = action.option_strings[0] if action.option_strings else ""
            value = "" if action.nargs == 0 else str(action.metavar or action.dest)
            rows.append([f"`{f'{given} {value}'.strip()}`", str(action.help)])
    if rows:
        yield _table(["argument", "meaning"], rows)


def _options(model: type[BaseModel]) -> Iterator[list[str]]:
    schema = model.model_json_schema()
    said = documentation(model)
    for name, value in schema.get("properties", {}).items():
        required = name in schema.get("required", ())
        default = "required" if required else _default(model, name)
        meaning = model.model_fields[name].description or said[name]
        yield [f"`{name}`", _value(value, schema.get("$defs", {})), default, meaning]


def _default(model: type[BaseModel], name: str) -> str:
    value = to_jsonable_python(model.model_fields[name].get_default(call_default_factory=True))
    if isinstance(value, Mapping) and value:
        return "see below"
    return f"`{json.dumps(value)}`"


def _value(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    if "$ref" in schema:
        target = definitions[schema["$ref"].rpartition("/")[2]]
        return "mapping" if target.get("type") == "object" else _value(target, definitions)
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return " or ".join(dict.fromkeys(_value(form, definitions) for form in schema[key]))
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{value}`" for value in schema["enum"])
    return _plain_value(schema, definitions)


def _plain_value(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    kind = schema.get("type")
    if kind == "array":
        return f"list of {_value(schema.get('items', {}), definitions)}"
    names = {
        "string": "text",
        "integer": "whole number",
        "number": "number",
        "boolean": "`true`, `false`",
        "object": "mapping",
        "null": "nothing",
    }
    return f"{names.get(str(kind), 'anything')}{_bounds(schema)}"


def _bounds(schema: Mapping[str, Any]) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    return "".join(f" {sign} {schema[key]:g}" for key, sign in signs.items() if key in schema)


def _summary(thing: object) -> str:
    return (inspect.getdoc(thing) or "").partition("\n\n")[0]


def _prose(thing: object) -> str:
    """Return a docstring without its numpydoc sections."""
    text = re.split(r"\n\n\w+\n-{3,}\n", inspect.getdoc(thing) or "")[0]
    blocks = re.sub(r"::\n\n((?: {4}.*\n?|\n)+)", lambda found: f":\n\n```toml\n{_dedent(found[1])}\n```\n\n", text)
    return _code(blocks).strip()


def _dedent(text: str) -> str:
    return inspect.cleandoc(text).strip()


def _code(text: str) -> str:
    """Turn reStructuredText's code marks into Markdown's."""
    return re.sub(r"(?<!`)``([^`]+)``(?!`)", r"`\1`", text)


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [list(headings), ["---"] * len(headings), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '/') for cell in line)} |" for line in lines)


def _page(parts: Iterable[str]) -> str:
    return _code("\n\n".join(part for part in (NOTE, *parts) if part)) + "\n"


if __name__ == "__main__":
    main()
