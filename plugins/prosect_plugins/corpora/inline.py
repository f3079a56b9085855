"""Kind `inline`: sentences that stand in the spec itself, as text or as token ids."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from prosect.api import Sentence
from prosect_plugins.corpora.options import InlineOptions


def read(options: InlineOptions, folder: Path) -> Iterator[Sentence]:
    """Yield the sentences with their targets; ``folder`` is not looked at."""
    del folder
    if options.targets is None:
        return (_sentence(sentence, None) for sentence in options.sentences)
    return map(_sentence, options.sentences, options.targets)


def _sentence(sentence: str | list[int], target: str | list[int] | None) -> Sentence:
    texts = (target,) if isinstance(target, str) else ()
    if isinstance(sentence, str):
        return Sentence(text=sentence, targets=texts)
    return Sentence(ids=tuple(sentence), decoder_ids=tuple(target) if isinstance(target, list) else None, targets=texts)
