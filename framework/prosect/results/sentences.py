"""The node ``sentences`` of an encoder-decoder: what its sentences are as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from prosect.model.tokens import Texts
from prosect.results.layout import SCHEMA, SCHEMA_VERSION, ArrayLayout, Coordinate, NodeLayout
from prosect.results.values import jsonable
from prosect.vocab.dims import SENTENCE

ALTERNATIVE: Final = "alternative"
_TEXT: Final = "T"


def sentences_node(
    path: str, texts: Texts, attrs: Mapping[str, Any]
) -> tuple[NodeLayout, Mapping[str, npt.NDArray[Any]]]:
    """Lay out the texts of sentences.

    Variables are ``source`` and ``target`` (sentence), and ``reference`` (sentence, alternative) where the corpus has
    target texts; a sentence with fewer references than others has empty ones.

    Parameters
    ----------
    path
        Path of the node.
    texts
        The texts.
    attrs
        Attributes of the node, as JSON; ``targets`` is added: ``corpus`` or ``generated``.
    """
    number = max(map(len, texts.references), default=0)
    data = {"source": _texts(texts.source), "target": _texts(texts.target)}
    arrays = [_array("source", "text of the source"), _array("target", "text of what the decoder is fed with")]
    if number:
        rows = [[*found, *[""] * (number - len(found))] for found in texts.references]
        data["reference"] = np.array(rows, dtype=np.dtypes.StringDType())
        arrays.append(_array("reference", "target texts of the corpus", ALTERNATIVE))
    numbers = np.arange(len(texts.source), dtype=np.int32)
    layout = NodeLayout(
        path=path,
        sizes={SENTENCE: len(numbers), **({ALTERNATIVE: number} if number else {})},
        arrays=tuple(arrays),
        coordinates=(
            Coordinate(name=SENTENCE, dims=(SENTENCE,), values=numbers, attrs={"long_name": "sentence, from 0"}),
        ),
        unit_tokens=1,
        attrs={
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSION,
            "targets": "generated" if texts.generated else "corpus",
            **{name: jsonable(value) for name, value in attrs.items()},
        },
    )
    return layout, data


def _array(name: str, meaning: str, *more: str) -> ArrayLayout:
    attrs = {"long_name": meaning, "units": "1", "reference": "none"}
    return ArrayLayout(name=name, dims=(SENTENCE, *more), dtype=_TEXT, attrs=attrs)


def _texts(texts: tuple[str, ...]) -> npt.NDArray[Any]:
    return np.array(texts, dtype=np.dtypes.StringDType())
