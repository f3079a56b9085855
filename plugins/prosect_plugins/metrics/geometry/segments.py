"""Sums over the tokens of a sentence or of a type, in an order that never changes; sentences cut by a unit's border."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch

from prosect.api.tensors import Float, Int, State, Tensor

Parts = Mapping[str, Tensor]


def segment_sums(
    values: Float[Tensor, "vector token hidden"], lengths: Int[Tensor, " segment"]
) -> Float[Tensor, "vector segment hidden"]:
    """Sum neighbouring tokens segment by segment, one after the other (no atomic additions, hence repeatable)."""
    vector, _, hidden = values.shape
    flat = values.movedim(1, 0).reshape(values.shape[1], vector * hidden)
    summed = torch.segment_reduce(flat, "sum", lengths=lengths, axis=0, unsafe=True)
    return summed.reshape(len(lengths), vector, hidden).movedim(0, 1)


class OpenSentences:
    """What is known of sentences that a unit saw in part, until the unit that holds the rest is merged.

    Parameters
    ----------
    lengths
        Tokens of every sentence of the corpus.
    """

    def __init__(self, lengths: list[int]) -> None:
        self._lengths = lengths
        self._parts: dict[int, tuple[int, dict[str, Tensor]]] = {}

    def add(self, sentence: int, tokens: int, sums: Parts) -> Parts | None:
        """Add a part of a sentence, so many tokens; its sums over the whole as soon as all of it was seen."""
        seen, before = self._parts.pop(sentence, (0, {}))
        total = {name: before[name] + value if name in before else value for name, value in sums.items()}
        if seen + tokens >= self._lengths[sentence]:
            return total
        self._parts[sentence] = seen + tokens, total
        return None

    def state(self) -> State:
        """Tensors by name."""
        found = {}
        for sentence, (seen, sums) in sorted(self._parts.items()):
            found[f"open.{sentence}.seen"] = torch.tensor(seen, dtype=torch.int64)
            found.update({f"open.{sentence}.{name}": value for name, value in sums.items()})
        return found

    def merge(self, state: State) -> Iterator[Parts]:
        """Add the parts that another one has; yields the sums of the sentences that are complete then."""
        parts: dict[int, dict[str, Tensor]] = {}
        for full, value in state.items():
            if full.startswith("open."):
                _, number, name = full.split(".", 2)
                parts.setdefault(int(number), {})[name] = value
        for sentence, sums in sorted(parts.items()):
            total = self.add(sentence, int(sums.pop("seen")), sums)
            if total is not None:
                yield total
