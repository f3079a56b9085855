"""Declarations of the measures of geometry; the mathematics stands in the other files of this folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from prosect.api import Footprint, MetricDeclaration, Sizes, Variable
from prosect_plugins.metrics.geometry.linear_map_options import (
    LinearMapOptions,
    linear_map_footprint,
    linear_map_variables,
)
from prosect_plugins.metrics.geometry.neighbour_options import (
    DimensionOptions,
    OverlapOptions,
    dimension_variables,
    overlap_variables,
    sample_footprint,
)
from prosect_plugins.metrics.geometry.options import (
    ComponentOptions,
    TokenOptions,
    axis_lengths,
    number_of_cells,
    spread,
    sum_labels,
    token_axes,
)
from prosect_plugins.metrics.geometry.similarity_options import (
    TYPE,
    BaselineOptions,
    MevOptions,
    SelfSimilarityOptions,
    mev_footprint,
    sentence_footprint,
    type_footprint,
)
from prosect_plugins.metrics.geometry.spectral_options import (
    AnisotropyOptions,
    EffectiveRankOptions,
    EntropyOptions,
    ErrorOptions,
    IsoScoreOptions,
    RankMeOptions,
    SpectrumOptions,
    SplitOptions,
    covariance_footprint,
)
from prosect_plugins.metrics.geometry.subsets import COMPONENT, SUBSET, number_of_subsets

OTHER_COMPONENT: Final = "other_component"
HIDDEN: Final = "hidden"
HOME: Final = "prosect_plugins.metrics.geometry"
NO_VARIANCE: Final = "NaN where no token is counted, or all vectors are equal (uncentred: 0)"

Produce = Callable[[Any], tuple[Variable, ...]]


def geometry_metrics() -> list[MetricDeclaration]:
    """Measures of geometry."""
    return [*_spectral_metrics(), *_context_metrics(), *_neighbour_metrics(), _dispersion()]


def _neighbour_metrics() -> list[MetricDeclaration]:
    return [
        MetricDeclaration(
            name="intrinsic_dimension",
            summary="Dimension of the cloud of vectors, from distances to nearest neighbours.",
            implementation=f"{HOME}.dimension:intrinsic_dimension",
            form="accumulator",
            options=DimensionOptions,
            produces=dimension_variables(DimensionOptions()),
            produces_for=dimension_variables,
            axes=sum_labels,
            footprint=sample_footprint,
            undefined="NaN where too few points differ, or all distances are equal",
            references=("Facco et al. 2017", "Razzhigaev et al. 2024, section 3", "Denti et al. 2022"),
        ),
        MetricDeclaration(
            name="neighbourhood_overlap",
            summary="Share of nearest neighbours that two layers have in common, or that share a label.",
            implementation=f"{HOME}.overlap:neighbourhood_overlap",
            form="accumulator",
            options=OverlapOptions,
            produces=overlap_variables(OverlapOptions()),
            produces_for=overlap_variables,
            axes=sum_labels,
            footprint=sample_footprint,
            undefined="NaN where a layer is compared with itself or no other, or there are too few points",
            references=("Doimo et al. 2020, section 2.2", "Valeriani et al. 2023, section 2"),
        ),
        MetricDeclaration(
            name="linear_map_r2",
            summary="How much of what a sub-layer writes is a linear map of what it reads (R^2 of least squares).",
            implementation=f"{HOME}.linear_map:LinearMap",
            form="accumulator",
            requires=frozenset({"sublayers"}),
            options=LinearMapOptions,
            produces=linear_map_variables(LinearMapOptions()),
            produces_for=linear_map_variables,
            footprint=linear_map_footprint,
            undefined="NaN at the embeddings, and where the block has no such sub-layer or nothing is counted",
            references=("Mickus, Paperno & Constant 2022, figure 2",),
        ),
    ]


def _context_metrics() -> list[MetricDeclaration]:
    reference = ("Ethayarajh 2019, section 3.2",)
    return [
        _of_context(
            _variable("self_similarity", "self-similarity"),
            "Mean cosine of the occurrences of a word, averaged over words.",
            SelfSimilarityOptions,
            type_footprint,
            reference,
        ),
        _of_context(
            _variable("intra_sentence_similarity", "intra-sentence similarity"),
            "Mean cosine of the vectors of a sentence with their mean, averaged over sentences.",
            BaselineOptions,
            sentence_footprint,
            reference,
        ),
        _of_context(
            _variable("mev", "maximum explainable variance"),
            "Share of the leading direction in the variance of a word's occurrences, averaged over words.",
            MevOptions,
            mev_footprint,
            reference,
        ),
    ]


def _of_context(
    variable: Variable,
    summary: str,
    options: type[ComponentOptions],
    footprint: Callable[[Any, Sizes], Footprint],
    references: tuple[str, ...],
) -> MetricDeclaration:
    def produce(given: ComponentOptions) -> tuple[Variable, ...]:
        counted = "sentences counted" if options is BaselineOptions else "types counted"
        value, found = variable, [_beside(variable, "n_used", counted, dtype="int64")]
        if getattr(given, "each_type", False):
            value = replace(variable, dims=(*variable.dims, TYPE))
        if isinstance(given, BaselineOptions):
            found.append(_beside(variable, "baseline", "mean cosine of all counted tokens"))
        if options is BaselineOptions:
            found.append(_beside(variable, "error", f"standard error of the {variable.long_name}"))
        return tuple(spread(one, given) for one in (value, *found))

    classes = {"self_similarity": "SelfSimilarity", "intra_sentence_similarity": "IntraSentenceSimilarity"}
    return MetricDeclaration(
        name=variable.name,
        summary=summary,
        implementation=f"{HOME}.similarity:{classes.get(variable.name, 'Mev')}",
        form="accumulator",
        options=options,
        produces=produce(options()),
        produces_for=produce,
        axes=sum_labels,
        footprint=footprint,
        undefined="NaN where nothing is counted",
        references=references,
    )


def _spectral_metrics() -> list[MetricDeclaration]:
    return [
        _spectral(
            _variable("anisotropy", "anisotropy"),
            "Share of the leading direction in the variance, or the mean cosine of all pairs of tokens.",
            AnisotropyOptions,
            ("Razzhigaev et al. 2024, section 3", "Ethayarajh 2019, section 3.2"),
            footprint=_anisotropy_footprint,
        ),
        _spectral(
            _variable("participation_ratio", "participation ratio"),
            "Number of directions that share the variance, (sum l)^2 / sum l^2.",
            SpectrumOptions,
            ("Gao et al. 2017, eq. 4",),
        ),
        _spectral(
            _variable("isoscore", "IsoScore"),
            "How evenly the variance is spread over all directions, 0 to 1.",
            IsoScoreOptions,
            ("Rudman et al. 2022, algorithm 1", "Rudman & Eickhoff 2024"),
        ),
        _spectral(
            _variable("stable_rank", "stable rank"),
            "Variance over that of the leading direction, sum l / l_1.",
            SpectrumOptions,
            ("Rudelson & Vershynin 2007",),
        ),
        _spectral(
            _variable("effective_rank", "effective rank"),
            "Exponential of the entropy of the spectrum.",
            EffectiveRankOptions,
            ("Roy & Vetterli 2007, definition 1",),
            null=False,
        ),
        _spectral(
            _variable("rankme", "RankMe"),
            "Exponential of the entropy of the uncentred singular values.",
            RankMeOptions,
            ("Garrido et al. 2023, eq. 1",),
            null=False,
        ),
        _spectral(
            _variable("matrix_entropy", "matrix entropy", "nat"),
            "Entropy of the eigenvalues of the uncentred Gram matrix.",
            EntropyOptions,
            ("Skean et al. 2025, section 4.2",),
            null=False,
        ),
        _split(),
    ]


def _split() -> MetricDeclaration:
    return MetricDeclaration(
        name="anisotropy_split",
        summary="Exact split of the anisotropy over pairs of components or over coordinates; it sums to `anisotropy`.",
        implementation=f"{HOME}.split:anisotropy_split",
        form="accumulator",
        options=SplitOptions,
        produces=_split_variables(SplitOptions()),
        produces_for=_split_variables,
        axes=sum_labels,
        footprint=_split_footprint,
        undefined=NO_VARIANCE,
        references=("Timkey & van Schijndel 2021, eq. 4", "Ethayarajh 2019, section 3.2"),
    )


def _split_variables(options: SplitOptions) -> tuple[Variable, ...]:
    pairs = options.over == "component"
    dims = (COMPONENT, OTHER_COMPONENT) if pairs else (COMPONENT, HIDDEN)
    found = [Variable(name="anisotropy_split", dims=dims, long_name="part of the anisotropy")]
    if options.method == "spectral":
        found.append(Variable(name="variance_split", dims=dims, long_name="part of the variance"))
    counted = Variable(name="anisotropy_split_n_used", dims=dims[:-1], long_name="vectors counted", dtype="int64")
    if pairs:
        # They are those of the hidden state, on no axis of components.
        tokens = token_axes(options)
        found = [replace(one, dims=(*tokens, *one.dims)) for one in found]
        return (*found, replace(counted, dims=tokens))
    return tuple(spread(one, options) for one in (*found, counted))


def _split_footprint(options: SplitOptions, sizes: Sizes) -> Footprint:
    if options.method == "spectral":
        return covariance_footprint(options, sizes)
    cells, hidden = number_of_cells(options), sizes.hidden
    pairs = options.over == "component"
    subsets = sizes.components if pairs else number_of_subsets(options.component, sizes.components)
    size = None
    if cells is not None and subsets is not None and hidden is not None:
        size = 8 * cells * subsets * (1 + hidden + (subsets if pairs else hidden))
    return Footprint(state={"anisotropy_split": size}, axes={**axis_lengths(options), SUBSET: subsets})


def _variable(name: str, long_name: str, units: str = "1") -> Variable:
    return Variable(name=name, dims=(COMPONENT,), long_name=long_name, units=units)


def _spectral(
    variable: Variable,
    summary: str,
    options: type[SpectrumOptions],
    references: tuple[str, ...],
    *,
    null: bool = True,
    footprint: Callable[[Any, Sizes], Footprint] = covariance_footprint,
) -> MetricDeclaration:
    produce = with_companions(variable, null=null)
    return MetricDeclaration(
        name=variable.name,
        summary=summary,
        implementation=f"{HOME}.spectral:{variable.name}",
        form="accumulator",
        options=options,
        produces=produce(options()),
        produces_for=produce,
        axes=sum_labels,
        footprint=footprint,
        undefined=NO_VARIANCE,
        references=references,
    )


def with_companions(variable: Variable, *, null: bool) -> Produce:
    """Put beside a variable the number of tokens, the value of an isotropic cloud, and an error where one is asked."""

    def produce(options: TokenOptions) -> tuple[Variable, ...]:
        found = [variable, _beside(variable, "n_used", "vectors counted", dtype="int64")]
        if null:
            found.append(_beside(variable, "null", f"{variable.long_name} of as many vectors of an isotropic cloud"))
        if isinstance(options, ErrorOptions) and options.error != "none":
            found.append(_beside(variable, "error", f"standard error of the {variable.long_name}"))
        return tuple(spread(one, options) for one in found)

    return produce


def _beside(variable: Variable, suffix: str, long_name: str, dtype: Any = "computed") -> Variable:  # noqa: ANN401 - a literal
    units = "1" if dtype == "int64" else variable.units
    return Variable(name=f"{variable.name}_{suffix}", dims=variable.dims, long_name=long_name, units=units, dtype=dtype)


def _anisotropy_footprint(options: AnisotropyOptions, sizes: Sizes) -> Footprint:
    if options.method == "spectral":
        return covariance_footprint(options, sizes)
    cells = number_of_cells(options, options.block_number)
    subsets = number_of_subsets(options.component, sizes.components)
    size = None
    if cells is not None and subsets is not None and sizes.hidden is not None:
        size = 8 * cells * subsets * (sizes.hidden + 3)
    return Footprint(state={options.unit_key: size}, axes={**axis_lengths(options), SUBSET: subsets})


def _dispersion() -> MetricDeclaration:
    variable = _variable("dispersion", "coefficient of variation of the norm")
    produce = with_companions(variable, null=False)
    return MetricDeclaration(
        name="dispersion",
        summary="Coefficient of variation of the norms of vectors over tokens, sd(|t|) / mean(|t|).",
        implementation=f"{HOME}.dispersion:Dispersion",
        form="accumulator",
        options=TokenOptions,
        produces=produce(TokenOptions()),
        produces_for=produce,
        footprint=_norms_footprint,
        undefined="NaN where no token is counted, or all norms are 0",
        references=("Kobayashi et al. 2020, section 5.2",),
    )


def _norms_footprint(options: TokenOptions, sizes: Sizes) -> Footprint:
    cells = number_of_cells(options)
    state = None if sizes.components is None or cells is None else 8 * cells * (1 + 2 * sizes.components)
    return Footprint(state={"dispersion": state}, axes=axis_lengths(options))
