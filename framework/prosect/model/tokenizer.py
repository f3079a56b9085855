"""What is asked of a tokenizer: the part of transformers' interface that the text side uses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol


class FastEncoding(Protocol):
    """One text as the Rust library has encoded it."""

    @property
    def sequence_ids(self) -> Sequence[int | None]:
        """Segment of every token, None for added ones."""


class Encodings(Protocol):
    """What a tokenizer returns: names to lists; ``encodings`` is None where it is written in Python."""

    @property
    def encodings(self) -> Sequence[FastEncoding] | None:
        """One per text."""

    def __getitem__(self, name: str) -> list[Any]:
        """Return ``input_ids``, ``token_type_ids``, ``offset_mapping``, ...: a list per text, or of one text."""


class Tokenizer(Protocol):
    """A tokenizer of transformers, fast (Rust) or slow (Python)."""

    @property
    def is_fast(self) -> bool:
        """Whether it knows where in the text a token comes from."""

    @property
    def all_special_ids(self) -> Sequence[int]:
        """Ids of its special tokens, unknown and mask among them."""

    def get_vocab(self) -> Mapping[str, int]:
        """Token strings and their ids."""

    def convert_ids_to_tokens(self, ids: int, /) -> str | None:
        """Token string of an id."""

    def __call__(self, **options: object) -> Encodings:
        """Encode one text or several."""
