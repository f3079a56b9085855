"""What comes with prosect passes the kits that third parties use."""

from __future__ import annotations

from typing import ClassVar

import pytest

from prosect.plugins.registry import load_registry
from prosect.testing import (
    AccumulatorTests,
    ArchitectureTests,
    DecompositionTests,
    MapMetricTests,
    MetricTests,
    PluginTests,
)
from prosect.testing.models import SHAPES


class TestArchitectures(PluginTests):
    module = "prosect_plugins.architectures"


class TestDecompositions(PluginTests):
    module = "prosect_plugins.decompositions"


class TestMetrics(PluginTests):
    module = "prosect_plugins.metrics"


class TestBert(ArchitectureTests):
    config = SHAPES["bert"]


@pytest.mark.slow
class TestGpt2(ArchitectureTests):
    config = SHAPES["gpt2"]


@pytest.mark.slow
class TestLlama(ArchitectureTests):
    config = SHAPES["llama"]


@pytest.mark.slow
class TestMarian(ArchitectureTests):
    config = SHAPES["marian"]


class TestSumOfFactors(DecompositionTests):
    decomposition = "sum_of_factors"


class TestSumOfFactorsByHead(DecompositionTests):
    decomposition = "sum_of_factors"
    options: ClassVar = {"by": "head", "norm_mean": "own", "embedding_norm": "outside"}


class TestSumOfFactorsBySource(DecompositionTests):
    decomposition = "sum_of_factors"
    options: ClassVar = {"by": "source"}


class TestAttentionNorms(DecompositionTests):
    decomposition = "attention_norms"


class TestAttentionMaps(DecompositionTests):
    decomposition = "attention_maps"


class TestTokenWise(DecompositionTests):
    decomposition = "token_wise"


@pytest.mark.slow
class TestTokenWiseByStream(DecompositionTests):
    decomposition = "token_wise"
    options: ClassVar = {"group": "stream", "source": "carried", "embedding_norm": "inside"}


@pytest.mark.slow
class TestDecompX(DecompositionTests):
    decomposition = "token_wise"
    options: ClassVar = {
        "group": "special",
        "feed_forward": "secant",
        "gated": "half",
        "bias": "share_abs_dot",
        "value_bias": "first_block",
    }


class TestNone(DecompositionTests):
    decomposition = "none"


class TestImportance(MetricTests):
    metric = "importance"


class TestNorm(MetricTests):
    metric = "norm"


class TestNormRatio(MetricTests):
    metric = "norm_ratio"


class TestCosine(MetricTests):
    metric = "cosine"


class TestDistance(MetricTests):
    metric = "distance"


class TestDot(MetricTests):
    metric = "dot"


class TestOutputDot(MetricTests):
    metric = "output_dot"


class TestAlti(MetricTests):
    metric = "alti"


@pytest.mark.slow
class TestNormOfOrder1AsShares(MetricTests):
    metric = "norm"
    options: ClassVar = {"order": 1, "normalise": "row"}


class TestWeight(MapMetricTests):
    metric = "weight"


class TestWeightedNorm(MapMetricTests):
    metric = "weighted_norm"


class TestValueNorm(MapMetricTests):
    metric = "value_norm"


class TestAttentionNorm(MapMetricTests):
    metric = "attention_norm"


class TestMixingRatio(MapMetricTests):
    metric = "mixing_ratio"


class TestWeightMixingRatio(MapMetricTests):
    metric = "weight_mixing_ratio"


class TestValueZeroing(MapMetricTests):
    metric = "value_zeroing"


class TestAttentionNormOverTheSentence(MapMetricTests):
    metric = "attention_norm"
    options: ClassVar = {"normalise": "global"}


class TestAnisotropy(AccumulatorTests):
    metric = "anisotropy"


@pytest.mark.slow
class TestAnisotropyOfAllSums(AccumulatorTests):
    metric = "anisotropy"
    options: ClassVar = {"component": "all", "selection": ["all", "no_first"], "error": "jackknife", "blocks": 2}


class TestMeanCosine(AccumulatorTests):
    metric = "anisotropy"
    options: ClassVar = {
        "method": "cosine",
        "pairs": "different_sentences",
        "component": ["total", "part.1+part.3"],
        "selection": ["all", "no_special"],
        "error": "batches",
        "blocks": 3,
    }


class TestAnisotropySplit(AccumulatorTests):
    metric = "anisotropy_split"
    options: ClassVar = {"center": False}


@pytest.mark.slow
class TestMeanCosineSplit(AccumulatorTests):
    metric = "anisotropy_split"
    options: ClassVar = {"method": "cosine", "group": "class"}


@pytest.mark.slow
class TestAnisotropySplitOverCoordinates(AccumulatorTests):
    metric = "anisotropy_split"
    options: ClassVar = {"over": "coordinate", "component": "partial"}


class TestParticipationRatio(AccumulatorTests):
    metric = "participation_ratio"
    options: ClassVar = {"group": "class"}


class TestIsoScore(AccumulatorTests):
    metric = "isoscore"
    options: ClassVar = {"shrinkage": 0.75, "component": "leave_one_out"}


@pytest.mark.slow
class TestStableRank(AccumulatorTests):
    metric = "stable_rank"
    options: ClassVar = {"rows": "unit"}


@pytest.mark.slow
class TestEffectiveRank(AccumulatorTests):
    metric = "effective_rank"


@pytest.mark.slow
class TestRankMe(AccumulatorTests):
    metric = "rankme"


class TestMatrixEntropy(AccumulatorTests):
    metric = "matrix_entropy"
    options: ClassVar = {"alpha": 2, "normalise": "rank", "component": "total"}


class TestSelfSimilarity(AccumulatorTests):
    metric = "self_similarity"
    options: ClassVar = {"contexts": 2, "selection": ["all", "no_first"]}


class TestIntraSentenceSimilarity(AccumulatorTests):
    metric = "intra_sentence_similarity"
    options: ClassVar = {"component": "partial", "selection": ["all", "no_first"]}


class TestMev(AccumulatorTests):
    metric = "mev"
    options: ClassVar = {"contexts": 2, "occurrences": 4, "group": "class", "each_type": True}


class TestMaskedToken(MetricTests):
    metric = "masked_token"
    options: ClassVar = {"subsets": "singletons"}


class TestNextToken(MetricTests):
    metric = "next_token"
    options: ClassVar = {"subsets": "singletons", "special": False}


class TestNextTokenOfEverySubset(MetricTests):
    metric = "next_token"
    options: ClassVar = {"final_bias": "own"}


class TestLogitLens(MetricTests):
    metric = "logit_lens"


class TestDeltaLogProbability(MetricTests):
    metric = "delta_log_probability"


class TestLogitContribution(MetricTests):
    metric = "logit_contribution"


class TestLogitContributionOfOutputs(MetricTests):
    metric = "logit_contribution"
    options: ClassVar = {"output": [3, 0]}


class TestMaskedTokens(AccumulatorTests):
    metric = "masked_tokens"
    options: ClassVar = {"subsets": "singletons"}


class TestNextTokens(AccumulatorTests):
    metric = "next_tokens"
    options: ClassVar = {"final_bias": "own", "selection": ["all", "no_first"], "group": "class"}


class TestIntrinsicDimension(AccumulatorTests):
    metric = "intrinsic_dimension"
    options: ClassVar = {"selection": ["all", "no_first"], "error": "jackknife", "blocks": 3, "component": "all"}


@pytest.mark.slow
class TestGrideProfile(AccumulatorTests):
    metric = "intrinsic_dimension"
    options: ClassVar = {"method": "gride", "scales": [2, 4, 8], "error": "nominal", "group": "class"}


@pytest.mark.slow
class TestEstimatorsOfDimensionDecimated(AccumulatorTests):
    metric = "intrinsic_dimension"
    options: ClassVar = {
        "method": ["twonn", "mle", "mom", "mada"],
        "neighbours": [4, 5],
        "decimation": 1,
        "sample": 20,
        "error": "batches",
        "blocks": 2,
        "component": "total",
    }


class TestNeighbourhoodOverlap(AccumulatorTests):
    metric = "neighbourhood_overlap"
    options: ClassVar = {"neighbours": 3, "selection": ["all", "no_first"]}


@pytest.mark.slow
class TestLabelOverlap(AccumulatorTests):
    metric = "neighbourhood_overlap"
    options: ClassVar = {"neighbours": 3, "to": "label", "label": "class", "error": "batches", "blocks": 2}


class TestDispersion(AccumulatorTests):
    metric = "dispersion"


@pytest.mark.slow
class TestDispersionByGroup(AccumulatorTests):
    metric = "dispersion"
    options: ClassVar = {"selection": ["all", "no_first", "content"], "group": "class"}


class TestStateNorm(MetricTests):
    metric = "state_norm"


class TestPartialNorm(MetricTests):
    metric = "partial_norm"
    options: ClassVar = {"without": "state", "share": 0.4}


class TestPartialNormOfMaps(MapMetricTests):
    metric = "partial_norm"
    options: ClassVar = {"without": [0, 3]}


class TestDimensionProfile(AccumulatorTests):
    metric = "dimension_profile"


@pytest.mark.slow
class TestDimensionProfileWithoutSpecialTokens(AccumulatorTests):
    metric = "dimension_profile"
    options: ClassVar = {"special": False}


def test_every_accumulator_of_ours_has_its_kit():
    registry = load_registry()
    ours = {
        entry.declaration.name
        for entry in registry.of_kind("metrics")
        if entry.origin.distribution == "prosect" and getattr(entry.declaration, "form", None) == "accumulator"
    }
    # The first reads the weights of an attention and no terms, see tests/metrics/test_expansion.py; the second has its
    # kits in test_linear_map.py.
    ours -= {"expansion_rate", "linear_map_r2"}
    assert ours == {kit.metric for kit in AccumulatorTests.__subclasses__() if kit.__module__ == __name__}


def test_every_token_metric_of_ours_has_its_kit():
    registry = load_registry()
    ours = {
        entry.declaration.name
        for entry in registry.of_kind("metrics")
        if entry.origin.distribution == "prosect" and getattr(entry.declaration, "form", None) == "token"
    }
    kits = [*MetricTests.__subclasses__(), *MapMetricTests.__subclasses__()]
    assert ours == {kit.metric for kit in kits if kit.__module__ == __name__}
