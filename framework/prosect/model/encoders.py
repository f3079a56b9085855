"""The ways in which a batch of entries becomes pieces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

import numpy as np

from prosect.errors import UsageError
from prosect.model.encode_fast import encode_fast
from prosect.model.encode_slow import SlowEncoder
from prosect.model.entries import Entry, Part
from prosect.model.limits import Limits
from prosect.model.pieces import Pieces, new_pieces
from prosect.model.tokenizer import Tokenizer

Encode = Callable[[Sequence[tuple[Part, ...]]], Pieces]


@dataclass(frozen=True)
class Encoders:
    """Encodes either side of entries of one form.

    Attributes
    ----------
    limits
        What the model takes.
    source_text, target_text
        Encode texts; None where there is no tokenizer.
    """

    limits: Limits
    source_text: Encode | None
    target_text: Encode | None

    def source(self, batch: Sequence[Entry]) -> Pieces:
        """Encode the source side; segment ids only where the model takes them."""
        if batch[0].form == "ids":
            return self._source_ids(batch)
        pieces = _texts(self.source_text, [entry.parts for entry in batch], batch)
        return pieces if self.limits.takes_type_ids else replace(pieces, type_ids=None)

    def target(self, batch: Sequence[Entry]) -> Pieces | None:
        """Encode the target side; None where the corpus gives none."""
        kind = batch[0].target
        if kind == "ids":
            return self._ids([entry.first.decoder_ids or () for entry in batch], batch)
        if kind == "text":
            pieces = _texts(self.target_text, [(entry.first.targets[0],) for entry in batch], batch)
            return replace(pieces, type_ids=None)
        return None

    def _source_ids(self, batch: Sequence[Entry]) -> Pieces:
        ids = [entry.first.ids or () for entry in batch]
        pieces = self._ids(ids, batch)
        if not self.limits.takes_type_ids:
            return pieces
        types = [entry.first.type_ids or (0,) * len(fed) for entry, fed in zip(batch, ids, strict=True)]
        for entry, fed, given in zip(batch, ids, types, strict=True):
            if len(given) != len(fed):
                raise UsageError(f"sentence {entry.number} has {len(given)} type ids for {len(fed)} token ids")
        return replace(pieces, type_ids=np.fromiter(chain.from_iterable(types), np.int32, len(pieces.ids)))

    def _ids(self, lists: Sequence[tuple[int, ...]], batch: Sequence[Entry]) -> Pieces:
        _check_ids(lists, batch, self.limits.vocab_size)
        lengths = np.fromiter(map(len, lists), np.int64, len(lists))
        return new_pieces(np.fromiter(chain.from_iterable(lists), np.int64, int(lengths.sum())), lengths, 0)


def encoders_of(tokenizer: Tokenizer | None, limits: Limits, *, special_tokens: bool) -> Encoders:
    """Choose by the kind of tokenizer."""
    if tokenizer is None:
        return Encoders(limits, None, None)
    if tokenizer.is_fast:
        fast = partial(encode_fast, tokenizer, special_tokens=special_tokens)
        return Encoders(limits, partial(fast, target=False), partial(fast, target=True))
    source, target = (SlowEncoder(tokenizer, special_tokens, target) for target in (False, True))
    return Encoders(limits, source.encode, target.encode)


def _texts(encode: Encode | None, parts: Sequence[tuple[Part, ...]], batch: Sequence[Entry]) -> Pieces:
    if encode is None:
        raise UsageError("the corpus gives text, but the model has no tokenizer: name one (`tokenizer`), or give ids")
    for entry, texts in zip(batch, parts, strict=True):
        _check_characters(entry, texts)
    return encode(parts)


def _check_ids(lists: Sequence[tuple[int, ...]], batch: Sequence[Entry], vocab_size: int | None) -> None:
    largest = (np.iinfo(np.int32).max if vocab_size is None else vocab_size) - 1
    for ids, entry in zip(lists, batch, strict=True):
        if ids and not 0 <= min(ids) <= max(ids) <= largest:
            wrong = next(one for one in ids if not 0 <= one <= largest)
            raise UsageError(f"sentence {entry.number} has the token id {wrong}, but ids go from 0 to {largest}")


def _check_characters(entry: Entry, texts: tuple[Part, ...]) -> None:
    try:
        for part in texts:
            (part if isinstance(part, str) else " ".join(part)).encode()
    except UnicodeEncodeError as error:
        raise UsageError(
            f"sentence {entry.number} has half of a surrogate pair at character {error.start}, which is no text: "
            "mend the encoding of the file"
        ) from None
