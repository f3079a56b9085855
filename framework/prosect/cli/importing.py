"""The arguments of ``prosect import-table`` as a table of a spec. Imports xarray and pandas."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from prosect.errors import UsageError
from prosect.results.tables import load_table

if TYPE_CHECKING:
    import xarray as xr


def table_of(arguments: argparse.Namespace) -> xr.Dataset:
    """Read the table that the arguments name; UsageError where they or the file are wrong."""
    options: dict[str, Any] = {
        "keys": _pairs("--key", arguments.key, alone=True),
        "values": _pairs("--value", arguments.value, alone=True) or None,
        "names": arguments.names,
        "spread": _lists(_split("--spread", arguments.spread)),
        "where": {column: _both(values) for column, values in _lists(_split("--where", arguments.where)).items()},
        "rename": _renamed(arguments.rename),
        "duplicates": arguments.duplicates,
    }
    return load_table(arguments.table, **{name: value for name, value in options.items() if value})


def _pairs(argument: str, given: Iterable[str], *, alone: bool = False) -> dict[str, str]:
    return dict(_split(argument, [f"{text}={text}" if alone and "=" not in text else text for text in given]))


def _split(argument: str, given: Iterable[str]) -> list[tuple[str, str]]:
    parts = [(text, text.partition("=")) for text in given]
    for text, (name, sign, value) in parts:
        if not (name and sign and value):
            raise UsageError(f"{argument} {text!r}: expected NAME=VALUE")
    return [(name, value) for _, (name, _, value) in parts]


def _lists(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    return found


def _both(values: list[str]) -> list[str | int | float | bool]:
    """Values as text and as what they read as, since a column may hold either."""
    return [form for text in values for form in (text, *_read(text))]


def _read(text: str) -> list[int | float | bool]:
    words: Mapping[str, bool] = {"true": True, "false": False}
    if text.lower() in words:
        return [words[text.lower()]]
    for kind in (int, float):
        try:
            return [kind(text)]
        except ValueError:
            continue
    return []


def _renamed(given: Iterable[str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for old, new in _split("--rename", given):
        column, sign, value = old.partition(":")
        if not sign:
            raise UsageError(f"--rename {old}={new!r}: expected COLUMN:OLD=NEW")
        found.setdefault(column, {})[value] = new
    return found
