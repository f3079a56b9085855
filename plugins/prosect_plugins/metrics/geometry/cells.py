"""Cells: the tokens of a corpus cut into disjoint classes, of which every selection and group is a union."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from prosect.api import UsageError
from prosect.api.tensors import Axis, Context, Int, Reading, Tensor
from prosect_plugins.metrics.geometry.options import DROPS, GROUP, SELECTION, TokenOptions

IntArray = npt.NDArray[np.int64]
BoolArray = npt.NDArray[np.bool_]

#: More groups than anyone reads, and than a machine holds covariances of.
MOST_GROUPS = 4096


@dataclass(frozen=True)
class Cells:
    """The tokens of a corpus in disjoint classes.

    Attributes
    ----------
    codes
        Cell of every token of the corpus, shape (token,); -1 for tokens that no selection or group holds.
    members
        Which cells make a selection, group and block of sentences, shape (*token axes, block, cell); the token axes
        are those of ``axes``.
    axes
        ``selection`` and ``group``, as far as the options ask for them.
    """

    codes: Int[Tensor, " token"]
    members: BoolArray
    axes: Mapping[str, Axis]

    @property
    def number(self) -> int:
        """Number of cells."""
        number: int = self.members.shape[-1]
        return number

    @property
    def blocks(self) -> int:
        """Number of blocks of sentences; 1 where they are not told apart."""
        number: int = self.members.shape[-2]
        return number

    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the token axes."""
        return self.members.shape[:-2]

    def places(self, reading: Reading) -> Iterator[tuple[int, Int[Tensor, " counted"]]]:
        """Yield every cell that has tokens in a reading, with their places on its (flattened) token axis."""
        view = reading.tokens
        codes = torch.where(view.own, self.codes[view.index.clamp(min=0)], -1).flatten()
        for cell in torch.unique(codes).tolist():
            if cell >= 0:
                yield cell, torch.nonzero(codes == cell).flatten()

    def cells(self, place: tuple[int, ...], blocks: Sequence[int] | None = None) -> list[int]:
        """Cells of a place on the token axes, within some blocks; None means all."""
        members = self.members[place] if blocks is None else self.members[place][list(blocks)]
        found: list[int] = np.flatnonzero(members.any(axis=0)).tolist()
        return found


def cells_of(options: TokenOptions, context: Context, blocks: int = 1, held_out: int | None = None) -> Cells:
    """Cut the tokens of the corpus as the options ask for.

    Parameters
    ----------
    options
        Selection and group.
    context
        Where the corpus is.
    blocks
        Whole sentences are dealt out to so many blocks in turn, so that each runs through the whole corpus.
    held_out
        Instead, every sentence of this number belongs to the second of two blocks, all others to the first.
    """
    tokens = repr((options.selection, options.group, options.group_values, options.group_bins))
    key = "cells", tokens, blocks, held_out
    return context.once(key, lambda: _made(options, context, _dealt(context, blocks, held_out)))


def _dealt(context: Context, blocks: int, held_out: int | None) -> BoolArray:
    """Which block every token belongs to, shape (block, token)."""
    lengths = context.stream.lengths.astype(np.int64)
    turn = np.arange(len(lengths)) % (held_out or blocks)
    block = turn if held_out is None else turn == held_out - 1
    number = blocks if held_out is None else 2
    found: BoolArray = np.repeat(block, lengths) == np.arange(number)[:, None]
    return found


def _made(options: TokenOptions, context: Context, dealt: BoolArray) -> Cells:
    axes: dict[str, Axis] = {}
    chosen = options.selection if isinstance(options.selection, list) else [options.selection]
    parts = [np.stack([_selected(name, context) for name in chosen])]
    kept = [isinstance(options.selection, list)]
    if isinstance(options.selection, list):
        axes[SELECTION] = Axis(np.array(chosen), "tokens that are counted")
    if options.group is not None:
        values, codes = _groups(options, context)
        parts.append(codes == np.arange(len(values))[:, None])
        kept.append(True)
        axes[GROUP] = Axis(values, f"value of {options.group}")
    parts.append(dealt)
    codes, members = _cut(parts, [*kept, True])
    return Cells(torch.from_numpy(codes).to(context.device), members, axes)


def _cut(parts: list[BoolArray], kept: list[bool]) -> tuple[IntArray, BoolArray]:
    """Give every combination of memberships that occurs a code, and list which codes make each combination of parts.

    A token counts where it is in one of each part at once; a part that is not kept has a single row.
    """
    patterns, codes = np.unique(np.concatenate(parts), axis=1, return_inverse=True)
    each = np.split(patterns, np.cumsum([len(part) for part in parts])[:-1])
    used = np.logical_and.reduce([part.any(axis=0) for part in each])
    renamed = np.where(used, np.cumsum(used) - 1, -1).astype(np.int64)
    members = np.ones((int(used.sum()),), dtype=np.bool_)
    for part, keep in zip(each, kept, strict=True):
        members = members[..., None, :] & part[:, used] if keep else members & part[0, used]
    return renamed[codes.reshape(-1)], members


def _selected(name: str, context: Context) -> BoolArray:
    tokens = context.stream.tokens
    first = np.zeros(tokens, dtype=np.bool_)
    first[np.asarray(context.stream.offsets[:-1], dtype=np.int64)] = True
    dropped = np.zeros(tokens, dtype=np.bool_)
    if "first" in DROPS[name]:
        dropped |= first
    if "special" in DROPS[name]:
        dropped |= np.asarray(coordinate(context, "special"), dtype=np.bool_)
    found: BoolArray = ~dropped
    return found


def _groups(options: TokenOptions, context: Context) -> tuple[npt.NDArray[np.generic], IntArray]:
    """Values of the groups, and the place of each token's value, -1 for none."""
    name = str(options.group)
    given = coordinate(context, name)
    if options.group_bins is not None:
        edges = np.array(options.group_bins)
        if given.dtype.kind not in "iufb":
            raise UsageError(f"'group_bins' cuts numbers, and the coordinate {name!r} holds text")
        places = np.searchsorted(edges, given.astype(np.float64), side="right") - 1
        outside = (places < 0) | (places >= len(edges) - 1) | ~np.isfinite(given.astype(np.float64))
        return edges[:-1], np.where(outside, -1, places).astype(np.int64)
    present, places = np.unique(given, return_inverse=True)
    wanted = present[_has_value(present)] if options.group_values is None else np.array(options.group_values)
    if len(wanted) > MOST_GROUPS:
        raise UsageError(f"{name!r} has {len(wanted):,} values; name some of them in 'group_values'")
    place = {value: number for number, value in enumerate(wanted.tolist())}
    by_value = np.array([place.get(value, -1) for value in present.tolist()], dtype=np.int64)
    if options.group_values is not None and (by_value < 0).all():
        raise UsageError(f"no token has one of the 'group_values' {options.group_values} of {name!r}")
    return wanted, by_value[places.reshape(-1)]


def _has_value(values: npt.NDArray[np.generic]) -> BoolArray:
    if values.dtype.kind == "f":
        return ~np.isnan(values.astype(np.float64))
    return np.array([value not in ("", None) for value in values.tolist()], dtype=np.bool_)


def coordinate(context: Context, name: str) -> npt.NDArray[np.generic]:
    """Values of a coordinate of the corpus, shape (token,); UsageError lists those there are."""
    found = context.stream.coordinates.get(name)
    if found is None and name == "frequency":
        _, inverse, counts = np.unique(context.stream.ids, return_inverse=True, return_counts=True)
        found = counts[inverse.reshape(-1)]
    if found is None:
        known = ", ".join(sorted((*context.stream.coordinates, "frequency")))
        raise UsageError(f"the corpus has no coordinate {name!r}; it has {known}")
    return np.asarray(found)
