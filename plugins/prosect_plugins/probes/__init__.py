"""Declarations of the probes: metrics over stored terms. Implementations stand in the other files of this folder."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from prosect.api import MetricDeclaration, Variable
from prosect_plugins.probes import options

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
    return [
        MetricDeclaration(
            name="knn_probe",
            summary="Vote of the nearest neighbours of the same group, such as the occurrences of a lemma.",
            implementation="prosect_plugins.probes.neighbours:knn_probe",
            form="derived",
            options=options.NeighbourOptions,
            produces=(*_scores(), _value("neighbours", "neighbours that vote"), *BASELINES),
            inputs=(1, 1),
            needs=("terms",),
            undefined=UNDEFINED,
            references=(MICKUS,),
        ),
        MetricDeclaration(
            name="linear_probe",
            summary="Multinomial logistic regression from sums of terms to the classes of an annotation.",
            implementation="prosect_plugins.probes.linear:linear_probe",
            form="derived",
            options=options.LinearOptions,
            produces=(
                *_scores(),
                _value("inverse_penalty", "inverse weight of the penalty that was best on the development part"),
                _value("converged", "whether the solver came to an end"),
                *BASELINES,
            ),
            inputs=(1, 1),
            needs=("terms",),
            undefined=UNDEFINED,
            references=("Alain & Bengio 2017",),
        ),
        MetricDeclaration(
            name="mlp_probe",
            summary="Perceptron with one hidden layer, searched on the development part and repeated with other seeds.",
            implementation="prosect_plugins.probes.perceptron:mlp_probe",
            form="derived",
            options=options.PerceptronOptions,
            produces=(
                *_scores("run"),
                _value("development", "criterion on the development part at the best epoch", "run"),
                _value("epoch", "epoch that was best on the development part", "run"),
                _value("learning_rate", "learning rate that was chosen", "run"),
                _value("dropout", "dropout that was chosen", "run"),
                _value("weight_decay", "weight decay that was chosen", "run"),
                *BASELINES,
            ),
            inputs=(1, 1),
            needs=("terms",),
            undefined=UNDEFINED,
            references=(MICKUS,),
        ),
        MetricDeclaration(
            name="probe_baselines",
            summary="The most frequent class of each group, and guessing among its classes, without any vectors.",
            implementation="prosect_plugins.probes.baselines:probe_baselines",
            form="derived",
            options=options.ItemOptions,
            produces=(
                *BASELINES,
                Variable(name="items_train", dims=(), long_name="items in the training part"),
                Variable(name="items_test", dims=(), long_name="items in the test part"),
                Variable(name="unseen_share", dims=(), long_name="share of test items whose group was not seen"),
            ),
            inputs=(1, 1),
            undefined=UNDEFINED,
            references=(MICKUS,),
        ),
        MetricDeclaration(
            name="prediction_agreement",
            summary="F1 of the predictions of probes against each other, subset by subset.",
            implementation="prosect_plugins.probes.agreement:prediction_agreement",
            form="derived",
            options=options.AgreementOptions,
            produces=(
                Variable(
                    name="prediction_agreement",
                    dims=("layer", "subset", "other_subset"),
                    long_name="F1 of predictions against predictions",
                ),
            ),
            inputs=(1, 2),
            needs=("prediction",),
            undefined="NaN where no class is counted",
            references=(MICKUS,),
        ),
    ]


def _scores(*run: str) -> tuple[Variable, ...]:
    return (
        *(Variable(name=name, dims=(*CELL, *run), long_name=words) for name, words in SCORES),
        Variable(name="f1", dims=(*CELL, *run, "label"), long_name="F1 of each class"),
        Variable(name="prediction", dims=(*CELL, *run, "item"), long_name="predicted class, a place on the axis label"),
    )


def _value(name: str, long_name: str, *run: str) -> Variable:
    return Variable(name=name, dims=(*CELL, *run), long_name=long_name)
