"""A head heard as a chain of steps."""

import pytest
import torch
from torch import nn

from prosect.errors import ModelError
from prosect.model.head import own_head
from prosect.model.headtrace import chained, trace
from support.heads import Headed, all_heads

KINDS = [
    (Headed("gpt2", "causal", {}), ["Affine"]),
    (Headed("gpt2", "sentence", {}), ["Affine"]),
    (Headed("bert", "sentence", {}), ["Affine", "Elementwise", "Affine"]),
    (Headed("roberta", "sentence", {}), ["Affine", "Elementwise", "Affine"]),
    (Headed("bert", "masked", {}), ["Affine", "Elementwise", "NormWeights", "Affine"]),
    (Headed("modernbert", "sentence", {}), ["Affine", "Elementwise", "NormWeights", "Affine"]),
    (Headed("marian", "seq2seq", {}), ["Affine", "Shift"]),
    (Headed("gemma2", "causal", {"final_logit_softcapping": 0.5}), ["Affine", "Scale", "Elementwise", "Scale"]),
    (Headed("t5", "seq2seq", {"scale_decoder_outputs": True}), ["Scale", "Affine"]),
    (Headed("opt", "causal", {"word_embed_proj_dim": 16, "do_layer_norm_before": False}), ["Affine", "Affine"]),
]


def drawn(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def heard(headed):
    model = headed.model()
    stream = headed.stream(model)
    return own_head(model, stream, torch.float64), drawn(5, stream.hidden, seed=3)


@pytest.mark.parametrize(("headed", "steps"), KINDS, ids=str)
def test_a_chain_gives_the_logits_of_other_states_too(headed, steps):
    head, states = heard(headed)
    assert [type(step).__name__ for step in head.steps] == steps
    torch.testing.assert_close(chained(head.steps, states), head.logits(states), rtol=1e-9, atol=1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("headed", list(all_heads("masked", "causal", "seq2seq", "tokens", "sentence")), ids=str)
def test_the_head_of_every_family_is_a_chain(headed):
    head, states = heard(headed)
    torch.testing.assert_close(chained(head.steps, states), head.logits(states), rtol=1e-9, atol=1e-9)


class Call:
    """What `trace` needs of a call of a head."""

    def __init__(self, function):
        self.function, self.shell = function, nn.Identity()

    def __call__(self, states):
        return self.function(states)


WEIGHT = drawn(3, 4, seed=1)
ODD = {
    "residual": (lambda x: nn.functional.linear(torch.tanh(x) + x, WEIGHT), "read before"),
    "softmax": (lambda x: nn.functional.linear(x, WEIGHT).softmax(-1), "no rule for 'softmax'"),
    "other": (lambda x: nn.functional.linear(x.abs(), WEIGHT), "no rule for 'abs'"),
    "detour": (lambda x: (nn.functional.linear(x, WEIGHT), nn.functional.linear(x, WEIGHT))[1], "read before"),
}


@pytest.mark.parametrize("name", ODD)
def test_a_head_that_is_no_chain_is_refused_with_the_reason(name):
    function, reason = ODD[name]
    with pytest.raises(ModelError, match=reason):
        trace(Call(function), drawn(2, 4))


def test_what_does_not_come_from_the_states_is_no_step():
    steps = trace(Call(lambda x: nn.functional.linear(x, WEIGHT) * 2 + torch.ones(3) * 3), drawn(2, 4))
    assert [type(step).__name__ for step in steps] == ["Affine", "Scale", "Shift"]
    torch.testing.assert_close(chained(steps, drawn(2, 4)), drawn(2, 4) @ WEIGHT.T * 2 + 3)


def test_an_activation_of_many_operations_is_one_step():
    from transformers.activations import ACT2FN

    steps = trace(Call(lambda x: nn.functional.linear(ACT2FN["gelu_new"](x), WEIGHT)), drawn(2, 4))
    assert [type(step).__name__ for step in steps] == ["Elementwise", "Affine"]
    torch.testing.assert_close(steps[0].function(drawn(2, 4)), ACT2FN["gelu_new"](drawn(2, 4)))


def test_hooks_are_gone_afterwards():
    from torch.nn.modules import module

    before = len(module._global_forward_hooks), len(module._global_forward_pre_hooks)
    trace(Call(lambda x: nn.functional.linear(x, WEIGHT)), drawn(2, 4))
    assert (len(module._global_forward_hooks), len(module._global_forward_pre_hooks)) == before
