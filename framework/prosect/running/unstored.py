"""Planned steps on one model in memory, ready to be computed without a store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from prosect.model.load import LoadedModel
from prosect.model.tokens import TokenStream, Unit
from prosect.planning.model import Plan, Step
from prosect.running.compute import UnitComputer, UnitResult
from prosect.running.inputs import input_key, read_tokens
from prosect.running.prepare import ReadyStep, Scene, fed_streams, pad_id, pairs, ready
from prosect.vocab.architecture import fed_stream


@dataclass(frozen=True, kw_only=True)
class Unstored:
    """Steps over one corpus, with their model and tokens at hand.

    Attributes
    ----------
    model
        The model, whose description has been proved.
    steps
        What is computed, in the order of the plan.
    fed
        Stream of the model -> the tokens it is fed with.
    """

    model: LoadedModel
    steps: tuple[ReadyStep, ...]
    fed: Mapping[str, TokenStream]

    def compute(self, *places: tuple[int, str]) -> tuple[UnitResult, ...]:
        """Compute nodes, each given by the number of its step and its name, as one unit of all tokens.

        All are computed in one forward pass, so they must be of one stream; ``cross`` goes with the decoder.
        """
        (name,) = {fed_stream(node) for _, node in places}
        steps, tokens = [self.steps[number] for number, _ in places], self.fed[name]
        whole = Unit(0, 0, tokens.tokens, 0, tokens.sentences)
        budget = min(step.record.batch_tokens for step in steps)
        cut = pairs(self.fed, name, whole, budget=budget, pad_id=pad_id(self.model))
        works = [step.works[node] for step, (_, node) in zip(steps, places, strict=True)]
        return UnitComputer(self.model, works, [step.limit for step in steps]).compute(cut, tokens, whole)


def unstored(model: LoadedModel, planned: Plan, scene: Scene, steps: tuple[Step, ...] | None = None) -> Unstored:
    """Make the steps of a plan ready, all of them over the same corpus; ``steps`` stand in for those of the plan."""
    chosen = planned.steps if steps is None else steps
    tokens = read_tokens(chosen[0], input_key(chosen[0], model), model, None)
    prepared = tuple(ready(step, scene, tokens, planned.spec.compute, None) for step in chosen)
    return Unstored(model=model, steps=prepared, fed=fed_streams(tokens, scene))
