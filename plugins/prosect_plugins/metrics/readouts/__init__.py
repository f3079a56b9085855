"""Declarations of the readouts: the model's own head on sums of components. Implementations stand in this folder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from prosect.api import Component, Footprint, MetricDeclaration, Requirement, Sizes, UsageError, Variable
from prosect_plugins.declaring import accumulator_metric, by_options
from prosect_plugins.metrics.geometry.options import spread
from prosect_plugins.metrics.readouts import options
from prosect_plugins.metrics.readouts.options import ReadoutOptions, declared, subset_labels
from prosect_plugins.subsets import SUBSET

HEAD: Final[frozenset[Requirement]] = frozenset({"head"})
STATES: Final[frozenset[Requirement]] = frozenset({"head", "states"})
MASKED_STATES: Final[frozenset[Requirement]] = frozenset({"head", "states", "masks"})
TOKEN: Final = (SUBSET, "token")
OUTPUT: Final = "output"
MICKUS: Final = "Mickus, Paperno & Constant 2022, section 4"
LENS: Final = "nostalgebraist 2020, logit lens"


def readout_metrics() -> list[MetricDeclaration]:
    """Readouts that come with prosect."""
    return [*_predictions(), *_of_terms(), *_corpus_metrics()]


def _predictions() -> list[MetricDeclaration]:
    return [
        _token(
            "masked_token",
            "Whether the model's own head predicts a masked token from a sum of components, and its cross-entropy.",
            options.ReadoutOptions,
            (
                Variable(name="masked_correct", dims=TOKEN, long_name="1 where the masked token is predicted, else 0"),
                Variable(name="masked_loss", dims=TOKEN, long_name="cross-entropy of the masked token", units="nat"),
            ),
            "NaN at tokens that were not chosen for masking",
            MICKUS,
        ),
        _token(
            "next_token",
            "Whether the model's own head predicts the next token from a sum of components, and its cross-entropy.",
            options.NextTokenOptions,
            (
                Variable(name="next_correct", dims=TOKEN, long_name="1 where the next token is predicted, else 0"),
                Variable(name="next_loss", dims=TOKEN, long_name="cross-entropy of the next token", units="nat"),
            ),
            "NaN where no token follows",
            LENS,
        ),
        _token(
            "logit_lens",
            "What the model's own head predicts at every layer: the likeliest output and how sure it is.",
            options.LensOptions,
            (
                Variable(name="predicted_id", dims=TOKEN, long_name="likeliest output", dtype="int64"),
                Variable(name="predicted_probability", dims=TOKEN, long_name="probability of the likeliest output"),
                Variable(name="predicted_entropy", dims=TOKEN, long_name="entropy of the outputs", units="bit"),
            ),
            "never undefined",
            LENS,
        ),
    ]


def _of_terms() -> list[MetricDeclaration]:
    return [
        MetricDeclaration(
            name="delta_log_probability",
            summary="What a term adds to the log-probability of the right token: log2 p(e) - log2 p(e - t).",
            implementation="prosect_plugins.metrics.readouts.ablation:delta_log_probability",
            options=options.AblationOptions,
            produces=(
                Variable(
                    name="delta_log_probability",
                    dims=("component", "token"),
                    long_name="change of log-probability by the term",
                    units="bit",
                ),
            ),
            requires=STATES,
            per_term=True,
            undefined="NaN where nothing is predicted",
            references=("Oh & Schuler 2023, section 4",),
        ),
        MetricDeclaration(
            name="logit_contribution",
            summary="What a term gives to a logit of the model's own head: the predicted one, a token's, a class's.",
            implementation="prosect_plugins.metrics.readouts.contributions:logit_contribution",
            **by_options(options.ContributionOptions, _contributions),
            axes=_outputs,
            requires=HEAD,
            per_term=True,
            reads="logits",
            undefined="NaN where there is no such logit: no token follows, or a head of sentences reads another",
            references=("Modarressi et al. 2023, section 3", "Oh & Schuler 2023, section 3"),
        ),
    ]


CONTRIBUTION: Final = (
    Variable(name="logit_contribution", dims=("component", "token"), long_name="contribution of the term to the logit"),
    Variable(name="logit_constant", dims=("token",), long_name="what the head adds to the logit by itself"),
)


def _contributions(chosen: options.ContributionOptions) -> tuple[Variable, ...]:
    """Variables for one logit of every token, or for a list of them."""
    if not isinstance(chosen.output, tuple):
        return CONTRIBUTION
    terms, constant = CONTRIBUTION
    return replace(terms, dims=("component", OUTPUT, "token")), replace(constant, dims=(OUTPUT, "token"))


def _outputs(chosen: options.ContributionOptions, _components: Sequence[Component]) -> Mapping[str, Sequence[str]]:
    return {OUTPUT: [str(output) for output in chosen.output]} if isinstance(chosen.output, tuple) else {}


def _corpus_metrics() -> list[MetricDeclaration]:
    return [
        _corpus(
            "masked_tokens",
            "Accuracy and cross-entropy of masked tokens over the corpus, for sums of components.",
            options.MaskedCorpusOptions,
            _means("masked", "masked tokens"),
            requires=MASKED_STATES,
            undefined="NaN where no masked token is counted",
            references=(MICKUS,),
        ),
        _corpus(
            "next_tokens",
            "Accuracy and cross-entropy of next tokens over the corpus, for sums of components.",
            options.NextCorpusOptions,
            _means("next", "next tokens"),
            requires=STATES,
            undefined="NaN where no token is counted",
            references=(LENS,),
        ),
    ]


def _corpus(
    name: str,
    summary: str,
    model: type[ReadoutOptions],
    produces: tuple[Variable, ...],
    **more: Any,  # noqa: ANN401 - further fields of the declaration
) -> MetricDeclaration:
    def produce(chosen: options.MaskedCorpusOptions | options.NextCorpusOptions) -> tuple[Variable, ...]:
        return tuple(spread(found, chosen) for found in declared(chosen, produces))

    implementation = f"prosect_plugins.metrics.readouts.corpus:{name}"
    return accumulator_metric(name, summary, implementation, model, produce, axes=_axes, footprint=_footprint, **more)


def _means(name: str, words: str) -> tuple[Variable, ...]:
    return (
        Variable(name=f"{name}_accuracy", dims=(SUBSET,), long_name=f"share of {words} that are predicted"),
        Variable(name=f"{name}_cross_entropy", dims=(SUBSET,), long_name=f"mean cross-entropy of {words}", units="nat"),
        Variable(name=f"{name}_n_used", dims=(), long_name=f"{words} counted", dtype="int64"),
    )


def _footprint(chosen: ReadoutOptions, sizes: Sizes) -> Footprint:
    if sizes.components is None:
        return Footprint(state={"readouts": None})
    try:
        subsets = len(subset_labels(chosen, [f"component {place}" for place in range(sizes.components)]))
    except UsageError:
        # Subsets that are named are as many as their names; what is wrong with them is said elsewhere.
        subsets = len(chosen.subsets)
    return Footprint(state={"readouts": 8 * (1 + 2 * subsets)}, axes={SUBSET: subsets})


def _token(
    name: str,
    summary: str,
    model: type[ReadoutOptions],
    produces: tuple[Variable, ...],
    undefined: str,
    reference: str,
) -> MetricDeclaration:
    return MetricDeclaration(
        name=name,
        summary=summary,
        implementation=f"prosect_plugins.metrics.readouts.token:{name}",
        **by_options(model, lambda chosen: declared(chosen, produces)),
        axes=_axes,
        requires=MASKED_STATES if name.startswith("masked") else STATES,
        undefined=undefined,
        references=(reference,),
    )


def _axes(chosen: ReadoutOptions, components: Sequence[Component]) -> Mapping[str, Sequence[str]]:
    labels = subset_labels(chosen, [component.label for component in components])
    if chosen.subsets == "total":
        return {}
    if not components:
        raise UsageError("labels are the tokens of each sentence: read the hidden state itself, 'subsets: total'")
    return {SUBSET: labels}
