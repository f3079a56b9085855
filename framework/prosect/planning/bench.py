"""What a plan is made from, and the problems that turn up on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from prosect.errors import PluginError, Problem
from prosect.planning.model import Bound
from prosect.plugins.declarations import Declaration
from prosect.plugins.registry import Registry
from prosect.spec.loading import Draft
from prosect.spec.messages import problems_of
from prosect.spec.models import Named
from prosect.spec.places import Document, KeyPath

D = TypeVar("D", bound=Declaration)


@dataclass(frozen=True, kw_only=True)
class Bench:
    """The spec, the plugins, and a growing list of problems.

    Attributes
    ----------
    draft
        The spec as far as it could be understood.
    registry
        What is installed.
    in_memory
        Models that are not loaded by name: name -> their configuration.
    problems
        Everything that is wrong.
    """

    draft: Draft
    registry: Registry
    in_memory: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    @property
    def document(self) -> Document:
        """The spec's data with the place of each part."""
        return self.draft.document

    def note(self, path: KeyPath, message: str, *, suggestion: str | None = None, code: str = "wrong-value") -> None:
        """Note a problem that lies in the value at a path."""
        self.problems.append(self.document.at_value(path, message, suggestion=suggestion, code=code))

    def declaration(self, find: Callable[[str], D], name: str, path: KeyPath) -> D | None:
        """Look a plugin up; where that fails, note why and return None."""
        try:
            return find(name)
        except PluginError as error:
            self.note(path, error.plain, suggestion=error.suggestion, code="wrong-name")
            return None

    def bind(
        self, find: Callable[[str], D], given: str | Named, path: KeyPath, valid: tuple[str, ...] = ("name",)
    ) -> Bound[D] | None:
        """Look up a plugin that a spec names at ``path``, and validate the options it is given there.

        ``valid`` are the keys that may stand beside the options. An empty name stands where the spec names none,
        which was noted when it was read.
        """
        if not given:
            return None
        name, options = (given, {}) if isinstance(given, str) else (given.name, given.options)
        name_path: KeyPath = path if isinstance(given, str) else (*path, "name")
        declaration = self.declaration(find, name, name_path)
        if declaration is None:
            return None
        validated = self.options(declaration.options, options, path, valid)
        return None if validated is None else Bound(declaration, validated)

    def options(
        self, model: type[BaseModel], options: Mapping[str, Any], path: KeyPath, valid: tuple[str, ...]
    ) -> BaseModel | None:
        """Validate options that stand at ``path``; ``valid`` are the keys beside them that are not the plugin's."""
        try:
            return model.model_validate(options)
        except ValidationError as error:
            self.problems.extend(problems_of(error, model, self.document, path, valid))
            return None
