"""Declarations of the metrics over stored results; implementations load xarray and stand in their own files."""

from collections.abc import Sequence
from typing import Any, Final

from prosect.api import MetricDeclaration, Options, Variable
from prosect_plugins.declaring import derived_metric
from prosect_plugins.derived import options

MICKUS_2023: Final = "Mickus & Vázquez 2023"
CONSTANT: Final = "NaN where a sample is constant, or too few pairs are known"


def derived_metrics() -> Sequence[MetricDeclaration]:
    """Metrics over stored results that come with prosect."""
    return [*_summaries(), *_comparisons(), *_pairs(), *_tests(), *_spread(), *_translation()]


def _derived(
    implementation: str,
    summary: str,
    model: type[Options],
    produces: Sequence[Variable],
    **more: Any,  # noqa: ANN401 - further fields of the declaration
) -> MetricDeclaration:
    return derived_metric(
        f"prosect_plugins.derived.{implementation}",
        summary,
        model,
        tuple(produces),
        naming=tuple(option for option in ("variables", "against") if option in model.model_fields),
        **more,
    )


def _number(name: str, long_name: str, units: str = "1") -> Variable:
    return Variable(name=name, dims=("variable",), long_name=long_name, units=units)


def _summaries() -> list[MetricDeclaration]:
    return [
        _derived(
            "summary:summary",
            "Mean, standard deviation and number of values over tokens, or for each sentence.",
            options.SummaryOptions,
            [
                _number("mean", "mean"),
                _number("standard_deviation", "standard deviation"),
                _number("number", "number of values"),
            ],
            members="separate",
            undefined="NaN where no value is known",
            references=(MICKUS_2023,),
        ),
        _derived(
            "scaling:z_scores",
            "z-scores (x - mean) / sd along one dimension, with an explicit sign.",
            options.ScoreOptions,
            [_number("z_scores", "z-score")],
            inputs=(1, 1),
            undefined="NaN where all values are the same",
            references=(MICKUS_2023,),
        ),
        _derived(
            "scaling:differences",
            "Differences of neighbours along one dimension, taken once or several times.",
            options.DifferenceOptions,
            [_number("differences", "difference to an earlier item")],
            inputs=(1, 1),
            undefined="NaN where a value is",
            references=(MICKUS_2023,),
        ),
    ]


def _comparisons() -> list[MetricDeclaration]:
    return [
        _derived(
            "correlation:correlation",
            "Correlation of two variables over tokens or any other dimensions.",
            options.CorrelationOptions,
            [_number("correlation", "correlation"), _number("number", "number of pairs")],
            inputs=(1, 2),
            undefined=CONSTANT,
            references=(MICKUS_2023,),
        ),
        _derived(
            "drift:term_drift",
            "Cosine and distance between the terms of one model and those of others on the same tokens.",
            options.DriftOptions,
            [
                Variable(name=name, dims=("layer", "component", "token"), long_name=long_name, units=units)
                for name, long_name, units in (
                    ("term_cosine", "cosine of a term in both models", "1"),
                    ("term_distance", "distance of a term in both models", "embedding units"),
                    ("term_relative_distance", "distance over the norm in the first model", "1"),
                )
            ],
            inputs=(2, None),
            members="separate",
            needs=("terms",),
            undefined="NaN where a term is 0",
            references=("Mickus, Paperno & Constant 2022, section 6",),
        ),
        _derived(
            "warping:dynamic_time_warping",
            "Dynamic-time-warping distance between training curves, of two datasets or of every pair of runs.",
            options.WarpingOptions,
            [_number("dynamic_time_warping", "dynamic time warping distance")],
            undefined="NaN where a curve has a NaN",
            references=("Sakoe & Chiba 1978", MICKUS_2023),
        ),
    ]


def _pairs() -> list[MetricDeclaration]:
    return [
        _derived(
            "pairing:pair_differences",
            "Differences between pairs of checkpoints or sentences, and their absolute sum over terms.",
            options.PairOptions,
            [
                Variable(
                    name="pair_differences", dims=("variable", "pair"), long_name="second item of the pair minus first"
                )
            ],
            inputs=(1, 1),
            undefined="NaN where a value is",
            references=(MICKUS_2023,),
        ),
        _derived(
            "pairing:pair_correlation",
            "Correlation of differences between checkpoints or sentences with differences of a score.",
            options.PairCorrelationOptions,
            [
                _number("pair_correlation", "correlation of differences, mean over draws"),
                _number("resampling_deviation", "standard deviation over draws"),
                _number("number", "number of pairs in a draw"),
            ],
            undefined=CONSTANT,
            references=(MICKUS_2023,),
        ),
    ]


def _tests() -> list[MetricDeclaration]:
    adjusted = _number("adjusted_p", "p-value, adjusted for being one of many")
    return [
        _derived(
            "samples:permutation_test",
            "Exact permutation test of a difference of means; its own variable is p.",
            options.PermutationOptions,
            [
                _number("permutation_test", "p-value of the permutation test"),
                _number("difference_of_means", "mean of the first sample minus mean of the second"),
                _number("ways", "ways to choose the first sample that were counted"),
                adjusted,
            ],
            inputs=(1, 2),
            undefined="NaN where a sample is empty",
            references=("Pitman 1937", MICKUS_2023, "Holm 1979"),
        ),
        _derived(
            "samples:mann_whitney",
            "Mann-Whitney test of two samples; its own variable is p.",
            options.MannWhitneyOptions,
            [
                _number("mann_whitney", "p-value of the Mann-Whitney test"),
                _number("u_statistic", "U of the first sample"),
                _number("greater_share", "share of pairs in which the first sample is greater, ties half"),
                adjusted,
            ],
            inputs=(1, 2),
            undefined="NaN where a sample is empty",
            references=("Mann & Whitney 1947", MICKUS_2023, "Holm 1979"),
        ),
        _derived(
            "samples:sentence_agreement",
            "Agreement of two runs whose tokens differ: how far the values of each sentence overlap.",
            options.SentenceAgreementOptions,
            [
                _number("sentence_agreement", "agreement 1 - |2 U / (n m) - 1|, mean over sentences"),
                _number("standard_deviation", "standard deviation over sentences"),
                _number("number", "number of sentences"),
            ],
            inputs=(2, 2),
            undefined="NaN where no sentence is known in both",
            references=(MICKUS_2023,),
        ),
    ]


def _spread() -> list[MetricDeclaration]:
    effects = ("variable", "effect")
    return [
        _derived(
            "variance:variance_decomposition",
            "Share of the variance that lies between runs, between tokens, and in both together.",
            options.VarianceOptions,
            [
                Variable(name="variance_decomposition", dims=effects, long_name="share of the sum of squares"),
                Variable(name="mean_square", dims=effects, long_name="mean square"),
                Variable(name="variance_component", dims=effects, long_name="variance component"),
                _number("number", "levels of the longest factor that were known everywhere"),
            ],
            inputs=(1, 1),
            undefined="NaN where nothing varies",
            references=("Searle, Casella & McCulloch 1992, chapter 4",),
        ),
        _derived(
            "bootstrap:bootstrap",
            "Mean over tokens with an interval from resampled sentences; of two datasets their difference.",
            options.BootstrapOptions,
            [
                _number("bootstrap", "mean, or difference of means"),
                _number("lower", "lower end of the interval"),
                _number("upper", "upper end of the interval"),
                _number("standard_error", "standard deviation over resamples"),
                _number("clusters", "number of sentences"),
            ],
            inputs=(1, 2),
            undefined="NaN where no value is known",
            references=("Efron & Tibshirani 1993, chapters 6, 13 and 14",),
        ),
    ]


def _translation() -> list[MetricDeclaration]:
    scores = (
        ("bleu", "BLEU", options.BleuOptions, ("Papineni et al. 2002", "Post 2018")),
        ("chrf", "chrF", options.ChrfOptions, ("Popović 2015", "Post 2018")),
    )
    return [
        _derived(
            f"translation:{name}",
            f"{title} of what a model wrote, of the whole corpus and of every sentence, by sacrebleu.",
            model,
            [
                Variable(name=name, dims=(), long_name=f"{title} of the corpus, 0 to 100"),
                Variable(name=f"sentence_{name}", dims=("sentence",), long_name=f"{title} of a sentence, 0 to 100"),
            ],
            inputs=(1, None),
            members="separate",
            needs=("target", "reference"),
            undefined="never undefined",
            references=references,
        )
        for name, title, model, references in scores
    ]
