"""Metrics over tokens: correlations, joins, summaries, drift; and what is said when data does not fit."""

from __future__ import annotations

import numpy as np
import pytest
import xarray as xr
from scipy import stats

import prosect
from prosect.errors import UsageError
from support.stored import COMPONENTS, SENTENCES, tokens, value

RNG = np.random.default_rng(3)


class TestCorrelation:
    def test_two_variables_of_one_dataset(self):
        data = tokens()
        found = prosect.derive("correlation", data, against="norm", exclude={"special": True}, variables=["importance"])
        kept = data.isel(token=~data.special.values)
        expected = stats.spearmanr(kept.importance[1, 2], kept.norm[1, 2]).statistic
        assert value(found.correlation, layer=6, component="bias") == pytest.approx(expected)
        assert value(found.number, layer=6, component="bias") == (data.position > 0).sum()
        assert found.correlation.dims == ("variable", "layer", "component")

    def test_a_pair_with_an_undefined_value_is_left_out_and_counted_so(self):
        found = prosect.derive("correlation", tokens(), against="norm")
        assert value(found.number, layer=0, component="attention") == len(SENTENCES) - 1

    def test_two_runs_token_by_token(self):
        first, second = tokens(), tokens(1)
        found = prosect.derive("correlation", first, second, method="pearson", variables=["norm"])
        expected = stats.pearsonr(first.norm[1, 0], second.norm[1, 0]).statistic
        assert value(found.correlation, variable="norm", layer=6, component="input") == pytest.approx(expected)

    def test_runs_with_other_tokens_are_refused(self):
        with pytest.raises(UsageError, match="hold different tokens: 'position' differs"):
            prosect.derive("correlation", tokens(), tokens(position=("token", np.zeros(len(SENTENCES)))))
        with pytest.raises(UsageError, match="have 24 and 20 entries"):
            prosect.derive("correlation", tokens(), tokens().isel(token=slice(20)))

    def test_a_table_is_joined_by_its_keys(self):
        score = xr.Dataset({"comet": ("sentence", RNG.normal(size=6))}, {"sentence": [5, 4, 3, 2, 1, 0]})
        data = tokens()
        found = prosect.derive("correlation", data, score, against="comet", variables=["norm"])
        known = SENTENCES < 6
        expected = stats.spearmanr(data.norm[0, 0][known], score.comet.values[5 - SENTENCES[known]]).statistic
        assert value(found.correlation, layer=0, component="input") == pytest.approx(expected)
        assert value(found.number, layer=0, component="input") == known.sum()

    def test_a_table_over_two_keys_reaches_every_token_of_every_model(self):
        models = xr.concat([tokens(), tokens(1)], "model").assign_coords(run=("model", ["a", "b"]))
        score = xr.Dataset({"comet": (("run", "sentence"), RNG.normal(size=(2, 8)))}, {"run": ["b", "a"]})
        score = score.assign_coords(sentence=np.arange(8))
        found = prosect.derive("correlation", models, score, against="comet", over=["model", "token"])
        x = models.norm.isel(layer=0, component=0).values
        y = score.comet.sel(run=["a", "b"]).values[:, SENTENCES]
        expected = stats.spearmanr(x.ravel(), y.ravel()).statistic
        assert value(found.correlation, variable="norm", layer=0, component="input") == pytest.approx(expected)

    def test_several_dimensions_together_and_one_that_only_one_variable_has(self):
        data = tokens()
        data["frequency"] = ("token", RNG.random(len(SENTENCES)))
        found = prosect.derive("correlation", data, against="frequency", over=["layer", "token"], variables=["norm"])
        x = data.norm.isel(component=1).values
        y = np.broadcast_to(data.frequency.values, x.shape)
        assert value(found.correlation, component="attention") == pytest.approx(
            stats.spearmanr(x.ravel(), y.ravel()).statistic
        )

    @pytest.mark.parametrize(
        ("options", "says"),
        [
            ({}, "'against' must name the variable"),
            ({"against": "nrm"}, r"there is no variable 'nrm'; there are importance \(layer, component, token\)"),
            ({"against": "norm", "over": ["head"]}, "no variable has the dimension 'head'"),
            ({"against": "norm", "where": {"special": "x"}}, "nothing is left by the condition on 'special'"),
            ({"against": "norm", "where": {"pos": "x"}}, "there is no coordinate, dimension or variable 'pos'"),
        ],
    )
    def test_what_is_wrong_is_said(self, options, says):
        with pytest.raises(UsageError, match=says):
            prosect.derive("correlation", tokens(), **options)

    def test_keys_that_share_nothing_are_said_with_an_example(self):
        score = xr.Dataset({"x": ("sentence", [1.0])}, {"sentence": [99]})
        with pytest.raises(UsageError, match="no 'sentence' of one dataset is one of the other, for example"):
            prosect.derive("correlation", tokens(), score, against="x")
        with pytest.raises(UsageError, match="nothing to join by: the keys row are no labels"):
            prosect.derive("correlation", tokens(), xr.Dataset({"x": ("row", [1.0])}), against="x")

    def test_datasets_with_no_label_in_common(self):
        one, other = (tokens().expand_dims(model=[name]) for name in ("a@1", "b@1"))
        with pytest.raises(UsageError, match="no 'model' is in both datasets, for example a@1 and b@1; name one"):
            prosect.derive("correlation", one, other)
        with pytest.raises(UsageError, match="no 'layer' is in both datasets, for example 0 and 6"):
            prosect.derive("correlation", tokens().isel(layer=[0]), tokens().isel(layer=[1]))


class TestSummary:
    def test_over_tokens(self):
        found = prosect.derive("summary", tokens(), exclude={"special": True})
        kept = tokens().isel(token=SENTENCES * 0 + tokens().position.values > 0)
        expected = kept.importance.values[1, 2]
        where = {"variable": "importance", "layer": 6, "component": "bias"}
        assert value(found["mean"], **where) == pytest.approx(expected.mean())
        assert value(found.standard_deviation, **where) == pytest.approx(expected.std(ddof=1))
        assert value(found.number, **where) == len(expected)

    @pytest.mark.parametrize(("undefined", "number"), [("leave_out", 23), ("zero", 24), ("propagate", 23)])
    def test_undefined_values(self, undefined, number):
        data = tokens().isel(layer=0, component=1)
        found = prosect.derive("summary", data, undefined=undefined, variables=["importance"])
        known = np.nan_to_num(data.importance.values) if undefined == "zero" else data.importance.values
        expected = np.nanmean(known) if undefined != "propagate" else np.nan
        assert float(found["mean"].squeeze()) == pytest.approx(expected, nan_ok=True)
        assert int(found.number.squeeze()) == number

    def test_for_each_sentence(self):
        data = tokens()
        found = prosect.derive("summary", data, by="sentence")
        assert found.sentence.values.tolist() == list(range(8))
        for sentence in range(8):
            values = data.norm.values[1, 0, sentence == SENTENCES]
            where = {"variable": "norm", "layer": 6, "component": "input", "sentence": sentence}
            assert value(found["mean"], **where) == pytest.approx(values.mean())
            sd = values.std(ddof=1) if len(values) > 1 else np.nan
            assert value(found.standard_deviation, **where) == pytest.approx(sd, nan_ok=True)
        gap = {"variable": "importance", "layer": 0, "component": "attention", "sentence": 2}
        assert value(found.number, **gap) == 3

    def test_for_each_value_of_any_label_whatever_its_order(self):
        data = tokens(pos=("token", np.resize(["N", "V", "A"], len(SENTENCES)).astype(object)))
        found = prosect.derive("summary", data, by="pos", variables=["norm"])
        assert found.pos.values.tolist() == ["A", "N", "V"]
        expected = data.norm.values[0, 0][data.pos.values == "V"].mean()
        assert value(found["mean"], layer=0, component="input", pos="V") == pytest.approx(expected)

    def test_several_models_are_stacked_though_their_tokens_differ(self):
        first = tokens().assign_coords(model="a", step=10)
        second = tokens(1).isel(token=slice(9)).assign_coords(model="b", step=20)
        found = prosect.derive("summary", first, second)
        assert found["mean"].dims == ("model", "variable", "layer", "component")
        assert found.step.values.tolist() == [10, 20]

    def test_a_result_of_another_metric_is_taken_apart(self):
        found = prosect.derive("summary", prosect.derive("summary", tokens()), over=["layer"], variables=["mean"])
        assert found.variable.values.tolist() == ["importance", "norm"]
        both = prosect.derive("summary", prosect.derive("summary", tokens()), over=["layer"])
        assert "importance.mean" in both.variable.values


class TestDrift:
    @pytest.fixture
    def terms(self):
        dims = ("layer", "component", "token", "hidden")
        data = tokens()
        return [data.assign(terms=(dims, RNG.normal(size=(2, 3, len(SENTENCES), 5)))) for _ in range(3)]

    def test_terms_and_their_sum(self, terms):
        found = prosect.derive("term_drift", terms[0], terms[1])
        a, b = (one.terms.values[1, 2, 7] for one in terms[:2])
        where = {"layer": 6, "component": "bias"}
        cosine = a @ b / np.sqrt((a @ a) * (b @ b))
        assert float(found.term_cosine.sel(where)[7]) == pytest.approx(cosine)
        assert float(found.term_distance.sel(where)[7]) == pytest.approx(np.linalg.norm(a - b))
        relative = np.linalg.norm(a - b) / np.linalg.norm(a)
        assert float(found.term_relative_distance.sel(where)[7]) == pytest.approx(relative)
        total = [one.terms.values[1].sum(0)[7] for one in terms[:2]]
        expected = np.linalg.norm(total[0] - total[1])
        assert float(found.term_distance.sel(layer=6, component="total")[7]) == pytest.approx(expected)
        assert found.sentence.dims == ("token",)

    def test_several_models_against_the_first(self, terms):
        others = [one.assign_coords(model=name) for one, name in zip(terms[1:], "ab", strict=True)]
        found = prosect.derive("term_drift", terms[0], *others, total=False)
        assert found.model.values.tolist() == ["a", "b"]
        assert found.component.values.tolist() == COMPONENTS

    def test_a_model_does_not_drift_from_itself(self, terms):
        found = prosect.derive("term_drift", terms[0], terms[0])
        np.testing.assert_allclose(found.term_cosine, 1)
        assert (found.term_distance == 0).all()

    def test_without_terms_it_says_so(self):
        with pytest.raises(UsageError, match="needs the variable 'terms'; there are importance, norm"):
            prosect.derive("term_drift", tokens(), tokens())
