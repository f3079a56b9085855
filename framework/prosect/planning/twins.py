"""Models of a plan that are the same under two names, noticed by the digests of their weights."""

from __future__ import annotations

from collections.abc import Iterable

from prosect.planning.digest import UNKNOWN
from prosect.planning.model import Step


def identical_weights(steps: Iterable[Step]) -> tuple[tuple[str, ...], ...]:
    """Group models whose weights are the same although they are loaded from different places or revisions.

    Two checkpoints of one training run should differ; a copied folder or a branch that was never moved does not.
    Members of a matrix that differ in other fields (``dtype``, ``head``) mean the same weights on purpose.
    """
    places: dict[str, dict[tuple[str | None, str | None], str]] = {}
    for step in steps:
        weights, spec = step.config.get("model", {}).get("weights", UNKNOWN), step.model.spec
        if weights != UNKNOWN:
            places.setdefault(weights, {}).setdefault((spec.load, spec.revision), step.model.name)
    return tuple(tuple(names.values()) for names in places.values() if len(names) > 1)
