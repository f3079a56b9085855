"""The load-time self-test accepts right descriptions and names what is wrong in others."""

import dataclasses

import pytest
import torch

from prosect.api import Architecture, Attention, FeedForward
from prosect.errors import SelfTestError
from prosect.terms.selftest import self_test
from prosect.testing.wrong import refusal
from support.models import FAMILIES, description, random_model


def change_branches(architecture: Architecture, change) -> Architecture:
    """Apply ``change(sublayer) -> sublayer`` to every sub-layer of every stream."""

    def stage(old):
        branches = tuple(dataclasses.replace(b, sublayer=change(b.sublayer)) for b in old.branches)
        return dataclasses.replace(old, branches=branches)

    def stream(old):
        blocks = tuple(dataclasses.replace(b, stages=tuple(map(stage, b.stages))) for b in old.blocks)
        return dataclasses.replace(old, blocks=blocks)

    return dataclasses.replace(architecture, streams=tuple(map(stream, architecture.streams)))


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
def test_every_family_passes_in_every_dtype(family, dtype):
    model = random_model(family, dtype)
    assert refusal(model, description(model)) is None


def value_is_key(sublayer):
    if isinstance(sublayer, FeedForward):
        return sublayer
    return dataclasses.replace(sublayer, value=dataclasses.replace(sublayer.value, rows=(24, 48)))


def wrong_activation(sublayer):
    return sublayer if isinstance(sublayer, Attention) else dataclasses.replace(sublayer, activation="relu")


def swapped_gate(sublayer):
    if isinstance(sublayer, Attention):
        return sublayer
    return dataclasses.replace(sublayer, gate=sublayer.up, up=sublayer.gate)


def one_group_of_heads(sublayer):
    if isinstance(sublayer, FeedForward):
        return sublayer
    return dataclasses.replace(sublayer, heads=2, kv_heads=1, head_dim=12)


def absent_module(sublayer):
    if isinstance(sublayer, Attention):
        return sublayer
    return dataclasses.replace(sublayer, path="mlp.nowhere")


@pytest.mark.parametrize(
    ("family", "change", "message"),
    [
        ("gpt2", value_is_key, "block 1: attention rebuilt"),
        ("bert", wrong_activation, "block 1: feed_forward rebuilt"),
        ("gpt2", wrong_activation, "block 1: feed_forward rebuilt"),
        ("llama", swapped_gate, "block 1: feed_forward rebuilt"),
        ("llama", one_group_of_heads, "attention has 4 heads"),
        ("llama", absent_module, "mlp.nowhere"),
    ],
)
def test_a_wrong_piece_is_named(family, change, message):
    model = random_model(family)
    with pytest.raises(SelfTestError, match=message):
        self_test(model, change_branches(description(model), change))


def test_blocks_in_the_wrong_number_are_noticed():
    model = random_model("bert")
    right = description(model)
    stream = right.streams[0]
    longer = dataclasses.replace(stream, blocks=(*stream.blocks, stream.blocks[0]))
    with pytest.raises(SelfTestError):
        self_test(model, dataclasses.replace(right, streams=(longer,)))


def test_a_bias_outside_its_label_is_seen_though_closure_cannot_see_it():
    """Output minus bias, and the bias, always sum: only the rebuilt sub-layer tells."""
    model = random_model("bert")

    def no_value_bias(sublayer):
        if isinstance(sublayer, FeedForward):
            return sublayer
        return dataclasses.replace(sublayer, value=dataclasses.replace(sublayer.value, path="attention.self.key"))

    with pytest.raises(SelfTestError, match="attention rebuilt"):
        self_test(model, change_branches(description(model), no_value_bias))


def test_a_model_that_ignores_its_mask_is_noticed():
    model = random_model("bert")
    forward = model.base.forward

    def deaf(*args, attention_mask=None, **keywords):
        del attention_mask
        return forward(*args, **keywords)

    model.base.forward = deaf
    with pytest.raises(SelfTestError, match="alone and padded"):
        self_test(model, description(model))
