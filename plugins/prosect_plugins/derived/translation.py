"""Scores of what a model wrote, by sacrebleu."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

import numpy as np
import sacrebleu
import xarray as xr
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.metrics.chrf import CHRF

from prosect.api import UsageError
from prosect.api.results import stack_members
from prosect_plugins.derived.options import BleuOptions, ChrfOptions

_SENTENCE: Final = "sentence"
_ALTERNATIVE: Final = "alternative"


class _Metric(Protocol):
    """What is asked of sacrebleu's metrics."""

    def corpus_score(self, hypotheses: Sequence[str], references: Any) -> Any:  # noqa: ANN401 - untyped
        """Score all sentences together."""

    def sentence_score(self, hypothesis: str, references: Sequence[str]) -> Any:  # noqa: ANN401 - untyped
        """Score one sentence."""

    def get_signature(self) -> Any:  # noqa: ANN401 - untyped
        """Say how it was computed."""


def bleu(datasets: Sequence[xr.Dataset], options: BleuOptions) -> xr.Dataset:
    """Score a corpus and every sentence by BLEU; several datasets are stacked along ``model``."""

    def metric(*, effective_order: bool) -> BLEU:
        return BLEU(
            tokenize=options.tokenize,
            lowercase=options.lowercase,
            smooth_method=options.smooth,
            effective_order=effective_order,
        )

    # A short sentence has no n-grams of the highest orders: of a single one only those that it has count.
    return _stacked(datasets, metric(effective_order=False), metric(effective_order=True), "bleu")


def chrf(datasets: Sequence[xr.Dataset], options: ChrfOptions) -> xr.Dataset:
    """Score a corpus and every sentence by chrF; several datasets are stacked along ``model``."""
    metric = CHRF(
        char_order=options.characters, word_order=options.words, beta=options.beta, lowercase=options.lowercase
    )
    return _stacked(datasets, metric, metric, "chrf")


def _stacked(datasets: Sequence[xr.Dataset], corpus: _Metric, single: _Metric, name: str) -> xr.Dataset:
    found = [_scored(dataset, corpus, single, name) for dataset in datasets]
    # A dataset with the dimension already holds several models (`prosect.stack`).
    return found[0] if len(found) == 1 else stack_members(found)


def _scored(dataset: xr.Dataset, corpus: _Metric, single: _Metric, name: str) -> xr.Dataset:
    if dataset.attrs.get("targets") == "corpus":
        raise UsageError(
            "the targets of these sentences are those of the corpus, not what a model wrote: "
            "read an analysis whose decomposition has the option 'target: generated'"
        )
    targets, references = dataset["target"], dataset["reference"]
    if _ALTERNATIVE not in references.dims:
        references = references.expand_dims({_ALTERNATIVE: 1})
    rest = [dim for dim in targets.dims if dim != _SENTENCE]
    whole = targets.transpose(*rest, _SENTENCE)
    given = references.broadcast_like(targets).transpose(*rest, _ALTERNATIVE, _SENTENCE)
    by_sentence = np.empty(whole.shape)
    scores = np.empty(whole.shape[:-1])
    for place in np.ndindex(scores.shape):
        written, streams = list(map(str, whole.values[place])), _streams(given.values[place])
        scores[place] = corpus.corpus_score(written, streams).score
        by_sentence[place] = [
            single.sentence_score(text, [r for r in row if r is not None]).score
            for text, row in zip(written, zip(*streams, strict=True), strict=True)
        ]
    coords = {key: c for key, c in whole.coords.items() if _ALTERNATIVE not in c.dims}
    variables = {name: (rest, scores), f"sentence_{name}": ((*rest, _SENTENCE), by_sentence)}
    how = {"signature": str(corpus.get_signature()), "sacrebleu": sacrebleu.__version__}
    return xr.Dataset(variables, coords, how)


def _streams(references: np.ndarray) -> list[list[str | None]]:
    """Give references as sacrebleu takes them: the first ones of all sentences, the second ones …; None for none."""
    first, *others = references
    return [list(map(str, first)), *([str(text) or None for text in row] for row in others)]
