"""Options of the measures of words in context, and what the plan must know of them. Imports no torch."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field

from prosect.api import Footprint, Sizes
from prosect_plugins.metrics.geometry.options import ComponentOptions, axis_lengths
from prosect_plugins.metrics.geometry.subsets import SUBSET, number_of_subsets

TYPE: Final = "type"


class BaselineOptions(ComponentOptions):
    """Options of a mean cosine that is held against a baseline.

    Attributes
    ----------
    baseline
        The baseline is the mean cosine of all counted tokens: of pairs from ``different_sentences``, as in Ethayarajh
        2019, or of ``all`` pairs. It is given beside the value, to be subtracted.
    """

    baseline: Literal["different_sentences", "all"] = "different_sentences"


class TypeOptions(ComponentOptions):
    """Which types (words) are looked at.

    Attributes
    ----------
    type
        The coordinate whose values are the types; an annotation may say lemmas.
    contexts
        A type counts if it occurs in so many sentences (Ethayarajh 2019 asks for 5).
    types
        So many types are drawn from those; null takes all.
    seed
        Seed of the draw.
    each_type
        Give the value of every type, on the dimension ``type``, instead of their mean.
    """

    type: str = "token_id"
    contexts: int = Field(default=5, ge=1)
    types: int | None = Field(default=1000, ge=1)
    seed: int = 0
    each_type: bool = False


class SelfSimilarityOptions(TypeOptions, BaselineOptions):
    """Options of `self_similarity`."""


class MevOptions(TypeOptions):
    """Options of `mev`.

    Attributes
    ----------
    types
        So many types are drawn; null takes all.
    occurrences
        Of each type so many occurrences are drawn; null takes all. Their vectors are kept.
    center
        Subtract the mean of the occurrences, as the authors' code does; the raw matrix gives far larger values where
        vectors share a direction.
    """

    types: int | None = Field(default=100, ge=1)
    occurrences: int | None = Field(default=100, ge=2)
    center: bool = True


def type_footprint(options: SelfSimilarityOptions, sizes: Sizes) -> Footprint:
    """Bytes of a sum of vectors for every type; not known where all types count."""
    subsets, hidden = number_of_subsets(options.component, sizes.components), sizes.hidden
    size = None
    if subsets is not None and hidden is not None and options.types is not None and options.group is None:
        places = len(options.selection) if isinstance(options.selection, list) else 1
        size = 8 * places * subsets * (options.types * (hidden + 1) + hidden + 3)
    return Footprint(state={"self_similarity": size}, axes=_axes(options, sizes))


def mev_footprint(options: MevOptions, sizes: Sizes) -> Footprint:
    """Bytes of the vectors of all occurrences that are kept, in float32; not known where all are."""
    subsets, hidden = number_of_subsets(options.component, sizes.components), sizes.hidden
    size = None
    if None not in (subsets, hidden, options.types, options.occurrences):
        rows = (options.types or 0) * (options.occurrences or 0)
        size = min(rows, sizes.tokens or rows) * (4 * (subsets or 0) * (hidden or 0) + 8)
    return Footprint(state={"mev": size}, axes=_axes(options, sizes))


def sentence_footprint(options: BaselineOptions, sizes: Sizes) -> Footprint:
    """Bytes of the sums of a sentence that is not complete, and of the baseline."""
    subsets, hidden = number_of_subsets(options.component, sizes.components), sizes.hidden
    size = None
    if subsets is not None and hidden is not None and options.group is None:
        places = len(options.selection) if isinstance(options.selection, list) else 1
        size = 8 * places * subsets * (3 * hidden + 6)
    return Footprint(state={"intra_sentence_similarity": size}, axes=_axes(options, sizes))


def _axes(options: ComponentOptions, sizes: Sizes) -> dict[str, int | None]:
    types = getattr(options, "types", None)
    return {**axis_lengths(options), SUBSET: number_of_subsets(options.component, sizes.components), TYPE: types}
