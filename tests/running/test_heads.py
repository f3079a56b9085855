"""The model's own head on its way to a measure: asked for by a declaration, demanded by the plan, proved at loading."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import prosect
from prosect.api import MetricDeclaration, Variable
from prosect.errors import ModelError, SpecError, UsageError
from prosect.planning.build import make_plan
from prosect.plugins.declarations import Origin
from prosect.plugins.loading import LoadedPlugin
from prosect.plugins.registry import Registry, load_registry
from support.heads import Headed, token_rows

LOGIT = MetricDeclaration(
    name="largest_logit",
    summary="Largest logit of the whole state.",
    implementation="running_heads:largest_logit",
    produces=(Variable(name="largest_logit", dims=("token",), long_name="largest logit"),),
    requires=frozenset({"head"}),
)


def largest_logit(reading, total, _options):
    return reading.head.logits(reading.sum()).amax(dim=-1)


@pytest.fixture(autouse=True)
def _installed(monkeypatch):
    import sys
    import types

    from prosect.planning import build
    from prosect.running import scene

    module = types.ModuleType("running_heads")
    module.largest_logit = largest_logit
    monkeypatch.setitem(sys.modules, "running_heads", module)
    plugins = (*load_registry().plugins, LoadedPlugin(Origin("tests", "1", "tests"), declarations=(LOGIT,)))
    registry = Registry.of(plugins)
    for home in (build, scene):
        monkeypatch.setattr(home, "load_registry", lambda: registry)


CASES = [
    (Headed("bert", "masked", {}), "sum_of_factors", {}),
    (Headed("gpt2", "causal", {}), "sum_of_factors", {}),
    (Headed("gpt2", "causal", {}), "sum_of_factors", {"readout": "residual"}),
    (Headed("gpt2", "causal", {}), "sum_of_factors", {"readout": "final_norm"}),
    (Headed("opt", "causal", {"word_embed_proj_dim": 16, "do_layer_norm_before": False}), "sum_of_factors", {}),
    (Headed("marian", "seq2seq", {}), "sum_of_factors", {}),
    (Headed("llama", "causal", {}), "token_wise", {}),
]


def expected(model, row, depth):
    """Largest logit of every token at every layer: final norm first, then head, written out for each family."""
    ids = torch.tensor([row])
    extra = {"decoder_input_ids": ids.flip(1)} if model.is_encoder_decoder else {}
    with torch.no_grad():
        output = model.module(input_ids=ids, output_hidden_states=True, **extra)
        return output.logits[0].amax(dim=-1), output


@pytest.mark.parametrize(("headed", "decomposition", "options"), CASES, ids=str)
def test_the_last_layer_gives_the_models_own_logits(headed, decomposition, options):
    """Whatever the readout: the final norm is applied where it is still due."""
    model = headed.model()
    rows = token_rows(model)
    targets = [row[::-1] for row in rows] if model.is_encoder_decoder else None
    found = prosect.decompose(
        model.module, None, rows, decomposition, targets=targets, metrics=["largest_logit"], terms=False, **options
    )
    own = torch.cat([expected(model, row, 2)[0] for row in rows])
    # Llama computes its norms in float32.
    np.testing.assert_allclose(found.largest_logit[-1], own, rtol=1e-6 if headed.family == "llama" else 1e-9)


def test_earlier_layers_are_read_through_the_final_norm():
    """The logit lens, the same whether the terms or the measure went through the norm."""
    headed = Headed("gpt2", "causal", {})
    model = headed.model()
    rows = token_rows(model)
    lens, through = (
        prosect.decompose(model.module, None, rows, metrics=["largest_logit"], readout=readout)
        for readout in ("hidden_states", "final_norm")
    )
    np.testing.assert_allclose(lens.largest_logit, through.largest_logit, rtol=1e-9)
    with torch.no_grad():
        states = model.module(input_ids=torch.tensor([rows[0]]), output_hidden_states=True).hidden_states
        first = model.module.lm_head(model.module.transformer.ln_f(states[1][0])).amax(dim=-1)
    np.testing.assert_allclose(lens.largest_logit[1, : len(rows[0])], first, rtol=1e-9)


def test_a_model_without_description_is_read_at_its_last_layer_only():
    headed = Headed("gpt2", "causal", {})
    model = headed.model()
    rows = token_rows(model)
    found = prosect.decompose(model.module, None, rows, "none", metrics=["largest_logit"], layers=-1)
    own = torch.cat([expected(model, row, 2)[0] for row in rows])
    np.testing.assert_allclose(found.largest_logit[0], own, rtol=1e-9)
    with pytest.raises(UsageError, match="without a description"):
        prosect.decompose(model.module, None, rows, "none", metrics=["largest_logit"])


def test_a_model_in_memory_without_a_head_is_refused():
    headed = Headed("gpt2", "causal", {})
    model = headed.model()
    with pytest.raises(ModelError, match="has no head"):
        prosect.decompose(model.base, None, token_rows(model), metrics=["largest_logit"])


def test_the_plan_says_that_a_head_is_needed(spec):
    """Once for each entry of a model, with what to write."""
    source = spec("bert", metrics=["norm", "largest_logit"])
    source["models"]["n"] = {**source["models"]["m"], "matrix": {"seed": [0, 1]}}
    with pytest.raises(SpecError) as caught:
        make_plan(source)
    assert [problem.suggestion for problem in caught.value.problems] == ["models.m.head: own", "models.n.head: own"]
    assert all(problem.path == "analyses.a.metrics" for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("family", "architecture"), [("bert", "BertForMaskedLM"), ("marian", "MarianMTModel")], ids=["bert", "marian"]
)
def test_a_run_loads_the_head_and_measures_where_it_stands(spec, carry_out, tmp_path, family, architecture):
    """An encoder has no head: its node keeps what needs none, and is left out where nothing remains."""
    source = spec(family, metrics=["norm", "largest_logit"], model={"head": "own"})
    source["models"]["m"]["config"]["architectures"] = [architecture]
    source["analyses"]["b"] = {**source["analyses"]["a"], "metrics": ["largest_logit"]}
    summary = carry_out(source)
    tree = prosect.open(summary.store)
    if family == "bert":
        assert set(tree["m/a"].data_vars) == {"norm", "largest_logit"}
        return
    assert set(tree["m/a/encoder"].data_vars) == {"norm"}
    assert set(tree["m/a/decoder"].data_vars) == {"norm", "largest_logit"}
    assert set(tree["m/b"].children) == {"decoder", "sentences"}
    assert carry_out(source).untouched == ("m/a", "m/b")


def test_decoder_positions_say_what_follows(spec, carry_out):
    """Here target ids are fed as they are."""
    rows, targets = (
        [[5, 6, 7]],
        [
            [8, 9],
        ],
    )
    source = spec("marian", metrics=["norm"])
    source["corpora"]["c"] = {"kind": "inline", "sentences": rows, "targets": targets}
    found = prosect.open(carry_out(source).store)["m/a/decoder"]
    assert found.token_id.values.tolist() == [8, 9]
    assert found.target_id.values.tolist() == [9, -1]
