"""What a node of the result tree looks like before anything is computed. Numpy only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from prosect.vocab.dims import SOURCE_TOKEN, TOKEN

SCHEMA: Final = "prosect-results"
SCHEMA_VERSION: Final = 1


@dataclass(frozen=True, kw_only=True)
class ArrayLayout:
    """A data variable: dimensions in order, dtype, attributes (``long_name``, ``units``, ``reference``)."""

    name: str
    dims: tuple[str, ...]
    dtype: str
    attrs: Mapping[str, Any] = field(default_factory=dict)

    @property
    def token_dim(self) -> str | None:
        """The axis of tokens by whose units it is cut and written; None where it has none."""
        return next((dim for dim in (TOKEN, SOURCE_TOKEN) if dim in self.dims), None)


@dataclass(frozen=True, kw_only=True)
class Coordinate:
    """A coordinate with its values; strings are numpy object or str arrays."""

    name: str
    dims: tuple[str, ...]
    values: npt.NDArray[Any]
    attrs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class NodeLayout:
    """One dataset of the tree.

    Attributes
    ----------
    path
        For example ``minilm/factors`` or ``nmt/factors/decoder``.
    sizes
        Length of every dimension.
    arrays, coordinates
        Its variables.
    unit_tokens
        Length of a unit on the ``token`` axis; a shard is one unit long, so a unit is written as whole shards.
    unit_source_tokens
        The same on the ``source_token`` axis, which is written by the encoder's units; None without such an axis.
    attrs
        Attributes of the node (schema, decomposition, dtype, notes …).
    """

    path: str
    sizes: Mapping[str, int]
    arrays: tuple[ArrayLayout, ...]
    coordinates: tuple[Coordinate, ...]
    unit_tokens: int
    attrs: Mapping[str, Any] = field(default_factory=dict)
    unit_source_tokens: int | None = None

    def shape(self, array: ArrayLayout) -> tuple[int, ...]:
        """Shape of one of its arrays."""
        return tuple(self.sizes[dim] for dim in array.dims)

    def unit_length(self, dim: str) -> int:
        """Length of a unit on an axis of tokens, ``token`` or ``source_token``."""
        found = self.unit_tokens if dim == TOKEN else self.unit_source_tokens
        if found is None:
            raise RuntimeError(f"{self.path}: {dim!r} is cut into no units")
        return found

    def nbytes(self) -> int:
        """Bytes of all arrays, uncompressed."""
        return sum(int(np.prod(self.shape(a), dtype=np.int64)) * np.dtype(a.dtype).itemsize for a in self.arrays)
