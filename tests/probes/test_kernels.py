"""Scores, neighbours, baselines and classifiers, beside scikit-learn and beside what is written out by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import accuracy_score, f1_score
from sklearn.neighbors import KNeighborsClassifier

from prosect_plugins.probes.kernels.baselines import guessed, majority, seen_labels
from prosect_plugins.probes.kernels.linear import best_allowed, fit_logistic
from prosect_plugins.probes.kernels.neighbours import nearest_labels
from prosect_plugins.probes.kernels.perceptron import Part, Recipe, predict, train
from prosect_plugins.probes.kernels.scores import (
    Span,
    accuracy,
    counts,
    f1_by_label,
    is_bio,
    macro_f1,
    micro_f1,
    span_f1,
    spans,
)

CODES = st.integers(2, 5).flatmap(
    lambda labels: st.integers(1, 40).flatmap(
        lambda items: st.tuples(
            st.just(labels), *(hnp.arrays(np.int64, items, elements=st.integers(0, labels - 1)) for _ in range(2))
        )
    )
)


@given(CODES)
@settings(max_examples=25, deadline=None)
def test_scores_are_those_of_scikit_learn(drawn):
    labels, gold, predicted = drawn
    assert accuracy(gold, predicted) == pytest.approx(accuracy_score(gold, predicted))
    present = sorted({*gold, *predicted})
    assert macro_f1(gold, predicted, labels) == pytest.approx(f1_score(gold, predicted, average="macro"))
    by_label = f1_score(gold, predicted, average=None, labels=present, zero_division=0)
    np.testing.assert_allclose(f1_by_label(counts(gold, predicted, labels))[present], by_label)
    assert micro_f1(gold, predicted, labels) == pytest.approx(f1_score(gold, predicted, average="micro"))
    kept = [label for label in present if label != 0]
    if kept:
        expected = f1_score(gold, predicted, average="micro", labels=kept, zero_division=0)
        assert micro_f1(gold, predicted, labels, [0]) == pytest.approx(expected, nan_ok=True)
        expected = f1_score(gold, predicted, average="macro", labels=kept, zero_division=0)
        assert macro_f1(gold, predicted, labels, [0]) == pytest.approx(expected)


def test_nothing_predicted_is_wrong_and_no_class():
    """It lowers recall, not the precision of any class."""
    gold, predicted = np.array([0, 0, 1, 1]), np.array([0, -1, 1, 1])
    assert accuracy(gold, predicted) == 0.75
    np.testing.assert_allclose(f1_by_label(counts(gold, predicted, 3)), [2 / 3, 1.0, np.nan])
    assert np.isnan(accuracy(gold[:0], predicted[:0]))
    assert np.isnan(macro_f1(gold[:0], predicted[:0], 3))
    assert np.isnan(micro_f1(gold, predicted, 3, [0, 1, 2]))


TAGS = st.lists(st.sampled_from(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]), max_size=12)


def spans_by_scanning(tags):
    """Every (type, first, last) that some rule of BIO names, found by trying all of them."""
    found = set()
    for first in range(len(tags)):
        for last in range(first, len(tags)):
            inside = tags[first : last + 1]
            kind = inside[0][2:]
            begins = inside[0].startswith("B-") or (
                inside[0].startswith("I-") and (first == 0 or tags[first - 1][2:] != kind or tags[first - 1] == "O")
            )
            goes_on = all(tag == f"I-{kind}" for tag in inside[1:])
            ends = last + 1 == len(tags) or tags[last + 1] != f"I-{kind}"
            if begins and goes_on and ends:
                found.add((kind, first, last))
    return found


@given(TAGS)
@settings(max_examples=200, deadline=None)
def test_spans_are_those_that_an_exhaustive_search_finds(tags):
    assert set(spans(tags)) == spans_by_scanning(tags)


@given(st.lists(st.tuples(TAGS, TAGS), min_size=1, max_size=4))
@settings(max_examples=100, deadline=None)
def test_span_f1_is_that_of_sets_of_spans(pairs):
    cut = [(one[: min(len(one), len(other))], other[: min(len(one), len(other))]) for one, other in pairs]
    gold = {(s, *span) for s, (one, _) in enumerate(cut) for span in spans_by_scanning(one)}
    said = {(s, *span) for s, (_, other) in enumerate(cut) for span in spans_by_scanning(other)}
    found = span_f1([one for one, _ in cut], [other for _, other in cut])
    if not gold and not said:
        assert np.isnan(found)
        return
    precision, recall = (len(gold & said) / len(x) if x else 0.0 for x in (said, gold))
    expected = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    assert found == pytest.approx(expected)


def test_a_span_ends_where_another_begins():
    assert list(spans(["B-PER", "B-PER", "I-LOC", "O", "I-PER"])) == [
        Span("PER", 0, 0),
        Span("PER", 1, 1),
        Span("LOC", 2, 2),
        Span("PER", 4, 4),
    ]
    assert is_bio({"O", "B-x", "I-x"})
    assert not is_bio({"O", "noun"})
    assert not is_bio({"O"})


def random_items(seed=0, items=160, groups=6, labels=5, width=7):
    generator = np.random.default_rng(seed)
    label = generator.integers(labels, size=items)
    vectors = generator.normal(size=(items, width)) + np.eye(labels, width)[label]
    return vectors, label, generator.integers(groups, size=items)


@pytest.mark.parametrize("distance", ["cosine", "euclidean"])
def test_neighbours_vote_as_in_scikit_learn_within_each_group(distance):
    """Where no vote is tied."""
    vectors, labels, groups = random_items(items=400)
    train, test = slice(0, 280), slice(280, None)
    found = nearest_labels(
        vectors[train],
        labels[train],
        groups[train],
        vectors[test],
        groups[test],
        neighbours=5,
        distance=distance,
    )
    compared = 0
    for group in np.unique(groups[test]):
        mine, theirs = np.flatnonzero(groups[train] == group), np.flatnonzero(groups[test] == group)
        model = KNeighborsClassifier(n_neighbors=min(5, len(mine)), metric=distance)
        model.fit(vectors[train][mine], labels[train][mine])
        chances = model.predict_proba(vectors[test][theirs])
        clear = (chances == chances.max(axis=1, keepdims=True)).sum(axis=1) == 1
        np.testing.assert_array_equal(found[theirs][clear], model.predict(vectors[test][theirs])[clear])
        compared += clear.sum()
    assert compared > 60


def test_a_tied_vote_goes_to_the_nearest_of_the_tied():
    train = np.array([[1.0], [2.0], [3.0], [4.0]])
    labels, groups = np.array([2, 1, 1, 2]), np.zeros(4, dtype=np.int64)
    found = nearest_labels(
        train, labels, groups, np.array([[0.9], [2.4]]), groups[:2], neighbours=4, distance="euclidean"
    )
    assert found.tolist() == [2, 1]


def test_a_group_without_neighbours_gets_no_class():
    vectors, labels, groups = random_items(items=20)
    found = nearest_labels(vectors, labels, groups, vectors[:2], np.array([99, 0]), neighbours=1, distance="cosine")
    assert found[0] == -1
    assert found[1] >= 0


def test_a_vector_of_zeros_is_orthogonal_to_all():
    train = np.array([[0.0, 0.0], [-1.0, 0.0]])
    groups = np.zeros(2, dtype=np.int64)
    found = nearest_labels(
        train, np.array([0, 1]), groups, np.array([[1.0, 0.0]]), groups[:1], neighbours=1, distance="cosine"
    )
    assert found.tolist() == [0]


def test_the_most_frequent_class_is_that_of_scikit_learn_in_each_group():
    _, labels, groups = random_items(items=300)
    train, test = slice(0, 240), slice(240, None)
    table = seen_labels(labels[train], groups[train], (7, 5))
    found = majority(table, groups[test])
    for group in range(6):
        mine = groups[train] == group
        model = DummyClassifier(strategy="most_frequent").fit(np.zeros((mine.sum(), 1)), labels[train][mine])
        assert set(found[groups[test] == group]) <= {int(model.predict([[0.0]])[0])}
    assert majority(table, np.array([6])).tolist() == [-1]


def test_a_guess_is_right_as_often_as_drawing_says():
    labels, groups = np.array([0, 0, 1, 2]), np.array([0, 0, 0, 1])
    table = seen_labels(labels, groups, (3, 4))
    gold = np.array([0, 1, 3, 2, 0, 0])
    chances = guessed(table, np.array([0, 0, 0, 1, 1, 2]), gold)
    np.testing.assert_allclose(chances, [1 / 2, 1 / 2, 0, 1, 0, 0])


def test_a_linear_probe_is_the_regression_of_scikit_learn():
    vectors, labels, _ = random_items(items=200)
    model = LogisticRegression(C=0.3, max_iter=500).fit(vectors, labels)
    ours = fit_logistic(vectors, labels, 6, inverse_penalty=0.3, iterations=500)
    assert ours.converged
    np.testing.assert_array_equal(best_allowed(ours.scores(vectors), None), model.predict(vectors))
    log = ours.scores(vectors)[:, :5]
    np.testing.assert_allclose(
        log - log[:, :1], model.decision_function(vectors) - model.decision_function(vectors)[:, :1]
    )


@pytest.mark.parametrize("classes", [[1, 3], [2]])
def test_a_linear_probe_of_few_classes_keeps_their_places(classes):
    """scikit-learn has one row of weights for two classes, and refuses a single one."""
    vectors, labels, _ = random_items(items=200)
    kept = np.isin(labels, classes)
    ours = fit_logistic(vectors[kept], labels[kept], 5, inverse_penalty=1.0, iterations=500)
    found = best_allowed(ours.scores(vectors[kept]), None)
    assert set(found) <= set(classes)
    if len(classes) == 2:
        model = LogisticRegression(max_iter=500).fit(vectors[kept], labels[kept])
        np.testing.assert_array_equal(found, model.predict(vectors[kept]))


def test_a_solver_that_does_not_come_to_an_end_says_so():
    vectors, labels, _ = random_items(items=200)
    assert not fit_logistic(vectors, labels, 5, inverse_penalty=100.0, iterations=2).converged


def test_classes_that_are_not_allowed_are_not_chosen():
    scores = np.array([[3.0, 2.0, 1.0], [3.0, 2.0, 1.0], [3.0, 2.0, 1.0]])
    allowed = np.array([[True, True, True], [False, True, True], [False, False, False]])
    assert best_allowed(scores, allowed).tolist() == [0, 1, -1]


def recipe(**changes):
    usual = {
        "hidden": 16,
        "output_bias": False,
        "dropout": 0.1,
        "learning_rate": 1e-2,
        "weight_decay": 0.0,
        "schedule": "constant",
        "epochs": 15,
        "batch_items": 32,
    }
    return Recipe(**{**usual, **changes})


def part_of(vectors, labels, groups, allowed=None):
    return Part(torch.tensor(vectors, dtype=torch.float32), torch.tensor(labels), torch.tensor(groups), allowed)


def test_a_perceptron_learns_what_no_linear_map_can():
    """The exclusive or of two signs."""
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(400, 2))
    labels = (vectors.prod(axis=1) > 0).astype(np.int64)
    part = part_of(vectors, labels, np.zeros(400, dtype=np.int64))
    deep, flat = (
        train(part, 2, recipe(hidden=hidden, epochs=40, dropout=0.0, output_bias=True), 0, lambda _: float("nan"))
        for hidden in (16, 0)
    )
    assert accuracy(labels, predict(deep.network, part, 100)) > 0.95
    assert accuracy(labels, predict(flat.network, part, 100)) < 0.7


def test_one_seed_gives_one_probe():
    vectors, labels, groups = random_items()
    part = part_of(vectors, labels, groups)
    first, again, other = (train(part, 5, recipe(epochs=2), seed, lambda _: float("nan")) for seed in (3, 3, 4))
    weights = [one.network[0].weight for one in (first, again, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    assert first.epoch == 2


def test_training_leaves_the_global_random_state_alone():
    vectors, labels, groups = random_items()
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    train(part_of(vectors, labels, groups), 5, recipe(epochs=1), 0, lambda _: 0.0)
    assert torch.equal(torch.rand(3), expected)


def test_the_first_best_epoch_is_kept():
    vectors, labels, groups = random_items()
    values = iter([0.2, 0.5, 0.4, 0.5])
    seen = []

    def criterion(network):
        seen.append(network[0].weight.detach().clone())
        return next(values)

    best = train(part_of(vectors, labels, groups), 5, recipe(epochs=4), 0, criterion)
    assert (best.epoch, best.criterion) == (2, 0.5)
    assert torch.equal(best.network[0].weight, seen[1])


def test_a_group_allows_some_classes_only():
    """In training and in prediction; a group that allows none gets no class."""
    vectors, labels, _ = random_items()
    groups = labels // 2
    allowed = torch.zeros(4, 5, dtype=torch.bool)
    allowed[torch.tensor(groups), torch.tensor(labels)] = True
    part = part_of(vectors, labels, groups, allowed)
    best = train(part, 5, recipe(), 0, lambda _: float("nan"))
    predicted = predict(best.network, part, 33)
    assert (predicted // 2 == groups).all()
    none = part_of(vectors, labels, np.full(len(labels), 3), allowed)
    assert set(predict(best.network, none, 50)) == {-1}


def test_without_a_hidden_layer_training_goes_to_the_logistic_regression():
    """The same loss, no penalty: close to the minimum that scikit-learn finds."""
    vectors, labels, groups = random_items(items=300, width=4)
    part = part_of(vectors, labels, groups)
    settings_ = recipe(
        hidden=0, dropout=0.0, output_bias=True, epochs=400, batch_items=300, learning_rate=0.05, schedule="linear"
    )
    ours = train(part, 5, settings_, 0, lambda _: float("nan")).network
    model = LogisticRegression(C=1e6, max_iter=2000).fit(vectors, labels)
    expected = model.decision_function(vectors)
    with torch.no_grad():
        found = ours(part.vectors).numpy()
    difference = (found - found.mean(axis=1, keepdims=True)) - (expected - expected.mean(axis=1, keepdims=True))
    assert np.abs(difference).max() < 0.05
