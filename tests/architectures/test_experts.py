"""Mixtures of experts and attention sinks: what is frozen, what is booked where."""

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prosect.api import Experts
from prosect.errors import SelfTestError
from prosect.model.capture import routing_weights
from prosect.model.load import wrap_module
from prosect.model.weights import chosen, experts_weights
from prosect.running.python import decompose
from prosect.terms.linearise import linearise_experts
from prosect.terms.selftest import self_test
from prosect.testing.models import small_module, token_rows
from prosect.testing.wrong import changed
from prosect_plugins.architectures import gpt_oss, mixtral

FAMILIES = {"mixtral": mixtral, "gpt_oss": gpt_oss}
# The activation reads the gate's pre-activation, cut off at this.
LIMIT = gpt_oss.EXAMPLE["swiglu_limit"]


@pytest.fixture(scope="module", params=FAMILIES)
def family(request):
    return FAMILIES[request.param]


@pytest.fixture(scope="module")
def module(family):
    return small_module(family.EXAMPLE, torch.float64)


@pytest.fixture(scope="module")
def weights(family, module):
    stream = family.describe(module.config.to_dict()).streams[0]
    (experts,) = [s for s in stream.blocks[0].sublayers if isinstance(s, Experts)]
    return experts_weights(module.layers[0], experts, torch.float64)


def states(number=11, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(number, 24, dtype=torch.float64, generator=generator)


def routed(module, x):
    """Route states as the first block does, and let it apply its experts."""
    mlp = module.layers[0].mlp
    with torch.no_grad():
        logits, scores, numbers = (mlp.gate if hasattr(mlp, "gate") else mlp.router)(x)
        output = mlp(x[None])
    routing = routing_weights((logits, scores, numbers)).double()
    return routing, (output[0] if isinstance(output, tuple) else output)[0]


def test_routing_is_spread_over_all_experts(module):
    routing, _ = routed(module, states())
    assert routing.shape == (11, 4)
    assert ((routing > 0).sum(dim=-1) == 2).all()
    torch.testing.assert_close(routing.sum(dim=-1), torch.ones(11, dtype=torch.float64), rtol=0, atol=1e-6)


def test_chosen_are_those_that_any_token_was_sent_to():
    assert chosen(torch.tensor([[0.0, 0.5, 0.5, 0.0], [0.0, 1.0, 0.0, 0.0]])) == [1, 2]


def test_experts_side_by_side_are_as_wide_as_all_of_them(weights):
    one, three = weights.joined([1]), weights.joined([0, 1, 3])
    assert (one.up.weight.shape, three.up.weight.shape) == ((24, 40), (24, 120))
    assert three.down.weight.shape == (120, 24)
    torch.testing.assert_close(three.gate.weight[:, 40:80], one.gate.weight, rtol=0, atol=0)
    torch.testing.assert_close(three.down.weight[40:80], one.down.weight, rtol=0, atol=0)


@settings(max_examples=20, deadline=None)
@given(
    seed=st.integers(0, 2**16), number=st.integers(1, 9), gated=st.sampled_from(["path", "half", "frozen", "tangent"])
)
def test_linearised_experts_give_their_true_output(module, weights, seed, number, gated):
    x = states(number, seed)
    routing, output = routed(module, x)
    lin = linearise_experts(weights, x, routing, gated)
    bias = weights.output_bias(routing)
    total = lin.apply(x[None])[0] + lin.constant() + (0 if bias is None else bias)
    torch.testing.assert_close(total, output, rtol=0, atol=1e-6)


def test_a_pre_activation_that_was_cut_off_has_no_slope():
    module = small_module(gpt_oss.EXAMPLE, torch.float64)
    experts = gpt_oss.describe(module.config.to_dict()).streams[0].blocks[0].sublayers[1]
    weights, x = experts_weights(module.layers[0], experts, torch.float64), states()
    routing, _ = routed(module, x)
    lin = linearise_experts(weights, x, routing, "path")
    gate, up = lin.weights.factors(x)
    assert (gate > LIMIT).any()
    assert (up.abs() > LIMIT).any()
    assert (lin.gate[gate > LIMIT] == 0).all()
    assert (lin.up[up.abs() > LIMIT] == 0).all()


def test_what_the_biases_of_experts_add_is_booked_under_the_bias():
    """At the first layer of a residual readout: sum_e w_e b2_e of every token, beside the attention's biases."""
    module = small_module(gpt_oss.EXAMPLE, torch.float64)
    rows = token_rows(module)[:1]
    terms = decompose(module, None, rows, by="sublayer", readout="residual", metrics=[])["terms"].sel(layer=1)
    seen = {}
    hook = module.layers[0].mlp.router.register_forward_hook(
        lambda _m, _a, out: seen.update(routing=routing_weights(out))
    )
    with torch.no_grad():
        attention = module(input_ids=torch.tensor(rows), output_attentions=True, use_cache=False).attentions[0][0]
    hook.remove()
    own = module.layers[0].self_attn
    shares = own.v_proj.bias.reshape(2, 8).repeat_interleave(2, dim=0)
    heads = (attention.sum(dim=-1).T[:, :, None] * shares).flatten(1)
    expected = (
        heads @ own.o_proj.weight.T + own.o_proj.bias + seen["routing"] @ module.layers[0].mlp.experts.down_proj_bias
    )
    found = torch.from_numpy(terms.sel(component="bias").values)
    torch.testing.assert_close(found, expected.detach(), rtol=0, atol=1e-6)


def test_a_sink_leaves_rows_of_less_than_one():
    module = small_module(gpt_oss.EXAMPLE, torch.float64)
    with torch.no_grad():
        output = module(input_ids=torch.tensor(token_rows(module)[:1]), output_attentions=True, use_cache=False)
    assert (output.attentions[0].sum(dim=-1) < 0.999).all()


@pytest.mark.parametrize(
    "change",
    [
        {"limit": None},
        {"limit": 5.0},
        {"up_offset": 0.0},
        {"interleaved": False},
        {"activation": "silu"},
        {"experts": "mlp"},
    ],
    ids=str,
)
def test_wrong_experts_are_refused(change):
    model = wrap_module(small_module(gpt_oss.EXAMPLE, torch.float64), None)

    def wrong(part):
        return dataclasses.replace(part, **change) if isinstance(part, Experts) else part

    with pytest.raises(SelfTestError):
        self_test(model, changed(gpt_oss.describe(model.config), wrong))
