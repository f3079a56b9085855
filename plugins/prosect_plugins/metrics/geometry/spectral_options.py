"""Options of the measures of a spectrum, and what the plan must know of them. Imports no torch."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from prosect.api import Footprint, Options, Sizes
from prosect_plugins.metrics.geometry.options import ComponentOptions, axis_lengths, number_of_cells
from prosect_plugins.metrics.geometry.subsets import SUBSET, number_of_subsets


class ErrorOptions(Options):
    """How an error is estimated.

    Attributes
    ----------
    error
        ``none``; ``jackknife``: the value over all tokens, and its standard error by leaving out one block of sentences
        at a time; ``batches``: the mean over blocks of sentences that share none, and its standard error. Tokens of
        one sentence depend on each other, so whole sentences are left out or dealt out.
    blocks
        Number of blocks; sentences are dealt out to them in turn.
    """

    error: Literal["none", "jackknife", "batches"] = "none"
    blocks: int = Field(default=10, ge=2)

    @property
    def block_number(self) -> int:
        """Blocks that are told apart."""
        return 1 if self.error == "none" else self.blocks


class SpectrumOptions(ComponentOptions, ErrorOptions):
    """Options of a measure of the spectrum of a covariance.

    Attributes
    ----------
    center
        Subtract the mean vector of the counted tokens.
    rows
        ``raw`` vectors, or every vector scaled to length ``unit`` before anything else, so that long vectors (the first
        token of many causal models) count no more than others. Vectors of length 0 stay 0.
    """

    center: bool = True
    rows: Literal["raw", "unit"] = "raw"

    @property
    def unit_key(self) -> str:
        """Name of the sums of unit vectors."""
        parts = self.model_dump(include={"component", "selection", "group", "group_values", "group_bins"})
        pairs = getattr(self, "pairs", "all")
        return f"directions {parts} {self.block_number} {pairs}".replace("/", "|")

    @property
    def between(self) -> bool:
        """Whether the matrices between components are asked for by themselves."""
        return False


class AnisotropyOptions(SpectrumOptions):
    """Options of `anisotropy`.

    Attributes
    ----------
    method
        ``spectral``: the share of the leading direction in the variance (Razzhigaev et al. 2024); ``cosine``: the mean
        cosine of all pairs of tokens (Ethayarajh 2019), for which ``center`` and ``rows`` mean nothing.
    pairs
        Pairs of the mean cosine: ``all``, or those of ``different_sentences`` only.
    """

    method: Literal["spectral", "cosine"] = "spectral"
    pairs: Literal["all", "different_sentences"] = "all"

    @model_validator(mode="after")
    def _fits(self) -> AnisotropyOptions:
        if self.method == "spectral" and self.pairs != "all":
            raise ValueError("'pairs' belongs to 'method: cosine'")
        if self.method == "cosine" and (self.rows != "raw" or not self.center):
            raise ValueError("'center' and 'rows' belong to 'method: spectral'")
        return self


class IsoScoreOptions(SpectrumOptions):
    """Options of `isoscore`.

    Attributes
    ----------
    shrinkage
        Weight z of the identity in (1 - z) S + z I: IsoScore* of Rudman & Eickhoff (2024) without a reference sample,
        whose evaluation uses 0.75. It then depends on the scale of the vectors.
    """

    shrinkage: float = Field(default=0.0, ge=0, lt=1)


class EffectiveRankOptions(SpectrumOptions):
    """Options of `effective_rank`.

    Attributes
    ----------
    spectrum
        Shares of ``singular`` values (Roy & Vetterli 2007) or of the ``variance``, their squares.
    """

    spectrum: Literal["singular", "variance"] = "singular"


class RankMeOptions(SpectrumOptions):
    """Options of `rankme`.

    Attributes
    ----------
    center
        Subtract the mean vector; the paper does not.
    epsilon
        Added to every share (Garrido et al. 2023, eq. 1).
    """

    center: bool = False
    epsilon: float = Field(default=1e-7, ge=0)


class EntropyOptions(SpectrumOptions):
    """Options of `matrix_entropy`.

    Attributes
    ----------
    center
        Subtract the mean vector; the paper does not.
    alpha
        Order of the entropy; 1 is the von Neumann entropy.
    normalise
        ``none``: in nats; ``rank``: divided by the logarithm of the largest rank, so that 1 is the most there can be.
    """

    center: bool = False
    alpha: float = Field(default=1.0, gt=0)
    normalise: Literal["none", "rank"] = "none"


class SplitOptions(SpectrumOptions):
    """Options of `anisotropy_split`.

    Attributes
    ----------
    component
        Of a split over coordinates: the sums that are looked at, as for `anisotropy`. A split over components is that
        of the hidden state.
    method
        Which anisotropy is split: ``spectral`` or ``cosine``.
    over
        ``component``: over pairs of components; ``coordinate``: over the coordinates of the hidden state (Timkey & van
        Schijndel 2021).
    """

    component: str | list[str] = "total"
    method: Literal["spectral", "cosine"] = "spectral"
    over: Literal["component", "coordinate"] = "component"
    error: Literal["none"] = "none"

    @property
    def between(self) -> bool:
        """Whether the matrices between components are asked for by themselves."""
        return self.method == "spectral" and self.over == "component"

    @model_validator(mode="after")
    def _fits(self) -> SplitOptions:
        if self.over == "component" and self.component != "total":
            raise ValueError("a split over components is that of 'component: total'")
        if self.rows != "raw":
            raise ValueError("only raw vectors add up: a split takes 'rows: raw'")
        if self.method == "cosine" and not self.center:
            raise ValueError("'center' belongs to 'method: spectral'")
        return self


def in_pairs(options: SpectrumOptions, components: int) -> bool:
    """Whether matrices between components are kept, rather than one for every sum; scaled rows do not add up."""
    pairs = components * (components + 1) // 2
    subsets = number_of_subsets(options.component, components) or 0
    return options.between or (options.rows == "raw" and 0 < pairs < subsets)


def covariance_key(options: SpectrumOptions, components: int) -> str:
    """Name of the covariance that a measure reads; measures of an analysis that agree on it share one."""
    # Matrices between components serve every sum of them.
    sums = "pairs" if in_pairs(options, components) else options.component
    tokens = options.model_dump(include={"selection", "group", "group_values", "group_bins"})
    return f"covariance {sums} {options.rows} {tokens} {options.block_number}".replace("/", "|")


def covariance_footprint(options: SpectrumOptions, sizes: Sizes) -> Footprint:
    """Bytes of the matrices of every cell."""
    cells = number_of_cells(options, options.block_number)
    subsets = number_of_subsets(options.component, sizes.components)
    size = None
    if cells is not None and subsets is not None and sizes.hidden is not None:
        vectors = matrices = subsets
        if sizes.components is not None and in_pairs(options, sizes.components):
            vectors, matrices = sizes.components, sizes.components * (sizes.components + 1) // 2
        size = 8 * cells * (matrices * sizes.hidden**2 + vectors * sizes.hidden)
    return Footprint(
        state={covariance_key(options, sizes.components or 0): size}, axes={**axis_lengths(options), SUBSET: subsets}
    )
