"""Declarations of the probes: metrics over stored terms. Implementations stand in the other files of this folder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from prosect.api import MetricDeclaration, Options, Variable
from prosect_plugins.declaring import derived_metric
from prosect_plugins.probes import options

HOME: Final = "prosect_plugins.probes"
MICKUS: Final = "Mickus, Paperno & Constant 2022, sections 5 and 6"
CELL: Final = ("layer", "subset")
SCORES: Final = (
    ("accuracy", "share of test items that are classified rightly"),
    ("accuracy_seen", "the same among items whose group is in the training part"),
    ("macro_f1", "mean F1 of the classes"),
    ("micro_f1", "F1 of all decisions together"),
    ("span_f1", "F1 of whole spans of BIO tags"),
)
BASELINES: Final = (
    Variable(name="majority_accuracy", dims=(), long_name="accuracy of the most frequent class of each group"),
    Variable(name="majority_macro_f1", dims=(), long_name="mean F1 of the most frequent class of each group"),
    Variable(name="random_accuracy", dims=(), long_name="expected accuracy of a guess among the classes of a group"),
)
UNDEFINED: Final = (
    "NaN where nothing is counted; span_f1 also where classes are no BIO tags or a split tears sentences apart; a "
    "prediction of -1 stands where a probe says nothing"
)


def probe_metrics() -> Sequence[MetricDeclaration]:
    """Probes and their baselines that come with prosect."""
    return [*_probes(), _baselines(), _agreement()]


def _probes() -> list[MetricDeclaration]:
    return [
        _probe(
            "neighbours:knn_probe",
            "Vote of the nearest neighbours of the same group, such as the occurrences of a lemma.",
            options.NeighbourOptions,
            (*_scores(), _value("neighbours", "neighbours that vote")),
            MICKUS,
        ),
        _probe(
            "linear:linear_probe",
            "Multinomial logistic regression from sums of terms to the classes of an annotation.",
            options.LinearOptions,
            (
                *_scores(),
                _value("inverse_penalty", "inverse weight of the penalty that was best on the development part"),
                _value("converged", "whether the solver came to an end"),
            ),
            "Alain & Bengio 2017",
        ),
        _probe(
            "perceptron:mlp_probe",
            "Perceptron with one hidden layer, searched on the development part and repeated with other seeds.",
            options.PerceptronOptions,
            (
                *_scores("run"),
                _value("development", "criterion on the development part at the best epoch", "run"),
                _value("epoch", "epoch that was best on the development part", "run"),
                _value("learning_rate", "learning rate that was chosen", "run"),
                _value("dropout", "dropout that was chosen", "run"),
                _value("weight_decay", "weight decay that was chosen", "run"),
            ),
            MICKUS,
        ),
    ]


def _probe(
    implementation: str, summary: str, model: type[Options], produces: tuple[Variable, ...], reference: str
) -> MetricDeclaration:
    return derived_metric(
        f"{HOME}.{implementation}",
        summary,
        model,
        (*produces, *BASELINES),
        inputs=(1, 1),
        needs=("terms",),
        undefined=UNDEFINED,
        references=(reference,),
    )


def _baselines() -> MetricDeclaration:
    return derived_metric(
        f"{HOME}.baselines:probe_baselines",
        "The most frequent class of each group, and guessing among its classes, without any vectors.",
        options.ItemOptions,
        (
            *BASELINES,
            Variable(name="items_train", dims=(), long_name="items in the training part"),
            Variable(name="items_test", dims=(), long_name="items in the test part"),
            Variable(name="unseen_share", dims=(), long_name="share of test items whose group was not seen"),
        ),
        inputs=(1, 1),
        undefined=UNDEFINED,
        references=(MICKUS,),
    )


def _agreement() -> MetricDeclaration:
    name, dims = "prediction_agreement", ("layer", "subset", "other_subset")
    return derived_metric(
        f"{HOME}.agreement:{name}",
        "F1 of the predictions of probes against each other, subset by subset.",
        options.AgreementOptions,
        (Variable(name=name, dims=dims, long_name="F1 of predictions against predictions"),),
        inputs=(1, 2),
        needs=("prediction",),
        undefined="NaN where no class is counted",
        references=(MICKUS,),
    )


def _scores(*run: str) -> tuple[Variable, ...]:
    return (
        *(Variable(name=name, dims=(*CELL, *run), long_name=words) for name, words in SCORES),
        Variable(name="f1", dims=(*CELL, *run, "label"), long_name="F1 of each class"),
        Variable(name="prediction", dims=(*CELL, *run, "item"), long_name="predicted class, a place on the axis label"),
    )


def _value(name: str, long_name: str, *run: str) -> Variable:
    return Variable(name=name, dims=(*CELL, *run), long_name=long_name)
