"""What must hold of a declaration before it is taken in: every fault as one phrase, none raised."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, ClassVar, Final, get_origin, get_type_hints

from pydantic import BaseModel, ValidationError, create_model

from prosect.plugins.declarations import (
    AnyDeclaration,
    ArchitectureDeclaration,
    CorpusDeclaration,
    Declaration,
    DecompositionDeclaration,
    MetricDeclaration,
    StreamOptions,
    Variable,
)
from prosect.spec.models import CommonCorpusOptions, DerivedSpec
from prosect.vocab.dims import LAYER, SCOPE, TOKEN

NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_DOTTED: Final = r"[^\W\d]\w*(?:\.[^\W\d]\w*)*"
_IMPLEMENTATION: Final = re.compile(f"{_DOTTED}:{_DOTTED}")

# An accumulator counts over tokens; layers and scopes are stacked by the loop.
_GIVEN_AXES: Final = frozenset({TOKEN, LAYER, SCOPE})

# Keys that a spec holds beside the options of a plugin, so that no option may have their name.
_SPEC_KEYS: Final = {
    "corpora": frozenset({"kind", *CommonCorpusOptions.model_fields}),
    "decompositions": frozenset({"name"}),
    "metrics": frozenset({"name"}),
}
_DERIVED_KEYS: Final = frozenset(DerivedSpec.model_fields)


def faults(declaration: AnyDeclaration, expected: type[AnyDeclaration]) -> tuple[str, ...]:
    """Return everything that is wrong with a declaration, in words; empty when it may be taken in."""
    wrong_types = tuple(_type_faults(declaration, expected))
    # The other checks rely on the types of the fields.
    return wrong_types or (*_common_faults(declaration), *_KIND_FAULTS[expected.kind](declaration))


@cache
def _fields(kind: Callable[..., Declaration | Variable]) -> type[BaseModel]:
    """One model for all fields of a declaration: building a validator for each would slow every command down."""
    hints = get_type_hints(kind)
    own: dict[str, Any] = {name: (hint, ...) for name, hint in hints.items() if get_origin(hint) is not ClassVar}
    model: type[BaseModel] = create_model("Fields", **own)
    return model


def _type_faults(value: Declaration | Variable, expected: Callable[..., Declaration | Variable]) -> Iterator[str]:
    try:
        _fields(expected).model_validate(vars(value), strict=True)
    except ValidationError as error:
        messages = {found["loc"][0]: found["msg"] for found in reversed(error.errors(include_url=False))}
        yield from (f"field {name!r}: {message}" for name, message in reversed(messages.items()))


def _name_faults(what: str, name: str) -> Iterator[str]:
    if not NAME.fullmatch(name):
        yield f"{what} {name!r} must start with a letter and hold only letters, digits, '_' and '-'"


def _common_faults(declaration: Declaration) -> Iterator[str]:
    yield from _name_faults("name", declaration.name)
    if not declaration.summary.strip():
        yield "summary is empty; say in one sentence what it is"
    if not _IMPLEMENTATION.fullmatch(declaration.implementation):
        yield f"implementation {declaration.implementation!r} must have the form 'package.module:attribute'"
    if declaration.version < 1:
        yield f"version {declaration.version} must be 1 or more"
    yield from _options_faults(declaration)


def _options_faults(declaration: Declaration) -> Iterator[str]:
    options = declaration.options
    if options.model_config.get("extra") != "forbid":
        yield f"options model {options.__name__} must refuse unknown keys; derive it from prosect.api.Options"
    is_derived = isinstance(declaration, MetricDeclaration) and declaration.form == "derived"
    taken = _DERIVED_KEYS if is_derived else _SPEC_KEYS.get(declaration.kind, frozenset())
    for name in sorted(taken & set(options.model_fields)):
        yield f"option {name!r} has the name of a key that the spec itself reads; choose another"


def _twice(what: str, names: tuple[str, ...]) -> Iterator[str]:
    yield from (f"{what} {name!r} twice" for name, count in Counter(names).items() if count > 1)


def _architecture_faults(declaration: ArchitectureDeclaration) -> Iterator[str]:
    if not declaration.model_types or not all(declaration.model_types):
        yield "model_types must name at least one model_type of config.json, none of them empty"


def _decomposition_faults(declaration: DecompositionDeclaration) -> Iterator[str]:
    yield from _twice("metrics names", declaration.metrics)
    if not issubclass(declaration.options, StreamOptions):
        yield f"options model {declaration.options.__name__} must derive from prosect.api.StreamOptions"


def _metric_faults(declaration: MetricDeclaration) -> Iterator[str]:
    if not declaration.produces:
        yield "produces is empty; a metric has at least one variable"
    for variable in declaration.produces:
        wrong_types = tuple(_type_faults(variable, Variable))
        yield from (f"variable {variable.name!r}: {fault}" for fault in wrong_types)
        if wrong_types:
            return
        yield from _name_faults("variable", variable.name)
        if declaration.form == "accumulator":
            yield from _axis_faults(variable)
    yield from _twice("produces", tuple(variable.name for variable in declaration.produces))
    yield from _derived_faults(declaration)


def _derived_faults(declaration: MetricDeclaration) -> Iterator[str]:
    least, most = declaration.inputs
    if least < 1 or (most is not None and most < least):
        yield f"inputs {declaration.inputs} must be a least number from 1 on, and a greatest one not below it"
    for name in declaration.naming:
        if name not in declaration.options.model_fields:
            yield f"naming names {name!r}, which is no option of {declaration.options.__name__}"
    yield from _path_faults(declaration)


def _axis_faults(variable: Variable) -> Iterator[str]:
    given = sorted(_GIVEN_AXES & set(variable.dims))
    if given:
        yield f"variable {variable.name!r} has the dimension {given[0]!r}, which an accumulator does not give itself"
    for dim in variable.dims:
        yield from _name_faults(f"dimension of variable {variable.name!r}", dim)


def _path_faults(declaration: MetricDeclaration | CorpusDeclaration) -> Iterator[str]:
    for name in declaration.paths:
        if name not in declaration.options.model_fields:
            yield f"paths names {name!r}, which is no option of {declaration.options.__name__}"


_KIND_FAULTS: Final[dict[str, Callable[[Any], Iterator[str]]]] = {
    ArchitectureDeclaration.kind: _architecture_faults,
    DecompositionDeclaration.kind: _decomposition_faults,
    MetricDeclaration.kind: _metric_faults,
    CorpusDeclaration.kind: _path_faults,
}
