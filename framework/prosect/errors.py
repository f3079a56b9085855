"""Errors which a user sees: one clear message each, and the exit code that belongs to it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

EXIT_FAILED = 1
EXIT_USAGE = 2


@dataclass(frozen=True, kw_only=True)
class Problem:
    """One thing that is wrong in a spec, at one place.

    Attributes
    ----------
    message
        What is wrong, in one sentence without a final full stop.
    path
        Dotted path of the key inside the spec, for example ``models.minilm.revison``.
    file, line, column
        Place in the YAML source; line and column count from 1. None where there is no source.
    suggestion
        The nearest valid value, printed as ``did you mean 'suggestion'?``.
    code
        Short machine-readable name of the kind of problem, for example ``unknown-key``.
    """

    message: str
    path: str = ""
    file: str | None = None
    line: int | None = None
    column: int | None = None
    suggestion: str | None = None
    code: str = "invalid"

    def __str__(self) -> str:
        place = ":".join(str(part) for part in (self.file, self.line, self.column) if part is not None)
        words = ": ".join(part for part in (place, self.path, self.message) if part)
        return f"{words}; did you mean {self.suggestion!r}?" if self.suggestion else words


class ProsectError(Exception):
    """Base of every error that is reported without a traceback."""

    exit_code = EXIT_FAILED


class UsageError(ProsectError):
    """The arguments are wrong: a file that is not there, an option that does not exist."""

    exit_code = EXIT_USAGE


class SpecError(UsageError):
    """The spec is wrong; carries every problem that was found, not only the first."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(problem) for problem in self.problems))


class PluginError(UsageError):
    """A plugin is broken, absent, or claims a name that another one has.

    Attributes
    ----------
    plain
        The message without the suggestion.
    suggestion
        The nearest valid name, where there is one.
    """

    def __init__(self, message: str, suggestion: str | None = None) -> None:
        self.plain, self.suggestion = message, suggestion
        super().__init__(f"{message}; did you mean {suggestion!r}?" if suggestion else message)


class StoreError(UsageError):
    """A store cannot be used as asked: foreign directory, other schema version, changed step."""


class ModelError(UsageError):
    """A model cannot be loaded or described as asked."""


class RunError(ProsectError):
    """The run failed for a reason that lies outside the spec: disk full, out of memory."""


class ClosureError(ProsectError):
    """The terms do not sum to the hidden state within the tolerance of the dtype."""


class SelfTestError(ProsectError):
    """The description of an architecture does not fit the weights that were loaded."""
