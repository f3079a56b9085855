"""What stands on the axes of results: layers, components, tokens."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from prosect.model.tokens import TokenStream
from prosect.results.layout import Coordinate
from prosect.results.values import compact, storable
from prosect.vocab.components import Component
from prosect.vocab.dims import (
    COMPONENT,
    HEAD,
    LAYER,
    MASKED,
    OTHER_COMPONENT,
    POSITION,
    SCOPE,
    SEGMENT,
    SENTENCE,
    SOURCE,
    SOURCE_TOKEN,
    SPECIAL,
    TARGET_ID,
    TEXT,
    TOKEN,
    TOKEN_ID,
    WORD,
)

NUMBERED: Final = {
    HEAD: "attention head, from 0",
    SOURCE: "position of the contributing token in its own sentence, from 0",
}
MEANING: Final = {
    SENTENCE: "sentence, from 0 in the order of the corpus",
    POSITION: "position in the sentence as fed to the model, from 0",
    TEXT: "token as the tokenizer writes it",
    TOKEN_ID: "token id as fed to the model",
    TARGET_ID: "token id that follows the decoder's input up to here; -1 where nothing does",
    SPECIAL: "whether the token was added by the tokenizer",
    WORD: "word of the sentence, from 0; -1 where the token belongs to none",
    MASKED: "whether the token was chosen for masking",
    SEGMENT: "segment of the sentence, from 0",
}


def layer_coordinates(layers: Sequence[int]) -> tuple[Coordinate, ...]:
    """Make the axis of layers."""
    values = np.array(layers, dtype=np.int32)
    return (_on(LAYER, LAYER, values, "layer; 0 is the embedding layer"),)


def component_coordinates(components: Sequence[Component]) -> tuple[Coordinate, ...]:
    """Make the axis of components: labels and ``kind``, and ``block`` and ``head`` where any component has one.

    Blocks and heads are floats, NaN where a component has none (the input, the bias): so ``ds.block == 3`` and
    ``ds.where`` mean what they say, without an invented number or a mask that xarray would turn into NaN anyway.
    """
    labels = _texts(component.label for component in components)
    found = [
        _on(COMPONENT, COMPONENT, labels, "component"),
        _on("kind", COMPONENT, _texts(component.kind for component in components), "kind of component"),
    ]
    blocks = [component.block for component in components]
    heads = [component.head for component in components]
    if any(block is not None for block in blocks):
        found.append(_on("block", COMPONENT, _optional(blocks), "block, from 1; NaN where there is none"))
    if any(head is not None for head in heads):
        found.append(_on(HEAD, COMPONENT, _optional(heads), "attention head, from 0; NaN where there is none"))
    return tuple(found)


def other_component_coordinates(components: Sequence[Component]) -> tuple[Coordinate, ...]:
    """Make the second axis of components, for variables of pairs."""
    labels = _texts(component.label for component in components)
    return (_on(OTHER_COMPONENT, OTHER_COMPONENT, labels, "the other component of a pair"),)


def scope_coordinates(names: Sequence[str]) -> tuple[Coordinate, ...]:
    """Make the axis of scopes."""
    return (_on(SCOPE, SCOPE, _texts(names), "point of the block, named by what was passed since its sub-layer"),)


def index_coordinate(dim: str, size: int) -> Coordinate:
    """Make an axis of heads or source positions, from 0."""
    return _on(dim, dim, np.arange(size, dtype=np.int32), NUMBERED[dim])


def token_coordinates(stream: TokenStream) -> tuple[Coordinate, ...]:
    """Make what stands on the token axis: a stream's own coordinates and the annotations of its corpus.

    Integers are kept in 32 bits where they fit. A blank in an annotation's name becomes ``_``.
    """
    return tuple(_on_tokens(TOKEN, stream))


def source_token_coordinates(stream: TokenStream) -> tuple[Coordinate, ...]:
    """Make what stands on the axis of the encoder's tokens: the same names behind ``source_``."""
    return tuple(_on_tokens(SOURCE_TOKEN, stream, prefix="source_"))


def plain_name(name: str) -> str:
    """Name of a variable for an annotation: lists of coordinates are split at blanks, paths at slashes."""
    plain = re.sub(r"[\s/]+", "_", name).lstrip("._")
    return plain or "annotation"


def _on_tokens(dim: str, stream: TokenStream, prefix: str = "") -> Iterator[Coordinate]:
    of = " of the encoder" if prefix else ""
    for name, values in stream.coordinates.items():
        meaning = MEANING[name] + of if name in MEANING else name
        yield _on(prefix + plain_name(name), dim, storable(compact(np.asarray(values))), meaning)


def _on(name: str, dim: str, values: npt.NDArray[Any], meaning: str) -> Coordinate:
    return Coordinate(name=name, dims=(dim,), values=values, attrs={"long_name": meaning})


def _texts(labels: Iterable[str]) -> npt.NDArray[Any]:
    return np.array(list(labels), dtype=np.dtypes.StringDType())


def _optional(numbers: Sequence[int | None]) -> npt.NDArray[Any]:
    return np.array([np.nan if number is None else number for number in numbers], dtype=np.float32)
