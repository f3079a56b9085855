"""Word alignment from cross-attention: declarations. The mathematics stands in the other files of this folder."""

from __future__ import annotations

from prosect.api import MetricDeclaration, Variable
from prosect_plugins.alignment.options import AlignmentErrorOptions, SymmetricAlignmentOptions, WordAlignmentOptions
from prosect_plugins.declaring import derived_metric

KOBAYASHI_2020 = "Kobayashi et al. 2020, section 6"
OCH_NEY_2003 = "Och & Ney 2003, section 5"
KOEHN_2003 = "Koehn et al. 2003"

_MAPS = ("layer", "head")
_SENTENCES = (
    Variable(name="links", dims=(*_MAPS, "sentence"), long_name="links of source and target words, from 0 (Pharaoh)"),
    Variable(name="source_words", dims=("sentence",), long_name="words of the source"),
    Variable(name="target_words", dims=("sentence",), long_name="words of the target"),
)
_RATES = (
    Variable(name="aer", dims=_MAPS, long_name="alignment error rate"),
    Variable(name="precision", dims=_MAPS, long_name="precision: links made that are possible"),
    Variable(name="recall", dims=_MAPS, long_name="recall: sure links that were made"),
    Variable(name="f1", dims=_MAPS, long_name="harmonic mean of precision and recall"),
    Variable(name="sure_links", dims=("sentence",), long_name="sure links of the gold alignment"),
    Variable(name="links_made", dims=(*_MAPS, "sentence"), long_name="links made"),
    Variable(name="sure_found", dims=(*_MAPS, "sentence"), long_name="links made that are sure"),
    Variable(name="possible_found", dims=(*_MAPS, "sentence"), long_name="links made that are possible"),
)


def alignment_metrics() -> list[MetricDeclaration]:
    """Declare the extraction of word alignments, their combination, and their error rate."""
    return [
        derived_metric(
            "prosect_plugins.alignment.derived:word_alignment",
            "Word alignments extracted from maps of cross-attention (node `cross`), for every layer and head.",
            WordAlignmentOptions,
            (
                *_SENTENCES,
                Variable(name="mean_norm", dims=_MAPS, long_name="mean of a map over all pairs of tokens"),
            ),
            inputs=(1, 1),
            naming=("variable",),
            undefined="no link where a word has no pieces",
            references=(KOBAYASHI_2020,),
        ),
        derived_metric(
            "prosect_plugins.alignment.symmetric:symmetric_alignment",
            "Two word alignments of opposite direction combined into one, for example by grow-diag.",
            SymmetricAlignmentOptions,
            _SENTENCES,
            inputs=(2, 2),
            members="separate",
            needs=("links", "source_words", "target_words"),
            undefined="never undefined",
            references=(OCH_NEY_2003, KOEHN_2003),
        ),
        derived_metric(
            "prosect_plugins.alignment.error:alignment_error",
            "Alignment error rate, precision, recall and F1 of word alignments against a gold alignment.",
            AlignmentErrorOptions,
            _RATES,
            inputs=(1, 1),
            needs=("links", "source_words", "target_words"),
            paths=("gold",),
            undefined="NaN where no link was made, or none is sure",
            references=(OCH_NEY_2003, KOBAYASHI_2020),
        ),
    ]
