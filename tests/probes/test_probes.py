"""Probes of stored terms, beside scikit-learn on vectors pooled by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.neighbors import KNeighborsClassifier

import prosect
from prosect.errors import SpecError, UsageError

FIXED = {"label": "sense", "split": "annotation", "part": "part"}
SUBSETS = [["attention"], ["input", "attention"], "total"]
PLACES = {"attention": [1], "input+attention": [0, 1], "total": [0, 1, 2, 3]}


def test_neighbours_of_the_same_lemma_vote(stored, by_hand):
    """Every layer and subset, every lemma by itself; with one neighbour no vote is tied."""
    dataset = stored(sentences=80)
    found = prosect.derive("knn_probe", dataset, **FIXED, group="lemma", subsets=SUBSETS, neighbours=1)
    table, vectors = by_hand(dataset, "sum")
    train, test = table.part == "train", table.part == "test"
    assert found.gold.values.tolist() == table.sense[test].tolist()
    assert found.sentence.values.tolist() == table.sentence[test].tolist()
    for layer in range(2):
        for label, places in PLACES.items():
            summed = vectors[layer][places].sum(axis=0)
            predicted = np.empty(len(table), dtype=object)
            for lemma in table.lemma.unique():
                mine, theirs = train & (table.lemma == lemma), test & (table.lemma == lemma)
                model = KNeighborsClassifier(n_neighbors=1, metric="cosine").fit(summed[mine], table.sense[mine])
                predicted[theirs] = model.predict(summed[theirs])
            here = found.sel(layer=layer, subset=label)
            said = found.label.values[here.prediction.values]
            assert said.tolist() == predicted[test].tolist()
            assert float(here.accuracy) == pytest.approx(np.mean(predicted[test] == table.sense[test]))
            expected = f1_score(table.sense[test], list(predicted[test]), average="macro")
            assert float(here.macro_f1) == pytest.approx(expected)


@pytest.mark.parametrize("standardise", [False, True])
def test_a_linear_probe_is_the_best_regression_on_the_development_part(stored, by_hand, standardise):
    dataset = stored(sentences=60)
    penalties = [0.001, 0.1, 10.0]
    found = prosect.derive(
        "linear_probe",
        dataset,
        **FIXED,
        subsets="total",
        pool="mean",
        layers=[1],
        inverse_penalty=penalties,
        standardise=standardise,
    )
    table, vectors = by_hand(dataset, "mean")
    summed = vectors[1].sum(axis=0).astype(np.float64)
    train, dev, test = (table.part == name for name in ("train", "dev", "test"))
    if standardise:
        summed = (summed - summed[train].mean(axis=0)) / summed[train].std(axis=0)
    models = [LogisticRegression(C=C, max_iter=1000).fit(summed[train], table.sense[train]) for C in penalties]
    on_dev = [model.score(summed[dev], table.sense[dev]) for model in models]
    best = int(np.argmax(on_dev))
    here = found.isel(layer=0, subset=0)
    assert float(here.inverse_penalty) == penalties[best]
    assert bool(here.converged)
    assert found.label.values[here.prediction.values].tolist() == models[best].predict(summed[test]).tolist()
    assert float(here.accuracy) == pytest.approx(models[best].score(summed[test], table.sense[test]))


def test_a_linear_probe_chooses_among_the_senses_of_the_lemma(stored):
    dataset = stored(sentences=60)
    found = prosect.derive("linear_probe", dataset, **FIXED, group="lemma", subsets="total", layers=[0])
    said = found.label.values[found.prediction.values[0, 0]]
    assert {(one.split(".")[0], true.split(".")[0]) for one, true in zip(said, found.gold.values, strict=True)} == {
        (lemma, lemma) for lemma in ("bank", "spring", "light")
    }
    free = prosect.derive("linear_probe", dataset, **FIXED, subsets="total", layers=[0])
    assert float(found.accuracy.squeeze()) != float(free.accuracy.squeeze())


QUICK = {"learning_rate": [1e-2, 3e-2], "dropout": [0.1], "epochs": 8, "batch_items": 64, "runs": 2, "device": "cpu"}


def test_a_perceptron_is_searched_repeated_and_can_be_repeated(stored):
    """Runs differ in their seeds; the same options give the same numbers."""
    dataset = stored(sentences=60)
    given = {**QUICK, "epochs": 15, "group": "lemma", "subsets": SUBSETS[:2], "layers": [1], "pool": "mean"}
    one, other = (prosect.derive("mlp_probe", dataset, **FIXED, **given) for _ in range(2))
    assert one.accuracy.dims == ("layer", "subset", "run")
    assert one.prediction.dims == ("layer", "subset", "run", "item")
    np.testing.assert_array_equal(one.prediction, other.prediction)
    assert (one.prediction.isel(run=0) != one.prediction.isel(run=1)).any()
    assert set(one.learning_rate.values.ravel()) <= {1e-2, 3e-2}
    assert (one.epoch >= 1).all()
    assert (one.epoch <= 15).all()
    # The classes stand in the attention term, so the probe finds them.
    assert float(one.accuracy.sel(subset="attention").mean()) > float(one.majority_accuracy) + 0.1


def test_what_a_perceptron_is_tried_with_is_drawn_from_all_combinations(stored):
    dataset = stored(sentences=20)
    given = {**QUICK, "learning_rate": [0.1, 0.2, 0.3], "dropout": [0.0, 0.5], "epochs": 1, "trials": 2, "runs": 1}
    found = prosect.derive("mlp_probe", dataset, **FIXED, subsets="total", layers=[0], hidden=3, **given)
    assert float(found.learning_rate.squeeze()) in {0.1, 0.2, 0.3}
    assert float(found.dropout.squeeze()) in {0.0, 0.5}


def test_nothing_is_chosen_on_the_test_part(stored):
    """Other classes there change no prediction and no choice."""
    dataset = stored(sentences=60)
    changed = dataset.copy(deep=True)
    wrong = (dataset.part == "test").values & (dataset.sense != "").values
    sense = changed.sense.values.copy()
    sense[wrong] = "bank.1"
    changed["sense"] = ("token", sense)
    for name, more in (("knn_probe", {"neighbours": [1, 5]}), ("linear_probe", {"inverse_penalty": [0.01, 1.0]})):
        one, other = (prosect.derive(name, d, **FIXED, subsets="total", layers=[1], **more) for d in (dataset, changed))
        assert one.label.values[one.prediction].tolist() == other.label.values[other.prediction].tolist()


def test_whole_spans_are_scored_where_sentences_are_whole(stored):
    dataset = stored()
    given = {"label": "tag", "subsets": "total", "layers": [0]}
    assert np.isnan(prosect.derive("knn_probe", dataset, **given).span_f1).all()
    found = prosect.derive("knn_probe", dataset, **given, split="sentence")
    assert 0 <= float(found.span_f1.squeeze()) <= 1
    assert np.isnan(prosect.derive("knn_probe", dataset, **FIXED, subsets="total", layers=[0]).span_f1).all()


def test_span_f1_counts_spans_of_the_predicted_tags(stored):
    from prosect_plugins.probes.kernels.scores import span_f1

    dataset = stored()
    found = prosect.derive("knn_probe", dataset, label="tag", subsets="total", layers=[0], split="sentence").squeeze()
    said, cuts = found.label.values[found.prediction], np.flatnonzero(np.diff(found.sentence)) + 1
    expected = span_f1(np.split(found.gold.values, cuts), np.split(said, cuts))
    assert float(found.span_f1) == pytest.approx(expected)


@pytest.mark.parametrize("unseen", ["wrong", "drop", "majority"])
def test_items_of_groups_that_were_not_seen(stored, unseen):
    dataset = stored(sentences=60)
    part, lemma = dataset.part.values.copy(), dataset.lemma.values
    part[(lemma == "light") & (part == "train")] = "dev"
    dataset["part"] = ("token", part)
    found = prosect.derive(
        "knn_probe", dataset, **FIXED, group="lemma", subsets=[["attention"]], layers=[1], unseen=unseen
    ).squeeze()
    dark = np.char.startswith(found.gold.values.astype(str), "light")
    right = found.label.values[found.prediction] == found.gold.values
    assert 0 < dark.sum() < len(dark)
    if unseen == "majority":
        assert len(set(found.prediction.values[dark])) == 1
        assert (found.prediction.values[dark] >= 0).all()
    else:
        assert set(found.prediction.values[dark]) == {-1}
    right &= found.prediction.values >= 0
    counted = ~dark if unseen == "drop" else slice(None)
    assert float(found.accuracy) == pytest.approx(right[counted].mean())
    assert float(found.accuracy_seen) == pytest.approx(right[~dark].mean())


def test_baselines_need_no_vectors(stored, by_hand):
    dataset = stored(sentences=60)
    found = prosect.derive("probe_baselines", dataset.drop_vars("terms"), **FIXED, group="lemma")
    table = by_hand(dataset, "sum")[0]
    train, test = table[table.part == "train"], table[table.part == "test"]
    common = train.groupby("lemma").sense.agg(lambda senses: sorted(senses.mode())[0])
    assert float(found.majority_accuracy) == pytest.approx((test.lemma.map(common) == test.sense).mean())
    number = train.groupby("lemma").sense.nunique()
    assert float(found.random_accuracy) == pytest.approx((1 / test.lemma.map(number)).mean())
    assert (int(found.items_train), int(found.items_test)) == (len(train), len(test))
    probe = prosect.derive("knn_probe", dataset, **FIXED, group="lemma", subsets="total", layers=[0])
    assert float(probe.majority_accuracy) == float(found.majority_accuracy)


@pytest.mark.parametrize("average", ["macro", "micro"])
def test_probes_agree_as_far_as_f1_of_their_predictions_says(stored, average):
    dataset = stored(sentences=60)
    given = {**FIXED, "subsets": SUBSETS}
    one = prosect.derive("knn_probe", dataset, **given)
    other = prosect.derive("linear_probe", dataset, **given)
    found = prosect.derive("prediction_agreement", one, other, average=average)
    assert found.prediction_agreement.dims == ("layer", "subset", "other_subset")
    for layer in range(2):
        for place, row in enumerate(found.prediction_agreement.values[layer]):
            mine = one.prediction.values[layer, place]
            expected = [f1_score(mine, theirs, average=average) for theirs in other.prediction.values[layer]]
            np.testing.assert_allclose(row, expected)
    own = prosect.derive("prediction_agreement", one, average=average).prediction_agreement
    np.testing.assert_allclose(np.diagonal(own, axis1=1, axis2=2), 1.0)


def test_the_best_run_of_each_probe_is_compared(stored):
    dataset = stored(sentences=40)
    probe = prosect.derive("mlp_probe", dataset, **FIXED, subsets=SUBSETS[:2], layers=[1], **{**QUICK, "runs": 3})
    best = probe.development.argmax("run")
    # Results of a store come lazily.
    found = prosect.derive("prediction_agreement", probe.chunk(item=7, subset=1)).prediction_agreement
    expected = prosect.derive("prediction_agreement", probe.isel(run=best).drop_vars("run", errors="ignore"))
    np.testing.assert_allclose(found, expected.prediction_agreement)


def test_probes_of_other_items_are_not_compared(stored):
    dataset = stored()
    given = {"label": "sense", "subsets": "total", "layers": [0]}
    one, other = (prosect.derive("knn_probe", dataset, **given, seed=seed) for seed in (0, 1))
    with pytest.raises(UsageError, match="the same split"):
        prosect.derive("prediction_agreement", one, other)


def test_models_are_probed_one_by_one(stored):
    import xarray as xr

    one, other = stored(seed=0), stored(seed=0)
    other["terms"] = other.terms * 0.5 + 1.0
    both = xr.concat([one, other], dim=xr.DataArray(["a", "b"], dims="model", name="model"), coords="minimal")
    found = prosect.derive("knn_probe", both, **FIXED, subsets="total")
    assert found.accuracy.dims == ("model", "layer", "subset")
    alone = prosect.derive("knn_probe", other, **FIXED, subsets="total")
    np.testing.assert_array_equal(found.prediction.sel(model="b"), alone.prediction)


@pytest.mark.parametrize(
    ("change", "given", "message"),
    [
        (lambda d: d.drop_vars("terms"), {}, r"needs the variable 'terms'"),
        (lambda d: d, {"layers": [7]}, "layer 7 is not stored"),
        (lambda d: d, {"subsets": [["inputs"]]}, "no component 'inputs'"),
        (lambda d: d.isel(hidden=0), {}, "expected layer, component, token, hidden"),
    ],
)
def test_what_does_not_fit_is_named(stored, change, given, message):
    with pytest.raises(UsageError, match=message):
        prosect.derive("knn_probe", change(stored()), **FIXED, **given)


def test_a_choice_needs_a_development_part(stored):
    given = {"label": "sense", "fractions": [0.8, 0.0, 0.2], "subsets": "total"}
    for name, more in (("knn_probe", {"neighbours": [1, 2]}), ("mlp_probe", QUICK)):
        with pytest.raises(UsageError, match="no development part"):
            prosect.derive(name, stored(), **given, **more)
    prosect.derive("knn_probe", stored(), **given)
    with pytest.raises(SpecError, match="shares"):
        prosect.derive("knn_probe", stored(), **{**given, "fractions": [0.8, 0.0, 0.1]})
