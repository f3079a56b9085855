"""The sentences of an encoder-decoder as text, so that what a model wrote can be scored without it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

from prosect.model.streams import Reader
from prosect.model.tokens import IntArray, Texts, Tokenised, TokenStream


def texts_of(tokens: Tokenised, written: Sequence[IntArray] | None, reader: Reader) -> Texts:
    """Put together what both sides are as text.

    Parameters
    ----------
    tokens
        Both streams, with ``source_texts``.
    written
        Ids that the model wrote, per sentence; None where the targets are those of the corpus.
    reader
        Its tokenizer turns ids into text, special tokens left out; without one ids are written as numbers.
    """
    source, target, text = tokens.source, tokens.target, _writer(reader)
    known = tokens.source_texts or (None,) * source.sentences
    read = _decoded(source, text, [place for place, given in enumerate(known) if given is None])
    sources = tuple(read[place] if given is None else given for place, given in enumerate(known))
    if written is not None:
        targets = tuple(text(row) for row in written)
        return Texts(source=sources, target=targets, references=tokens.references, generated=True)
    if tokens.references:
        firsts = tuple(texts[0] if texts else "" for texts in tokens.references)
        return Texts(source=sources, target=firsts, references=tokens.references, generated=False)
    found = {} if target is None else _decoded(target, text, range(target.sentences))
    return Texts(source=sources, target=tuple(found.values()), references=(), generated=False)


def _decoded(stream: TokenStream, text: Callable[[IntArray], str], places: Iterable[int]) -> dict[int, str]:
    return {place: text(stream.ids[stream.offsets[place] : stream.offsets[place + 1]]) for place in places}


def _writer(reader: Reader) -> Callable[[IntArray], str]:
    special, tokenizer = reader.special_ids, cast("Any", reader.tokenizer)

    def text(ids: IntArray) -> str:
        plain = [one for one in ids.tolist() if one not in special]
        return " ".join(map(str, plain)) if tokenizer is None else str(tokenizer.decode(plain))

    return text
