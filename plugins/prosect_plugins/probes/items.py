"""From labelled tokens to items: which tokens belong together, what class they have, which part they fall into."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import xarray as xr

from prosect.api import UsageError
from prosect_plugins.probes.options import ItemOptions

Array = npt.NDArray[Any]
Index = npt.NDArray[np.int64]
TRAIN, DEV, TEST = 0, 1, 2
PARTS: Final = ("train", "dev", "test")


@dataclass(frozen=True, kw_only=True)
class Items:
    """Annotated items in the order of the corpus.

    Attributes
    ----------
    tokens
        Places of their tokens on the ``token`` axis, ascending.
    owner
        The item of each of these tokens; one item's tokens stand together.
    sentence, word
        Of each item; word is -1 where an item is a sentence.
    label, group
        Class of each item and its group, as codes.
    labels
        Names of the classes; those of the training part come first, in the order of their names.
    groups
        Number of groups.
    part
        0 for training, 1 for development, 2 for test.
    """

    tokens: Index
    owner: Index
    sentence: Index
    word: Index
    label: Index
    group: Index
    labels: tuple[str, ...]
    groups: int
    part: Index

    def __len__(self) -> int:
        return len(self.label)

    def of(self, part: int) -> Index:
        """Items of a part."""
        return np.flatnonzero(self.part == part)


def read_items(dataset: xr.Dataset, options: ItemOptions) -> Items:
    """Find the annotated items of a dataset with an axis ``token``, and deal them out.

    Raises
    ------
    UsageError
        The dataset has no such annotation, no item has a class, or a part is empty.
    """
    chosen = _chosen(dataset, options)
    tokens = _of_rich_groups(dataset, options, np.flatnonzero(chosen))
    if not tokens.size:
        raise UsageError(f"no {options.unit} has a class in {options.label!r}")
    keys = _keys(dataset, options, tokens)
    _, first, owner = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    owner = owner.reshape(-1)
    order = np.argsort(owner, kind="stable")
    heads = tokens[first]
    names = _texts(dataset, options.label)[heads]
    part = _parts(dataset, options, heads)
    labels, label = _coded(names, part == TRAIN)
    groups = np.zeros(len(heads), dtype=np.int64)
    if options.group is not None:
        groups = np.unique(_texts(dataset, options.group)[heads], return_inverse=True)[1].astype(np.int64)
    words = np.full(len(heads), -1) if options.unit == "sentence" else _coordinate(dataset, "word")[heads]
    return Items(
        tokens=tokens[order],
        owner=owner[order].astype(np.int64),
        sentence=_coordinate(dataset, "sentence")[heads].astype(np.int64),
        word=words.astype(np.int64),
        label=label,
        group=groups,
        labels=labels,
        groups=int(groups.max()) + 1,
        part=part,
    )


def _chosen(dataset: xr.Dataset, options: ItemOptions) -> npt.NDArray[np.bool_]:
    """Tell which tokens belong to an item."""
    labels = _coordinate(dataset, options.label)
    chosen = ~_empty(labels) & ~np.isin(_texts(dataset, options.label), options.ignore)
    if options.unit == "word":
        chosen &= _coordinate(dataset, "word") >= 0
    for name, wanted in options.where.items():
        values = _coordinate(dataset, name)
        chosen &= _plain(values) == str(wanted) if values.dtype.kind in "OUT" else values == wanted
    found: npt.NDArray[np.bool_] = chosen
    return found


def _of_rich_groups(dataset: xr.Dataset, options: ItemOptions, tokens: Index) -> Index:
    """Leave out the tokens of groups with fewer classes than asked for."""
    if options.minimum_classes == 1 or not tokens.size:
        return tokens
    groups = _texts(dataset, options.group)[tokens] if options.group else np.zeros(len(tokens), dtype=np.str_)
    pairs = np.unique(np.stack([groups, _texts(dataset, options.label)[tokens]]), axis=1)
    names, classes = np.unique(pairs[0], return_counts=True)
    return tokens[np.isin(groups, names[classes >= options.minimum_classes])]


def _keys(dataset: xr.Dataset, options: ItemOptions, tokens: Index) -> Index:
    """Return what tokens of one item have in common, shape (token, key)."""
    sentence = _coordinate(dataset, "sentence")[tokens].astype(np.int64)
    inner = {"word": "word", "token": "position"}.get(options.unit)
    if inner is None:
        return sentence[:, None]
    return np.stack([sentence, _coordinate(dataset, inner)[tokens].astype(np.int64)], axis=1)


def _parts(dataset: xr.Dataset, options: ItemOptions, heads: Index) -> Index:
    if options.part is not None:
        names = _texts(dataset, options.part)[heads]
        unknown = sorted(set(names) - set(options.parts))
        if unknown:
            raise UsageError(
                f"{options.part!r} says {str(unknown[0])!r}, which is none of 'parts': {list(options.parts)}"
            )
        part: Index = np.argmax(names[:, None] == np.array(options.parts)[None], axis=1).astype(np.int64)
    else:
        things = np.arange(len(heads))
        if options.split == "sentence":
            things = np.unique(_coordinate(dataset, "sentence")[heads], return_inverse=True)[1]
        part = _dealt(int(things.max()) + 1, options)[things]
    for number, name in ((TRAIN, "training"), (TEST, "test")):
        if not (part == number).any():
            raise UsageError(f"the {name} part of {options.label!r} is empty: {len(heads)} items are too few")
    return part


def _dealt(number: int, options: ItemOptions) -> Index:
    """Deal things out at random: the first shares of a seeded permutation, rounded."""
    train, dev, _ = options.fractions
    ends = np.floor(np.array([train, train + dev]) * number + 0.5).astype(np.int64)
    part = np.full(number, TEST, dtype=np.int64)
    order = np.random.default_rng(options.seed).permutation(number)
    part[order[: ends[0]]], part[order[ends[0] : ends[1]]] = TRAIN, DEV
    return part


def _coded(names: Array, training: npt.NDArray[np.bool_]) -> tuple[tuple[str, ...], Index]:
    known = sorted(set(names[training]))
    later = sorted(set(names) - set(known))
    code = {name: number for number, name in enumerate((*known, *later))}
    return (*map(str, known), *map(str, later)), np.array([code[name] for name in names], dtype=np.int64)


def _coordinate(dataset: xr.Dataset, name: str) -> Array:
    if name not in dataset.variables or dataset[name].dims != ("token",):
        there = sorted(str(found) for found in dataset.coords if dataset[found].dims == ("token",))
        raise UsageError(f"the tokens have no annotation {name!r}; they have {', '.join(there) or 'none'}")
    values: Array = np.asarray(dataset[name].values)
    return values


def _texts(dataset: xr.Dataset, name: str) -> npt.NDArray[np.str_]:
    values = _coordinate(dataset, name)
    if values.dtype.kind == "f":
        whole = values == np.floor(values)
        return np.array([str(int(v)) if w else str(v) for v, w in zip(values, whole, strict=True)])
    return _plain(values)


def _plain(values: Array) -> npt.NDArray[np.str_]:
    """Turn values of any kind into text of a fixed width, which numpy sorts and compares; text of a store has none."""
    return np.array([str(value) for value in values.tolist()], dtype=np.str_)


def _empty(values: Array) -> npt.NDArray[np.bool_]:
    """Tell where an annotation has its empty value."""
    if values.dtype.kind == "f":
        return np.isnan(values)
    if values.dtype.kind in "iu":
        return values < 0
    return np.zeros(len(values), dtype=bool) if values.dtype.kind == "b" else _plain(values) == ""
