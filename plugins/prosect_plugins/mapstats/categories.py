"""Which tokens are in which category."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from jaxtyping import Bool, Int

from prosect.api import UsageError
from prosect_plugins.mapstats.labelled import plain
from prosect_plugins.mapstats.options import Category

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.integer[Any]]
Lookup = Callable[[str], npt.NDArray[Any]]

#: Marks that tokenizers put before the text of a token.
MARK: Final = re.compile("^(?:▁|Ġ|##)")


def memberships(
    categories: Mapping[str, Category], other: str | None, lookup: Lookup, starts: Int[IntArray, " sentence"]
) -> dict[str, Bool[BoolArray, " token"]]:
    """Find the tokens of every category.

    Parameters
    ----------
    categories
        Name -> category.
    other
        Name of the tokens that are in none; None leaves them out.
    lookup
        Gives a coordinate of the tokens by its name, shape (token,).
    starts
        Where each sentence starts on the axis of tokens.

    Raises
    ------
    UsageError
        A regular expression is none, a name is taken twice, or a coordinate is missing.
    """
    if other in categories:
        raise UsageError(f"there is a category {other!r}, which is the name of the tokens of none")
    found = {name: _members(name, category, lookup, starts) for name, category in categories.items()}
    if other is not None:
        found[other] = ~np.any(list(found.values()), axis=0) if found else np.ones(lookup("position").shape, np.bool_)
    return found


def _members(name: str, category: Category, lookup: Lookup, starts: IntArray) -> BoolArray:
    positions = np.asarray(lookup("position"))
    found = np.ones(positions.shape, dtype=np.bool_)
    if category.ids is not None:
        found &= np.isin(lookup("token_id"), category.ids)
    if category.text is not None:
        found &= np.isin(plain(lookup("text")), category.text)
    if category.regex is not None:
        found &= _matching(name, category.regex, plain(lookup("text")))
    if category.special is not None:
        found &= _special(category.special, lookup("special").astype(np.bool_), starts)
    if category.position is not None:
        lengths = np.diff(np.append(starts, len(positions)))
        from_end = positions - np.repeat(lengths, lengths)
        found &= np.isin(positions, category.position) | np.isin(from_end, category.position)
    if category.annotation is not None:
        found &= _annotated(lookup(category.annotation), category.values)
    return found


def _matching(name: str, regex: str, texts: npt.NDArray[Any]) -> BoolArray:
    try:
        pattern = re.compile(regex)
    except re.error as error:
        raise UsageError(f"category {name!r}: {regex!r} is no regular expression: {error}") from error
    known, places = np.unique(texts, return_inverse=True)
    fits = np.array([pattern.fullmatch(MARK.sub("", text)) is not None for text in known.tolist()], dtype=np.bool_)
    return fits[places]


def _special(which: str, special: BoolArray, starts: IntArray) -> BoolArray:
    if which == "all":
        return special
    if which == "none":
        return ~special
    ordinary: IntArray = np.cumsum(~special)
    before: IntArray = np.repeat((ordinary - ~special)[starts], np.diff(np.append(starts, len(special))))
    opening = ordinary == before
    return np.asarray(special & (opening if which == "opening" else ~opening))


def _annotated(values: npt.NDArray[Any], wanted: list[Any] | None) -> BoolArray:
    values = plain(values)
    if values.dtype.kind == "U":
        return np.asarray(values != "") if wanted is None else np.isin(values, [str(value) for value in wanted])
    if wanted is not None:
        return np.isin(values, wanted)
    return np.asarray((values != 0) & ~np.isnan(values))
