"""Options of the measures of neighbours, and what the plan must know of them. Imports no torch."""

from __future__ import annotations

from typing import Final, Literal

from pydantic import Field, model_validator

from prosect.api import Footprint, Sizes, Variable
from prosect_plugins.metrics.geometry.options import ComponentOptions, axis_lengths, spread
from prosect_plugins.metrics.geometry.spectral_options import ErrorOptions
from prosect_plugins.metrics.geometry.subsets import COMPONENT, SUBSET, number_of_subsets

SCALE: Final = "scale"
ESTIMATOR: Final = "estimator"
SAMPLE: Final = "sample"
BATCH: Final = "batch"

Method = Literal["twonn", "mle", "mom", "mada", "gride"]
#: Largest second neighbour of a Gride profile.
GRIDE_MOST: Final = 64


class SamplingOptions(ComponentOptions, ErrorOptions):
    """Which tokens are points, and how an error is estimated.

    Attributes
    ----------
    sample
        So many tokens are drawn, for each selection and group (and each batch); null takes all. Their vectors are kept.
    per_sentence
        Of a sentence at most so many tokens are drawn; null for any number. With few sentences the neighbours of a
        token are those of its own sentence, and what is measured is the curve of the sentence.
    duplicates
        ``value``: of points that are equal, number by number, one is kept. ``prefix``: of tokens whose sentence is the
        same up to them, one is drawn, which a causal model cannot tell apart; ``input``: of tokens at the same
        position of the same sentence. Both say so where rounding hides it, and drop equal points too. ``keep``: all
        stay.
    seed
        Seed of the draw.
    error
        ``none``; ``batches``: the mean over batches of ``sample`` tokens that share no sentence, and its standard
        error; ``jackknife``: by leaving out one block of sentences at a time; ``nominal``: from the likelihood, as if
        points did not share neighbours, which is too small by a sixth and more. A bootstrap of rows is no choice: it
        gives points twins at distance 0.
    blocks
        Number of batches or blocks.
    """

    sample: int | None = Field(default=4096, ge=3)
    per_sentence: int | None = Field(default=None, ge=1)
    duplicates: Literal["value", "prefix", "input", "keep"] = "value"
    seed: int = 0
    error: Literal["none", "jackknife", "batches", "nominal"] = "none"  # type: ignore[assignment]  # one more choice

    @property
    def batch_number(self) -> int:
        """Batches that are drawn."""
        return self.blocks if self.error == "batches" else 1

    @property
    def sample_key(self) -> str:
        """Name of the sample; measures of an analysis that agree on it share one, and its neighbours."""
        names = ("component", "selection", "group", "group_values", "group_bins", "sample", "per_sentence", "seed")
        draw = self.duplicates if self.duplicates in ("prefix", "input") else ""
        parts = self.model_dump(include=set(names))
        return f"sample {parts} {draw} {self.batch_number}".replace("/", "|")


class DimensionOptions(SamplingOptions):
    """Options of `intrinsic_dimension`.

    Attributes
    ----------
    method
        ``twonn`` (Facco et al. 2017), ``mle`` (Levina & Bickel 2004), ``mom`` (Amsaleg et al. 2018), ``mada``
        (Farahmand et al. 2007), ``gride`` (Denti et al. 2022: a profile over scales). A list gives each of them, on
        the dimension ``estimator``, from one table of neighbours.
    fit
        Of TwoNN: ``linear``, a line through the origin, as in the paper; ``maximum_likelihood`` of all ratios;
        ``censored``, of the kept ones; ``bayesian``, with the prior Gamma(2, 5) of DADApy; ``llm_microscope``, which
        removes nothing, and keeps points with a twin in the ranks, as that package does.
    keep
        Share of the ratios that enter the fit, the smallest ones: 0.9 in Facco et al. (2017), 0.98 in Valeriani et al.
        (2023), 0.2 in the code of Razzhigaev et al. (2024). Their number is given as ``_kept``.
    neighbours
        Number k of neighbours of MLE, MOM and MADA; a list is averaged over (Levina & Bickel: 10 to 20).
    aggregate
        How local values of MLE and MOM are brought together: by the ``default`` (of MLE the harmonic mean, MacKay &
        Ghahramani 2005; of MOM the mean), the ``mean`` or the ``harmonic`` mean.
    unbiased
        Divide by k - 2 instead of k - 1 in MLE.
    scales
        Of Gride: second neighbours n_2, with n_1 = n_2 / 2; default 2, 4, 8, … 64.
    decimation
        Halve the points so many times, and give the mean over all parts at each step, on the dimension ``scale``: a
        plateau is a dimension, a falling curve is noise.
    """

    method: Method | list[Method] = "twonn"
    fit: Literal["linear", "maximum_likelihood", "censored", "bayesian", "llm_microscope"] = "linear"
    keep: float = Field(default=0.9, gt=0, le=1)
    neighbours: int | list[int] = 20
    aggregate: Literal["default", "mean", "harmonic"] = "default"
    unbiased: bool = False
    scales: list[int] = Field(default_factory=lambda: [2**power for power in range(1, 7)])
    decimation: int = Field(default=0, ge=0, le=16)

    @model_validator(mode="after")
    def _fits(self) -> DimensionOptions:
        if isinstance(self.method, list) and "gride" in self.method:
            raise ValueError("'gride' gives a profile, and stands by itself")
        if self.method == "gride" and self.decimation:
            raise ValueError("'gride' looks at scales without 'decimation'")
        if any(scale < 2 or scale % 2 for scale in self.scales):  # noqa: PLR2004 - the first two neighbours
            raise ValueError("'scales' are even numbers from 2 on")
        least = self.neighbours if isinstance(self.neighbours, int) else min(self.neighbours, default=0)
        if least < 3:  # noqa: PLR2004 - k - 2 is divided by
            raise ValueError("'neighbours' are at least 3")
        likely = self.method == "gride" or (self.method == "twonn" and self.fit not in ("linear", "llm_microscope"))
        if self.error == "nominal" and not likely:
            raise ValueError("'error: nominal' takes a likelihood: Gride, or TwoNN with another 'fit'")
        return self

    @property
    def methods(self) -> tuple[str, ...]:
        """Methods that are asked for."""
        return tuple(self.method) if isinstance(self.method, list) else (self.method,)

    @property
    def own_axes(self) -> tuple[str, ...]:
        """Dimensions of the value beside tokens and sums."""
        methods = (ESTIMATOR,) if isinstance(self.method, list) else ()
        return (*methods, SCALE) if self.method == "gride" or self.decimation else methods

    @property
    def ks(self) -> tuple[int, ...]:
        """Numbers of neighbours that are averaged over."""
        return (self.neighbours,) if isinstance(self.neighbours, int) else tuple(self.neighbours)


class OverlapOptions(SamplingOptions):
    """Options of `neighbourhood_overlap`.

    Attributes
    ----------
    to
        The layer whose neighbours are compared with those of each layer: the ``next`` one of the analysis, the ``last``
        or the ``first``; or ``label``: the share of neighbours that have the point's own value of a coordinate.
    label
        That coordinate.
    neighbours
        Number k of neighbours: 30 in Doimo et al. (2020).
    duplicates
        As for `intrinsic_dimension`; layers are compared point by point, so equal points stay unless the draw leaves
        them out.
    error
        As for `intrinsic_dimension`.
    """

    to: Literal["next", "last", "first", "label"] = "next"
    label: str | None = None
    neighbours: int = Field(default=30, ge=1)
    duplicates: Literal["keep", "prefix", "input"] = "keep"
    error: Literal["none", "batches"] = "none"

    @model_validator(mode="after")
    def _fits(self) -> OverlapOptions:
        if (self.to == "label") != (self.label is not None):
            raise ValueError("'to: label' and 'label' belong together")
        return self


def dimension_variables(options: DimensionOptions) -> tuple[Variable, ...]:
    """Variables of `intrinsic_dimension`."""
    name, own = "intrinsic_dimension", options.own_axes
    dims = (COMPONENT, *own)
    found = [Variable(name=name, dims=dims, long_name="intrinsic dimension")]
    if options.error != "none":
        found.append(Variable(name=f"{name}_error", dims=dims, long_name="standard error of the intrinsic dimension"))
    counts = {"n_used": "points that differ", "duplicates": "points left out because another is equal"}
    found += [Variable(name=f"{name}_{n}", dims=(COMPONENT,), long_name=t, dtype="int64") for n, t in counts.items()]
    if "twonn" in options.methods:
        kept = "ratios that enter the fit"
        found.append(Variable(name=f"{name}_kept", dims=(COMPONENT,), long_name=kept, dtype="int64"))
    share = "share of points with a nearest or second neighbour in their own sentence"
    found.append(Variable(name=f"{name}_same_sentence", dims=(COMPONENT,), long_name=share))
    return (*(spread(one, options) for one in found), sample_variable(name, options))


def sample_variable(name: str, options: SamplingOptions) -> Variable:
    """Places of the tokens that were drawn, the same at every layer; -1 where there are fewer."""
    drawn = Variable(
        name=f"{name}_sample", dims=(BATCH, SAMPLE), long_name="place of a token that was drawn", dtype="int64"
    )
    return spread(drawn, options)


def overlap_variables(options: OverlapOptions) -> tuple[Variable, ...]:
    """Variables of `neighbourhood_overlap`."""
    name = "neighbourhood_overlap"
    found = [Variable(name=name, dims=(COMPONENT,), long_name="share of neighbours that are the same")]
    if options.error != "none":
        found.append(Variable(name=f"{name}_error", dims=(COMPONENT,), long_name="standard error of the overlap"))
    null = "share of neighbours that would be the same by chance"
    found.append(Variable(name=f"{name}_null", dims=(COMPONENT,), long_name=null))
    found.append(Variable(name=f"{name}_n_used", dims=(COMPONENT,), long_name="points", dtype="int64"))
    return (*(spread(one, options) for one in found), sample_variable(name, options))


def sample_footprint(options: SamplingOptions, sizes: Sizes) -> Footprint:
    """Bytes of the vectors that are kept, in float32."""
    subsets, hidden = number_of_subsets(options.component, sizes.components), sizes.hidden
    most = options.sample if options.sample is not None else sizes.tokens
    axes = axis_lengths(options)
    size = None
    if None not in (subsets, hidden, most, axes["group"] if options.group else 0):
        points = (most or 0) * options.batch_number * (axes["selection"] or 1) * (axes["group"] or 1)
        size = min(points, sizes.tokens or points) * ((subsets or 0) * (hidden or 0) * 4 + 8)
    own = {SUBSET: subsets, SAMPLE: most, BATCH: options.batch_number}
    if isinstance(options, DimensionOptions):
        own[ESTIMATOR] = len(options.methods)
        own[SCALE] = len(options.scales) if options.method == "gride" else options.decimation + 1
    return Footprint(state={options.sample_key: size}, axes={**axes, **own})
