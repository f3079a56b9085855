"""Options of the probes. No torch, no scikit-learn."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from prosect.api import Options
from prosect_plugins.subsets import Subsets

Positive = tuple[float, ...]


class ItemOptions(Options):
    """Options of everything that looks at annotated items.

    Attributes
    ----------
    label
        Annotation of the corpus that holds the class of each item. Items without one (an empty text, NaN, -1) are
        left out.
    ignore
        Classes that stand for none, such as ``_``: their items are left out, too.
    group
        Annotation that says which classes an item may have: those that its group has in the training part, as the
        senses of a lemma. Neighbours are then items of the same group, and other classes are masked, by `mlp_probe` in
        training too, as in Mickus, Paperno & Constant 2022. Default: every class.
    minimum_classes
        Groups with fewer classes in the whole corpus are left out: 2 drops the lemmas that have one sense, as Mickus,
        Paperno & Constant 2022 do.
    unit
        What an item is: a ``word``, a ``token``, or a ``sentence``.
    where
        Annotation -> value: only tokens that have it count (``{masked: true}``).
    split
        ``item``: items are dealt out at random, as in Mickus, Paperno & Constant 2022, so that sentences fall into
        several parts; ``sentence``: whole sentences are; or ``annotation``: the annotation ``part`` says it.
    part
        With ``split: annotation``: the annotation, whose values are those of ``parts``.
    parts
        With ``split: annotation``: its values for training, development and test.
    fractions
        Shares of training, development and test; the share of development may be 0.
    seed
        Of the random split, and of whatever else is random.
    unseen
        Items whose group has no item in the training part count as ``wrong``, or are left out (``drop``), or are given
        the ``majority`` class of the training part.
    left_out
        Classes that are no classes for `macro_f1` and `micro_f1`, such as ``O``; by default all count (Mickus, Paperno
        & Constant 2022, section 6).
    """

    label: str
    ignore: tuple[str, ...] = ()
    group: str | None = None
    minimum_classes: int = Field(default=1, ge=1)
    unit: Literal["word", "token", "sentence"] = "word"
    where: dict[str, str | int | float | bool] = Field(default_factory=dict)
    split: Literal["item", "sentence", "annotation"] = "item"
    part: str | None = None
    parts: tuple[str, str, str] = ("train", "dev", "test")
    fractions: tuple[float, float, float] = (0.8, 0.1, 0.1)
    seed: int = Field(default=0, ge=0)
    unseen: Literal["wrong", "drop", "majority"] = "wrong"
    left_out: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if (self.split == "annotation") != (self.part is not None):
            raise ValueError("'part' names the annotation that says the part: it belongs with 'split: annotation'")
        train, dev, test = self.fractions
        if min(train, test) <= 0 or dev < 0 or abs(train + dev + test - 1) > 1e-6:  # noqa: PLR2004 - rounding of decimals
            raise ValueError("'fractions' are three shares that sum to 1, those of training and test above 0")
        return self


class ProbeOptions(ItemOptions):
    """Options of all probes of vectors.

    Attributes
    ----------
    subsets
        Sums of components that a probe is given. ``all``: every non-empty subset (Mickus, Paperno & Constant 2022);
        ``total``, ``singletons``, ``leave_one_out``, ``partial``, or a list of lists of components, in which ``total``,
        ``all but NAME`` and ``to NAME`` may stand, too.
    pool
        How the vector of an item comes from those of its tokens: their ``sum`` (Mickus, Paperno & Constant 2022), their
        ``mean``, or the ``first`` or ``last`` one.
    layers
        Layers to probe; default: all that are stored.
    standardise
        Divide every coordinate by its standard deviation in the training part, after its mean was subtracted. Not done
        in the papers.
    """

    subsets: Subsets = "all"
    pool: Literal["sum", "mean", "first", "last"] = "sum"
    layers: tuple[int, ...] | None = None
    standardise: bool = False


class NeighbourOptions(ProbeOptions):
    """Options of `knn_probe`.

    Attributes
    ----------
    neighbours
        How many vote (5 in Mickus, Paperno & Constant 2022, section 5). Several values: the best on the development
        part is taken, for each layer and subset.
    distance
        ``cosine`` (as there), or ``euclidean``.
    """

    neighbours: tuple[int, ...] | int = 5
    distance: Literal["cosine", "euclidean"] = "cosine"


class LinearOptions(ProbeOptions):
    """Options of `linear_probe`, a multinomial logistic regression of scikit-learn.

    Attributes
    ----------
    inverse_penalty
        C, the inverse weight of the squared norm. Several values: the best on the development part is taken.
    iterations
        Most steps of the solver.
    criterion
        What 'best' means.
    """

    inverse_penalty: Positive | float = 1.0
    iterations: int = Field(default=1000, ge=1)
    criterion: Literal["accuracy", "macro_f1", "micro_f1", "span_f1"] = "accuracy"


class PerceptronOptions(ProbeOptions):
    """Options of `mlp_probe`: Linear, ReLU, Dropout, Linear, by torch (Mickus, Paperno & Constant 2022, section 5).

    The values of `learning_rate`, `dropout` and `weight_decay` are searched: every combination (or `trials` of them,
    drawn at random) is trained once with the first seed, and the best on the development part is then trained for every
    run. Each training keeps the epoch that is best on the development part. Nothing is chosen on the test part.

    Attributes
    ----------
    hidden
        Width of the hidden layer; ``same``: that of the vectors, as in the paper; 0: none, a linear probe.
    output_bias
        Whether the last map has a bias; none in the paper.
    learning_rate, dropout, weight_decay
        Values to search. The paper searches 100 points by a Gaussian process in ranges that it does not give.
    trials
        How many combinations are tried; default: all.
    epochs, batch_items
        20 and 2048 in the paper.
    schedule
        Learning rate: ``constant``, or ``linear`` decrease to 0.
    runs
        Repetitions with other seeds, 5 in the paper.
    criterion
        What 'best' means (``accuracy`` for word senses, ``macro_f1`` for entities in the paper).
    device
        Where probes are trained: ``auto`` takes a GPU where there is one.
    """

    hidden: Literal["same"] | int = "same"
    output_bias: bool = False
    learning_rate: Positive = (1e-4, 1e-3)
    dropout: Positive = (0.1, 0.5)
    weight_decay: Positive = (0.0,)
    trials: int | None = Field(default=None, ge=1)
    epochs: int = Field(default=20, ge=1)
    batch_items: int = Field(default=2048, ge=1)
    schedule: Literal["constant", "linear"] = "constant"
    runs: int = Field(default=5, ge=1)
    criterion: Literal["accuracy", "macro_f1", "micro_f1", "span_f1"] = "accuracy"
    device: Literal["auto", "cpu", "cuda"] = "auto"


class AgreementOptions(Options):
    """Options of `prediction_agreement`.

    Attributes
    ----------
    average
        F1 of the predictions of one probe against those of another: ``macro`` (as in the named-entity study of Mickus,
        Paperno & Constant 2022), or ``micro``, which is the share of equal predictions (as in the word-sense study).
    run
        Of several runs: the ``best`` on the development part of each probe, or the ``first``.
    left_out
        Classes that are no classes for F1.
    """

    average: Literal["macro", "micro"] = "macro"
    run: Literal["best", "first"] = "best"
    left_out: tuple[str, ...] = ()
