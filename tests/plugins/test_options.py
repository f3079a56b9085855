"""Options are described by their models: names, defaults, and what the docstrings say."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from prosect.api import Options
from prosect.plugins.options import describe, documentation
from prosect.plugins.registry import load_registry


class Base(Options):
    """A base.

    Attributes
    ----------
    encoding
        Encoding
        of the file.
    first, second
        Two of a kind.
    """

    encoding: str = "utf-8"
    first: int = 1
    second: int = 2


class Derived(Base):
    """A model that says more.

    Some prose.

    Attributes
    ----------
    first : int
        The first one, better explained.

        In two paragraphs.
    words
        Words.

    Notes
    -----
    form
        Not an option's description.
    """

    words: tuple[str, ...] = ()
    form: Literal["a", "b"] = "a"
    path: str = Field(description="Given by the field.")


def test_descriptions_come_from_docstrings_of_the_model_and_its_bases_and_from_fields():
    said = {option.name: option.description for option in describe(Derived)}
    assert said == {
        "encoding": "Encoding of the file.",
        "first": "The first one, better explained. In two paragraphs.",
        "second": "Two of a kind.",
        "words": "Words.",
        "form": "",
        "path": "Given by the field.",
    }


def test_options_say_their_defaults_and_whether_they_are_required():
    options = {option.name: option for option in describe(Derived)}
    assert options["path"].required
    assert str(options["path"]) == "path (required)"
    assert (options["words"].default, options["form"].default) == ([], "a")
    assert str(options["first"]) == "first=1"


def test_a_model_without_its_own_docstring_has_that_of_its_base():
    class Silent(Base):
        pass

    assert documentation(Silent) == documentation(Base)


def test_every_option_of_every_installed_plugin_is_described():
    registry = load_registry()
    silent = [
        f"{entry.qualified}: {option.name}"
        for entry in registry.entries
        for option in describe(entry.declaration.options)
        if not option.description
    ]
    assert silent == []
