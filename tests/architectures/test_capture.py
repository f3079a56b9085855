"""What bites when tensors are captured from modules as they run: each trap, and that it is seen to."""

import dataclasses

import pytest
import torch

from prosect.api import Attention, FeedForward
from prosect.errors import SelfTestError
from prosect.model.capture import Needs, StreamTap
from prosect.model.forward import Feed, eager_attention, forward
from prosect.model.load import wrap_module
from prosect.terms.selftest import self_test
from prosect.testing.models import small_module
from prosect.testing.wrong import changed
from prosect_plugins.architectures import albert, deberta_v2, falcon, gemma2, gpt_oss, llama, mpnet, opt, t5

EVERYTHING = Needs(attention=True, contexts=True, sublayers=True)


class Keep:
    """Keeps every capture."""

    def __init__(self):
        self.blocks, self.states = [], []

    def embedded(self, raw, state):
        self.states.append(state)

    def block(self, capture):
        self.blocks.append(capture)
        self.states.append(capture.outputs[""])

    def finished(self, normed):
        self.states += [] if normed is None else [normed]

    def projected(self, output):
        self.states.append(output)


def captured(family, mask, needs=EVERYTHING, **changes):
    """Run a small model over random ids, and return it, what was captured, and its own output."""
    config = {**family.EXAMPLE, **changes}
    model = wrap_module(small_module(config, torch.float64), None)
    mask = torch.tensor(mask)
    ids = torch.randint(3, 50, mask.shape, generator=torch.Generator().manual_seed(0))
    keep, (stream, *_) = Keep(), family.describe(model.config).streams
    feed = Feed({"input_ids": ids, "attention_mask": mask}, {})
    with eager_attention(model, wanted=needs.attention), StreamTap(model.base, stream, needs, keep).attached():
        output = forward(model, feed, hidden_states=True)
    return model, keep, output


FULL = [[1, 1, 1, 1, 1], [1, 1, 1, 1, 1]]
PADDED = [[1, 1, 1, 1, 1, 1, 1, 1], [1, 1, 0, 0, 0, 0, 0, 0]]


def test_what_a_block_flattens_has_its_batch_axis_again():
    """OPT hands its feed-forward block, and the norm before it, all tokens of a batch in one row."""
    _, keep, _ = captured(opt, FULL)
    capture = keep.blocks[0]
    assert capture.outputs["fc2"].shape == capture.inputs["final_layer_norm"].shape == (2, 5, 24)
    torch.testing.assert_close(
        capture.inputs["final_layer_norm"] + capture.outputs["fc2"], capture.outputs[""], rtol=0, atol=1e-12
    )


def test_what_a_block_overwrites_is_copied_before():
    """Falcon adds the attention's output to that of its feed-forward block in place."""
    model, keep, _ = captured(falcon, FULL)
    mlp = model.base.h[0].mlp
    expected = mlp(keep.blocks[0].outputs["ln_mlp"])
    torch.testing.assert_close(keep.blocks[0].outputs["mlp"], expected, rtol=0, atol=1e-12)


def test_an_overwritten_output_that_is_not_described_as_one_is_noticed():
    model = wrap_module(small_module(falcon.EXAMPLE, torch.float64), None)

    def uncopied(part):
        return dataclasses.replace(part, overwritten=False) if isinstance(part, FeedForward) else part

    with pytest.raises(SelfTestError, match="feed_forward rebuilt"):
        self_test(model, changed(falcon.describe(model.config), uncopied))


@pytest.mark.parametrize("family", [mpnet, deberta_v2], ids=["mpnet", "deberta_v2"])
def test_modules_that_return_weights_only_when_asked_are_asked(family):
    _, keep, output = captured(family, FULL)
    path = "attention.attn" if family is mpnet else "attention.self"
    for capture in keep.blocks:
        torch.testing.assert_close(capture.attention[path].sum(-1), torch.ones(2, 4, 5, dtype=torch.float64))
    assert output.attentions is None
    _, _, plain = captured(family, FULL, Needs())
    torch.testing.assert_close(output.last_hidden_state, plain.last_hidden_state, rtol=0, atol=1e-12)


def test_weights_are_the_last_of_what_an_attention_module_returns():
    """T5 returns its relative positions before them."""
    _, keep, _ = captured(t5, FULL)
    weights = keep.blocks[1].attention["layer.0.SelfAttention"]
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 4, 5, dtype=torch.float64))


def test_a_module_without_attention_weights_is_named():
    model = wrap_module(small_module(llama.EXAMPLE, torch.float64), None)

    def query(part):
        return dataclasses.replace(part, path="self_attn.q_proj") if isinstance(part, Attention) else part

    with pytest.raises(SelfTestError, match=r"'self_attn\.q_proj' returns no attention weights"):
        self_test(model, changed(llama.describe(model.config), query))


@pytest.mark.parametrize("needs", [Needs(), EVERYTHING], ids=["plain", "with attention"])
def test_padding_behind_a_window_does_not_reach_real_tokens(needs):
    """Gemma 2 computes the softmax in float32: a float64 mask becomes minus infinity there, and a padded row NaN."""
    model, keep, _ = captured(gemma2, PADDED, needs)
    for state in keep.states:
        assert state[torch.tensor(PADDED).bool()].isfinite().all()
    ids, mask = torch.full((2, 8), 7), torch.tensor(PADDED)
    with torch.no_grad():
        untouched = model.base(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state
    assert untouched[mask.bool()].isnan().any(), "transformers has mended it: attention_call need not"


def test_blocks_that_share_a_module_are_told_apart_by_their_order():
    _, keep, output = captured(albert, FULL, num_hidden_groups=1, inner_group_num=1, num_hidden_layers=3)
    assert [capture.number for capture in keep.blocks] == [1, 2, 3]
    for capture, state in zip(keep.blocks, output.hidden_states[1:], strict=True):
        torch.testing.assert_close(capture.outputs[""], state, rtol=0, atol=0)


@pytest.mark.parametrize("family", [falcon, llama, gpt_oss], ids=["falcon", "llama", "gpt_oss"])
def test_the_attention_function_is_put_back(family):
    model = wrap_module(small_module(family.EXAMPLE, torch.float64), None)
    before = model.base.config._attn_implementation
    with eager_attention(model):
        assert model.base.config._attn_implementation == "eager"
    assert model.base.config._attn_implementation == before


def test_hooks_are_gone_afterwards():
    model, _, _ = captured(mpnet, FULL)
    hooks = [module._forward_hooks or module._forward_pre_hooks for module in model.base.modules()]
    assert not any(hooks)
