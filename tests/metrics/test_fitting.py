"""A metric that does not fit what a decomposition gives is a problem of the plan, at the place of the metric."""

import pytest

import prosect
from prosect.errors import SpecError
from prosect.testing.models import SHAPES

BY_SOURCE = {"name": "sum_of_factors", "by": "source"}
UNFIT = [
    ("weight", "sum_of_factors", "reads maps of tokens to tokens, and 'sum_of_factors' gives none"),
    ("weight", "attention_maps", "'attention_maps' has none of it at the scope 'ff'"),
    ("expansion_rate", "attention_maps", "'attention_maps' has none of it at the scope 'ff'"),
    ("value_zeroing", {"name": "attention_maps", "scopes": ["attn", "attn_res"]}, "reads 'attn_res' too"),
    ("delta_log_probability", "attention_norms", "reads terms of hidden states"),
    ("delta_log_probability", BY_SOURCE, "reads terms of hidden states"),
    ("next_tokens", "token_wise", "read the hidden state itself, 'subsets: total'"),
    ("next_tokens", BY_SOURCE, "read the hidden state itself, 'subsets: total'"),
    ("masked_token", "sum_of_factors", "the corpus 'c' masks none: give it 'mask: "),
    ("masked_tokens", "none", "the corpus 'c' masks none: give it 'mask: "),
]
FIT = [
    ("weight", {"name": "attention_maps", "scopes": ["attn", "attn_res", "attn_res_norm", "ff_res"]}),
    ("value_zeroing", {"name": "attention_maps", "scopes": ["attn"]}),
    ("delta_log_probability", "token_wise"),
    ({"name": "next_tokens", "subsets": "total"}, "token_wise"),
]


def plan(metric, decomposition):
    rows = [[1, 2, 3, 4], [5, 6, 7]]
    model = {"init": "random", "head": "own", "config": {**SHAPES["bert"], "architectures": ["BertLMHeadModel"]}}
    spec = {
        "prosect": 1,
        "models": {"m": model},
        "corpora": {"c": {"kind": "inline", "sentences": rows}},
        "analyses": {"a": {"corpus": "c", "decomposition": decomposition, "metrics": ["norm", metric]}},
    }
    return spec, prosect.plan(spec, out="nowhere.zarr")


@pytest.mark.parametrize(("metric", "decomposition", "message"), UNFIT)
def test_what_does_not_fit_is_refused_before_anything_is_loaded(metric, decomposition, message):
    with pytest.raises(SpecError) as caught:
        plan(metric, decomposition)
    found = [problem for problem in caught.value.problems if message in problem.message]
    assert len(found) == 1
    assert found[0].path.startswith("analyses.a.metrics")


@pytest.mark.parametrize(("metric", "decomposition"), FIT)
def test_what_is_planned_runs(metric, decomposition, tmp_path):
    spec, found = plan(metric, decomposition)
    assert len(found.steps) == 1
    node = prosect.run(spec, tmp_path / "out.zarr", quiet=True)["m/a"].ds
    assert node.attrs["closure_max"] < 5e-6
