"""Configurations that are refused, each with its reason, and whether the reason still holds."""

import pytest
import torch

from prosect.api import ModelError
from prosect.errors import SpecError
from prosect.model.forward import Feed, eager_attention, forward
from prosect.model.load import wrap_module
from prosect.running.python import decompose
from prosect.testing.models import small_module, token_rows
from prosect_plugins.architectures import bert, bloom, deberta_v2, falcon, gpt2, gpt_oss

ALIBI = {
    **falcon.EXAMPLE,
    "new_decoder_architecture": False,
    "parallel_attn": False,
    "multi_query": False,
    "num_kv_heads": None,
    "alibi": True,
}


@pytest.mark.parametrize(
    ("family", "changes", "reason"),
    [
        (deberta_v2, {"conv_kernel_size": 3}, "convolution layer"),
        (falcon, {"alibi": True}, "ALiBi"),
        (bloom, {"slow_but_exact": True, "pretraining_tp": 2}, "slow_but_exact"),
        (gpt_oss, {"swiglu_alpha": 1.5}, "swiglu_alpha"),
        (bert, {"is_decoder": True}, "only the encoder"),
        (bert, {"add_cross_attention": True}, "only the encoder"),
        (gpt2, {"add_cross_attention": True}, "cross-attention"),
    ],
)
def test_a_configuration_that_is_not_described_is_refused_with_the_reason(family, changes, reason):
    with pytest.raises(ModelError, match=reason):
        family.describe({**family.EXAMPLE, **changes})


def test_a_deberta_without_the_convolution_layer_is_described():
    assert deberta_v2.describe({**deberta_v2.EXAMPLE, "conv_kernel_size": 0}).family == "deberta_v2"


def test_the_reason_reaches_the_user_and_the_hidden_state_itself_can_be_had():
    module = small_module({**deberta_v2.EXAMPLE, "conv_kernel_size": 3}, torch.float32)
    rows = token_rows(module)
    with pytest.raises(SpecError, match="convolution layer"):
        decompose(module, None, rows, "sum_of_factors")
    found = decompose(module, None, rows, "none")
    assert found["terms"].sizes["component"] == 1


def test_the_eager_attention_of_falcon_with_alibi_still_differs_from_its_default():
    """Once it does not, Falcon with ALiBi can be described."""
    model = wrap_module(small_module(ALIBI, torch.float64), None)
    ids = torch.tensor([[5, 9, 7, 3, 8]])
    fed = Feed({"input_ids": ids, "attention_mask": torch.ones_like(ids)}, {})
    default = forward(model, fed).last_hidden_state
    with eager_attention(model):
        eager = forward(model, fed).last_hidden_state
    assert (default - eager).norm() / default.norm() > 1e-3
