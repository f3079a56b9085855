"""Measures of stored maps: declarations. The mathematics stands in the other files of this folder."""

from __future__ import annotations

from prosect.api import Footprint, MetricDeclaration, Sizes, Variable
from prosect_plugins.declaring import derived_metric
from prosect_plugins.mapstats.options import (
    AmplifiedPairsOptions,
    CategoryOptions,
    FrequencyOptions,
    LabelledPairsOptions,
    MapChangeOptions,
    PartialNormOptions,
    ProfileOptions,
    ScopeRatioOptions,
    WeightNormOptions,
)

KOBAYASHI_2020 = "Kobayashi et al. 2020, section 5"
KOBAYASHI_2021 = "Kobayashi et al. 2021, section 5"
KOBAYASHI_2024 = "Kobayashi et al. 2024, sections 4 and 5"

KOBAYASHI_2024_MECHANISM = "Kobayashi et al. 2024, section 6"
UNITS = "embedding units"

_MAPS = ("layer", "head")
_RANKED = ("layer", "rank")
_KINDS = ("layer", "pair_category")
_AMPLIFIED = (
    Variable(name="amplification", dims=_RANKED, long_name="mean difference of the maps"),
    Variable(name="count", dims=_RANKED, long_name="occurrences of the pair of types"),
    Variable(name="query", dims=_RANKED, long_name="type that takes"),
    Variable(name="source", dims=_RANKED, long_name="type that gives"),
    Variable(name="category", dims=_RANKED, long_name="category of most occurrences"),
    Variable(
        name="category_share",
        dims=(*_RANKED, "pair_category"),
        long_name="share of occurrences in a category",
    ),
    Variable(name="top_share", dims=_KINDS, long_name="share of the ranked pairs in a category"),
    Variable(name="category_amplification", dims=_KINDS, long_name="mean difference over all pairs of a category"),
    Variable(name="category_count", dims=("pair_category",), long_name="pairs of tokens in a category"),
)


def map_metrics() -> list[MetricDeclaration]:
    """Declare the measures of stored maps, and what the measures of mechanisms need from the model."""
    return [*_attention_metrics(), *_change_metrics(), *_mechanism_metrics()]


def _attention_metrics() -> list[MetricDeclaration]:
    return [
        derived_metric(
            "prosect_plugins.mapstats.categorised:category_attention",
            "What tokens of a category ([CLS], [SEP], punctuation, any other) give and take in maps.",
            CategoryOptions,
            (
                Variable(name="category_attention", dims=(*_MAPS, "category"), long_name="map reduced to categories"),
                Variable(name="sentences", dims=(*_MAPS, "category"), long_name="sentences that have a value"),
            ),
            inputs=(1, 1),
            naming=("variable",),
            undefined="NaN for a mean over no token; sentences without a value are left out",
            references=(KOBAYASHI_2020,),
        ),
        derived_metric(
            "prosect_plugins.mapstats.correlations:weight_norm_correlation",
            "Correlation of attention weights and norms of values over all pairs of tokens, by the source.",
            WeightNormOptions,
            (
                Variable(
                    name="weight_norm_correlation", dims=("category",), long_name="correlation of weight and norm"
                ),
                Variable(name="pairs", dims=("category",), long_name="pairs of tokens, of all heads together"),
            ),
            inputs=(1, 1),
            naming=("weight", "norm"),
            undefined="NaN for fewer than two pairs, or where one side is constant",
            references=(KOBAYASHI_2020,),
        ),
        derived_metric(
            "prosect_plugins.mapstats.correlations:frequency_correlation",
            "Correlation of what tokens give (or are) in maps with the frequency rank of their types.",
            FrequencyOptions,
            (
                Variable(name="frequency_correlation", dims=(), long_name="correlation with frequency over tokens"),
                Variable(name="tokens", dims=(), long_name="tokens counted"),
            ),
            inputs=(1, 2),
            naming=("variable",),
            undefined="NaN for fewer than two tokens, or where one side is constant",
            references=(KOBAYASHI_2020, KOBAYASHI_2021),
        ),
    ]


def _change_metrics() -> list[MetricDeclaration]:
    return [
        derived_metric(
            "prosect_plugins.mapstats.changes:map_change",
            "How much a part of the block changes the map: 1 - Spearman's correlation before and after it.",
            MapChangeOptions,
            (
                Variable(name="map_change", dims=("change", "layer"), long_name="change of the map"),
                Variable(name="sentences", dims=("change", "layer"), long_name="sentences that have a value"),
            ),
            inputs=(1, 1),
            naming=("variable",),
            undefined="NaN where a map is constant or has fewer than two entries; such sentences are left out",
            references=(KOBAYASHI_2024,),
        ),
        derived_metric(
            "prosect_plugins.mapstats.amplified:amplified_pairs",
            "Pairs of token types which a part of the block brings forward, ranked, with examples.",
            AmplifiedPairsOptions,
            _AMPLIFIED,
            inputs=(1, 1),
            naming=("variable",),
            undefined="NaN for a category without pairs",
            references=(KOBAYASHI_2024,),
        ),
        derived_metric(
            "prosect_plugins.mapstats.labelling:labelled_pairs",
            "Labels given by hand to amplified pairs (`write_pairs` makes the table), counted for every layer.",
            LabelledPairsOptions,
            (
                Variable(name="pair_label", dims=_RANKED, long_name="label given by hand"),
                Variable(name="label_share", dims=("layer", "label"), long_name="share of the ranked pairs"),
            ),
            inputs=(1, 1),
            needs=("query", "source"),
            paths=("labels",),
            undefined="never undefined",
            references=(KOBAYASHI_2024,),
        ),
    ]


def _mechanism_metrics() -> list[MetricDeclaration]:
    return [
        MetricDeclaration(
            name="state_norm",
            summary="Norm of the whole state, |h|: at every scope of a map, or after every block.",
            implementation="prosect_plugins.mapstats.mechanism:state_norm",
            produces=(Variable(name="state_norm", dims=("token",), long_name="norm of the state", units=UNITS),),
            undefined="never undefined",
            references=(KOBAYASHI_2024_MECHANISM,),
        ),
        MetricDeclaration(
            name="partial_norm",
            summary="Norm of a term without some dimensions: of the largest gains or states, or given ones.",
            implementation="prosect_plugins.mapstats.mechanism:partial_norm",
            options=PartialNormOptions,
            produces=(
                Variable(
                    name="partial_norm",
                    dims=("component", "token"),
                    long_name="norm of the term without some dimensions",
                    units=UNITS,
                ),
            ),
            undefined="NaN where the dimensions are those of a gain and no norm is there",
            references=(KOBAYASHI_2024_MECHANISM,),
        ),
        MetricDeclaration(
            name="dimension_profile",
            summary="Mean, deviation and size of every dimension of the state over tokens, and the norm's gain.",
            implementation="prosect_plugins.mapstats.profile:DimensionProfile",
            form="accumulator",
            options=ProfileOptions,
            produces=(
                Variable(name="dimension_mean", dims=("hidden",), long_name="mean over tokens", units=UNITS),
                Variable(name="dimension_sd", dims=("hidden",), long_name="deviation over tokens", units=UNITS),
                Variable(name="dimension_size", dims=("hidden",), long_name="mean size over tokens", units=UNITS),
                Variable(name="dimension_gain", dims=("hidden",), long_name="gain of the norm behind or before"),
            ),
            footprint=_profile,
            undefined="NaN where no token is counted, or no norm is there",
            references=(KOBAYASHI_2024_MECHANISM,),
        ),
        derived_metric(
            "prosect_plugins.mapstats.ratios:scope_norm_ratio",
            "Norm of what the residual branch carries over that of the feed-forward output, by layer.",
            ScopeRatioOptions,
            (
                Variable(name="scope_norm_ratio", dims=("layer",), long_name="mean ratio over tokens"),
                Variable(name="scope_norm_ratio_sd", dims=("layer",), long_name="deviation of the ratio over tokens"),
                Variable(name="tokens", dims=("layer",), long_name="tokens counted"),
            ),
            inputs=(1, 1),
            naming=("variable",),
            undefined="tokens whose lower norm is 0 are left out",
            references=(KOBAYASHI_2024_MECHANISM,),
        ),
    ]


def _profile(_options: ProfileOptions, sizes: Sizes) -> Footprint:
    return Footprint(state={"dimension_profile": None if sizes.hidden is None else 8 * (1 + 4 * sizes.hidden)}, axes={})
