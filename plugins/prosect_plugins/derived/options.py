"""Options of the derived metrics."""

from typing import Literal

from pydantic import Field

from prosect.api import Conditions, Options


class SelectingOptions(Options):
    """What most derived metrics take: which variables, and of what.

    Attributes
    ----------
    variables
        Variables to use; default: all numbers with the dimensions that are needed.
    where
        Keep what fits all of these: coordinate, dimension or variable -> value, list of values, or
        ``{min: ..., max: ...}``.
    exclude
        Leave out what fits any of these.
    """

    variables: tuple[str, ...] | None = None
    where: Conditions = Field(default_factory=dict)
    exclude: Conditions = Field(default_factory=dict)


class CorrelationOptions(SelectingOptions):
    """Options of `correlation`.

    Attributes
    ----------
    against
        The variable to correlate with; default: with two datasets each variable with the one of its name in the
        second, or the only one there.
    over
        Dimensions whose entries are the pairs of values.
    method
        ``spearman`` (Mickus & Vázquez 2023), ``pearson``, or ``kendall`` (tau-b).
    minimum
        NaN where fewer pairs are known.
    """

    against: str | None = None
    over: tuple[str, ...] = ("token",)
    method: Literal["spearman", "pearson", "kendall"] = "spearman"
    minimum: int = Field(default=3, ge=2)


class WarpingOptions(SelectingOptions):
    """Options of `dynamic_time_warping`.

    Attributes
    ----------
    over
        The dimension along which curves run; default: the only one, else ``step``, else ``model``.
    runs
        With one dataset: the coordinate on ``over`` that tells curves apart.
    order
        The coordinate on ``over`` by which points are put in order and cut; default ``step`` where there is one.
    until
        Leave out points behind this value of ``order``; ``common``: behind the smallest of the last ones.
    scale
        ``none``; ``before``: z-scores of each whole curve before it is cut (Mickus & Vázquez 2023); ``after``.
    ddof
        Divisor n - ddof of the variance of z-scores.
    cost
        Cost of pairing two points.
    pattern
        ``symmetric1``: every step costs the same (Mickus & Vázquez 2023); ``symmetric2``: diagonal ones twice.
    window
        Greatest difference of positions of paired points (Sakoe-Chiba band); default: none.
    normalise
        ``none``; ``length``: divide by the sum of the lengths.
    """

    over: str | None = None
    runs: str = "run"
    order: str | None = None
    until: float | Literal["common"] | None = None
    scale: Literal["none", "before", "after"] = "none"
    ddof: int = Field(default=1, ge=0)
    cost: Literal["absolute", "squared"] = "absolute"
    pattern: Literal["symmetric1", "symmetric2"] = "symmetric1"
    window: int | None = Field(default=None, ge=0)
    normalise: Literal["none", "length"] = "none"


Alternative = Literal["two-sided", "less", "greater"]


class SummaryOptions(SelectingOptions):
    """Options of `summary`.

    Attributes
    ----------
    over
        Dimensions to summarise over. All values weigh the same, so that long sentences weigh more
        (Mickus & Vázquez 2023).
    by
        A coordinate on them: one summary for each of its values, for example ``sentence``.
    undefined
        What a NaN counts as: left out, ``zero`` (Mickus & Vázquez 2023, of cosines of empty terms), or ``propagate``.
    ddof
        Divisor n - ddof of the variance.
    """

    over: tuple[str, ...] = ("token",)
    by: str | None = None
    undefined: Literal["leave_out", "zero", "propagate"] = "leave_out"
    ddof: int = Field(default=1, ge=0)


class DriftOptions(Options):
    """Options of `term_drift`.

    Attributes
    ----------
    total
        Compare the sum of all terms too, as the component ``total``.
    where
        Keep the tokens that fit all of these: coordinate -> value, list of values, or ``{min: ..., max: ...}``.
    exclude
        Leave out those that fit any of these.
    """

    total: bool = True
    where: Conditions = Field(default_factory=dict)
    exclude: Conditions = Field(default_factory=dict)


class ScoreOptions(SelectingOptions):
    """Options of `z_scores`.

    Attributes
    ----------
    over
        Dimension along which mean and deviation are taken; default: the only one, else ``step``, else ``model``.
    sign
        ``value_minus_mean``; or ``mean_minus_value``, as in the published files of Mickus & Vázquez (2023).
    ddof
        Divisor n - ddof of the variance.
    """

    over: str | None = None
    sign: Literal["value_minus_mean", "mean_minus_value"] = "value_minus_mean"
    ddof: int = Field(default=1, ge=0)


class DifferenceOptions(SelectingOptions):
    """Options of `differences`.

    Attributes
    ----------
    over
        Dimension along which neighbours lie; default: the only one, else ``step``, else ``model``.
    order
        The coordinate on ``over`` by which items are put in order; default ``step`` where there is one.
    lag
        How far apart they are.
    times
        How often differences are taken.
    """

    over: str | None = None
    order: str | None = None
    lag: int = Field(default=1, ge=1)
    times: int = Field(default=1, ge=1)


class PairOptions(SelectingOptions):
    """Options of `pair_differences`.

    Attributes
    ----------
    over
        Dimension of the items that are compared; default: the only one, else ``step``, else ``model``.
    order
        The coordinate on ``over`` by which items are put in order, so that a difference is later minus earlier;
        default ``step`` where there is one.
    pairs
        ``random``: so many different pairs (Mickus & Vázquez 2023); ``all``; ``lag``: neighbours at a fixed distance.
    number
        Random pairs that are drawn, without replacement.
    lag
        Distance of the two items of a pair.
    seed
        Seed of the draw.
    within
        A coordinate on ``over``: only pairs of items of the same value, for example ``sentence``.
    across
        A coordinate on ``over``: only pairs of items of different values.
    scale
        ``none``, or z-scores along ``over`` beforehand, with their sign: ``value_minus_mean``, or ``mean_minus_value``
        as in the published files of Mickus & Vázquez (2023).
    ddof
        Divisor n - ddof of the variance of z-scores.
    delta
        ``signed`` differences or ``absolute`` ones.
    sum_over
        The dimension over whose labels absolute differences are summed (L1); the sum stands under the label ``l1``.
        Nothing where a variable does not have it.
    """

    over: str | None = None
    order: str | None = None
    pairs: Literal["random", "all", "lag"] = "random"
    number: int = Field(default=1000, ge=1)
    lag: int = Field(default=1, ge=1)
    seed: int = Field(default=0, ge=0)
    within: str | None = None
    across: str | None = None
    scale: Literal["none", "value_minus_mean", "mean_minus_value"] = "none"
    ddof: int = Field(default=1, ge=0)
    delta: Literal["signed", "absolute"] = "signed"
    sum_over: str | None = "component"


class PairCorrelationOptions(PairOptions):
    """Options of `pair_correlation`.

    Attributes
    ----------
    against
        The variable, usually of a table, whose differences are correlated with; it is not scaled.
    repetitions
        Draws of random pairs, with the seeds ``seed``, ``seed + 1`` …; all pairs and neighbours are taken once.
    method
        ``spearman`` (Mickus & Vázquez 2023), ``pearson``, or ``kendall`` (tau-b).
    """

    against: str
    repetitions: int = Field(default=10, ge=1)
    method: Literal["spearman", "pearson", "kendall"] = "spearman"


class SampleOptions(SelectingOptions):
    """What tests of two samples take.

    Attributes
    ----------
    over
        Dimensions whose entries are the values of a sample; default: the only dimension, else ``pair``.
    first
        With one dataset: what belongs to the first sample, in the form of ``where``.
    second
        With one dataset: what belongs to the second sample; default: the rest.
    alternative
        ``two-sided``; ``less``: the first sample has the smaller values; ``greater``.
    correction
        How p-values of all results together are adjusted: ``holm``, ``benjamini_hochberg``, or ``none``.
    """

    over: tuple[str, ...] | None = None
    first: Conditions = Field(default_factory=dict)
    second: Conditions = Field(default_factory=dict)
    alternative: Alternative = "two-sided"
    correction: Literal["holm", "benjamini_hochberg", "none"] = "holm"


class PermutationOptions(SampleOptions):
    """Options of `permutation_test`.

    Attributes
    ----------
    most
        Up to so many ways to choose the first sample all are counted; else random ones are.
    draws
        Number of random ways.
    seed
        Seed of the random ways.
    """

    most: int = Field(default=1_000_000, ge=1)
    draws: int = Field(default=99_999, ge=1)
    seed: int = Field(default=0, ge=0)


class MannWhitneyOptions(SampleOptions):
    """Options of `mann_whitney`.

    Attributes
    ----------
    method
        How p is computed: ``auto`` is exact for small samples without ties.
    """

    method: Literal["auto", "asymptotic", "exact"] = "auto"


class SentenceAgreementOptions(SelectingOptions):
    """Options of `sentence_agreement`.

    Attributes
    ----------
    sentence
        The coordinate on ``token`` that is shared by the runs.
    minimum
        Sentences with fewer tokens in one of the runs are left out.
    """

    sentence: str = "sentence"
    minimum: int = Field(default=1, ge=1)


class VarianceOptions(SelectingOptions):
    """Options of `variance_decomposition`.

    Attributes
    ----------
    factors
        Dimensions, or coordinates on ``model`` such as ``seed`` and ``step``, whose effects are told apart.
    """

    factors: tuple[str, ...] = Field(default=("model", "token"), min_length=2, max_length=4)


class BootstrapOptions(SelectingOptions):
    """Options of `bootstrap`.

    Attributes
    ----------
    over
        The dimension of the values.
    cluster
        The coordinate on it whose values are drawn as a whole, since tokens of a sentence are not independent;
        ``none`` draws every value by itself.
    resamples
        Number of resamples.
    level
        Level of the interval.
    interval
        ``percentile``; ``basic``; ``bca``: bias-corrected and accelerated (Efron & Tibshirani 1993).
    seed
        Seed of the draw.
    """

    over: str = "token"
    cluster: str = "sentence"
    resamples: int = Field(default=1000, ge=1)
    level: float = Field(default=0.95, gt=0, lt=1)
    interval: Literal["percentile", "basic", "bca"] = "percentile"
    seed: int = Field(default=0, ge=0)


class BleuOptions(Options):
    """Options of `bleu`.

    Attributes
    ----------
    tokenize
        How sacrebleu cuts texts into words.
    lowercase
        Ignore case.
    smooth
        How sacrebleu smooths counts of 0.
    """

    tokenize: Literal["13a", "none", "intl", "char", "zh"] = "13a"
    lowercase: bool = False
    smooth: Literal["exp", "floor", "add-k", "none"] = "exp"


class ChrfOptions(Options):
    """Options of `chrf`.

    Attributes
    ----------
    characters
        Longest n-gram of characters.
    words
        Longest n-gram of words; 2 for chrF++.
    beta
        Weight of recall.
    lowercase
        Ignore case.
    """

    characters: int = Field(default=6, ge=1)
    words: int = Field(default=0, ge=0)
    beta: int = Field(default=2, ge=1)
    lowercase: bool = False
