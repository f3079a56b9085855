"""Declarations of the measures of geometry; the mathematics stands in the other files of this folder."""

from __future__ import annotations

from typing import Any, Final

from prosect.api import MetricDeclaration, Variable
from prosect_plugins.declaring import accumulator_metric
from prosect_plugins.metrics.geometry import neighbour_options, similarity_options, spectral_options
from prosect_plugins.metrics.geometry.linear_map_options import (
    LinearMapOptions,
    linear_map_footprint,
    linear_map_variables,
)
from prosect_plugins.metrics.geometry.options import TokenOptions, sum_labels
from prosect_plugins.metrics.geometry.produced import (
    anisotropy_footprint,
    norms_footprint,
    of_components,
    of_context,
    split_footprint,
    split_variables,
    with_companions,
)

HOME: Final = "prosect_plugins.metrics.geometry"
NO_VARIANCE: Final = "NaN where no token is counted, or all vectors are equal (uncentred: 0)"
ETHAYARAJH: Final = "Ethayarajh 2019, section 3.2"


def geometry_metrics() -> list[MetricDeclaration]:
    """Measures of geometry."""
    return [
        *_shares_of_variance(),
        *_entropies(),
        _split(),
        *_context_metrics(),
        *_neighbour_metrics(),
        _linear_map(),
        _dispersion(),
    ]


def _shares_of_variance() -> list[MetricDeclaration]:
    return [
        _spectral(
            of_components("anisotropy", "anisotropy"),
            "Share of the leading direction in the variance, or the mean cosine of all pairs of tokens.",
            spectral_options.AnisotropyOptions,
            ("Razzhigaev et al. 2024, section 3", ETHAYARAJH),
            footprint=anisotropy_footprint,
        ),
        _spectral(
            of_components("participation_ratio", "participation ratio"),
            "Number of directions that share the variance, (sum l)^2 / sum l^2.",
            spectral_options.SpectrumOptions,
            ("Gao et al. 2017, eq. 4",),
        ),
        _spectral(
            of_components("isoscore", "IsoScore"),
            "How evenly the variance is spread over all directions, 0 to 1.",
            spectral_options.IsoScoreOptions,
            ("Rudman et al. 2022, algorithm 1", "Rudman & Eickhoff 2024"),
        ),
        _spectral(
            of_components("stable_rank", "stable rank"),
            "Variance over that of the leading direction, sum l / l_1.",
            spectral_options.SpectrumOptions,
            ("Rudelson & Vershynin 2007",),
        ),
    ]


def _entropies() -> list[MetricDeclaration]:
    return [
        _spectral(
            of_components("effective_rank", "effective rank"),
            "Exponential of the entropy of the spectrum.",
            spectral_options.EffectiveRankOptions,
            ("Roy & Vetterli 2007, definition 1",),
            null=False,
        ),
        _spectral(
            of_components("rankme", "RankMe"),
            "Exponential of the entropy of the uncentred singular values.",
            spectral_options.RankMeOptions,
            ("Garrido et al. 2023, eq. 1",),
            null=False,
        ),
        _spectral(
            of_components("matrix_entropy", "matrix entropy", "nat"),
            "Entropy of the eigenvalues of the uncentred Gram matrix.",
            spectral_options.EntropyOptions,
            ("Skean et al. 2025, section 4.2",),
            null=False,
        ),
    ]


def _spectral(
    variable: Variable,
    summary: str,
    options: type[spectral_options.SpectrumOptions],
    references: tuple[str, ...],
    *,
    null: bool = True,
    **more: Any,  # noqa: ANN401 - further fields of the declaration
) -> MetricDeclaration:
    fields = {"footprint": spectral_options.covariance_footprint, "axes": sum_labels, "undefined": NO_VARIANCE} | more
    return accumulator_metric(
        variable.name,
        summary,
        f"{HOME}.spectral:{variable.name}",
        options,
        with_companions(variable, null=null),
        references=references,
        **fields,
    )


def _split() -> MetricDeclaration:
    return accumulator_metric(
        "anisotropy_split",
        "Exact split of the anisotropy over pairs of components or over coordinates; it sums to `anisotropy`.",
        f"{HOME}.split:anisotropy_split",
        spectral_options.SplitOptions,
        split_variables,
        axes=sum_labels,
        footprint=split_footprint,
        undefined=NO_VARIANCE,
        references=("Timkey & van Schijndel 2021, eq. 4", ETHAYARAJH),
    )


def _context_metrics() -> list[MetricDeclaration]:
    common = {"axes": sum_labels, "undefined": "NaN where nothing is counted", "references": (ETHAYARAJH,)}
    return [
        accumulator_metric(
            "self_similarity",
            "Mean cosine of the occurrences of a word, averaged over words.",
            f"{HOME}.similarity:SelfSimilarity",
            similarity_options.SelfSimilarityOptions,
            of_context(of_components("self_similarity", "self-similarity"), "types", baseline=True),
            footprint=similarity_options.type_footprint,
            **common,
        ),
        accumulator_metric(
            "intra_sentence_similarity",
            "Mean cosine of the vectors of a sentence with their mean, averaged over sentences.",
            f"{HOME}.similarity:IntraSentenceSimilarity",
            similarity_options.BaselineOptions,
            of_context(
                of_components("intra_sentence_similarity", "intra-sentence similarity"),
                "sentences",
                baseline=True,
                error=True,
            ),
            footprint=similarity_options.sentence_footprint,
            **common,
        ),
        accumulator_metric(
            "mev",
            "Share of the leading direction in the variance of a word's occurrences, averaged over words.",
            f"{HOME}.similarity:Mev",
            similarity_options.MevOptions,
            of_context(of_components("mev", "maximum explainable variance"), "types"),
            footprint=similarity_options.mev_footprint,
            **common,
        ),
    ]


def _neighbour_metrics() -> list[MetricDeclaration]:
    return [
        accumulator_metric(
            "intrinsic_dimension",
            "Dimension of the cloud of vectors, from distances to nearest neighbours.",
            f"{HOME}.dimension:intrinsic_dimension",
            neighbour_options.DimensionOptions,
            neighbour_options.dimension_variables,
            axes=sum_labels,
            footprint=neighbour_options.sample_footprint,
            undefined="NaN where too few points differ, or all distances are equal",
            references=("Facco et al. 2017", "Razzhigaev et al. 2024, section 3", "Denti et al. 2022"),
        ),
        accumulator_metric(
            "neighbourhood_overlap",
            "Share of nearest neighbours that two layers have in common, or that share a label.",
            f"{HOME}.overlap:neighbourhood_overlap",
            neighbour_options.OverlapOptions,
            neighbour_options.overlap_variables,
            axes=sum_labels,
            footprint=neighbour_options.sample_footprint,
            undefined="NaN where a layer is compared with itself or no other, or there are too few points",
            references=("Doimo et al. 2020, section 2.2", "Valeriani et al. 2023, section 2"),
        ),
    ]


def _linear_map() -> MetricDeclaration:
    return accumulator_metric(
        "linear_map_r2",
        "How much of what a sub-layer or block writes is a linear map of what it reads (R^2 of least squares).",
        f"{HOME}.linear_map:LinearMap",
        LinearMapOptions,
        linear_map_variables,
        requires=frozenset({"sublayers"}),
        footprint=linear_map_footprint,
        undefined="NaN at the embeddings, and where the block has no such sub-layer or nothing is counted",
        references=("Mickus, Paperno & Constant 2022, figure 2", "Razzhigaev et al. 2024 (ACL)"),
    )


def _dispersion() -> MetricDeclaration:
    return accumulator_metric(
        "dispersion",
        "Coefficient of variation of the norms of vectors over tokens, sd(|t|) / mean(|t|).",
        f"{HOME}.dispersion:Dispersion",
        TokenOptions,
        with_companions(of_components("dispersion", "coefficient of variation of the norm"), null=False),
        footprint=norms_footprint,
        undefined="NaN where no token is counted, or all norms are 0",
        references=("Kobayashi et al. 2020, section 5.2",),
    )
