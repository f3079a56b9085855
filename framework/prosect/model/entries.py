"""From the sentences of a corpus to the entries that are encoded: checked, limited, paired."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from prosect.errors import UsageError
from prosect.spec.models import CommonCorpusOptions
from prosect.vocab.corpus import Sentence

Form = Literal["text", "words", "ids"]
TargetForm = Literal["text", "ids", "nothing"]
Part = str | tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """What becomes one sentence: one unit of a corpus, or two consecutive ones which make a pair.

    Attributes
    ----------
    number
        Number of its (first) unit as read, from 0.
    units
        One sentence or two.
    """

    number: int
    units: tuple[Sentence, ...]

    @property
    def first(self) -> Sentence:
        """The first unit, which alone may have targets."""
        return self.units[0]

    @property
    def form(self) -> Form:
        """What its segments are given as."""
        if self.first.ids is not None:
            return "ids"
        return "text" if isinstance(self.parts[0], str) else "words"

    @property
    def parts(self) -> tuple[Part, ...]:
        """Its segments, all as running text, or all as words if one of them is given so."""
        found: list[Part] = [unit.words if unit.words is not None else unit.text or "" for unit in self.units]
        if len(found) == 1 and self.first.pair is not None:
            found.append(self.first.pair)
        if all(isinstance(part, str) for part in found):
            return tuple(found)
        return tuple(tuple(part.split()) if isinstance(part, str) else part for part in found)

    @property
    def target(self) -> TargetForm:
        """What its target is given as."""
        if self.first.decoder_ids is not None:
            return "ids"
        return "text" if self.first.targets else "nothing"


def read_entries(sentences: Iterable[Sentence], common: CommonCorpusOptions, losses: Counter[str]) -> Iterator[Entry]:
    """Check, limit and pair sentences; an odd last one is counted in ``losses``."""
    waiting: tuple[int, Sentence] | None = None
    for number, sentence in enumerate(islice(sentences, common.limit)):
        _check(number, sentence, common)
        if not common.pair or sentence.pair is not None:
            yield Entry(number, (sentence,))
        elif waiting is None:
            waiting = (number, sentence)
        else:
            yield Entry(waiting[0], (waiting[1], sentence))
            waiting = None
    losses["sentences_dropped"] += waiting is not None


def _check(number: int, sentence: Sentence, common: CommonCorpusOptions) -> None:
    forms = [name for name in ("text", "words", "ids") if getattr(sentence, name) is not None]
    if len(forms) != 1:
        given = " and ".join(forms) or "none of them"
        raise UsageError(f"sentence {number} of the corpus must give one of text, words and ids; it gives {given}")
    if forms == ["ids"] and (common.pair or sentence.pair is not None):
        raise UsageError(
            f"sentence {number} of the corpus is given as token ids, which are fed as they are and cannot be paired: "
            "drop `pair` and give both segments' ids with their type ids"
        )
    if common.pair and sentence.pair is None and sentence.targets:
        raise UsageError(f"sentence {number} of the corpus has targets: two such sentences cannot be made one pair")
