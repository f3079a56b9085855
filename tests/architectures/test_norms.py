"""Norms: in which arithmetic a family computes them, and what the self-test sees of them."""

import dataclasses

import pytest
import torch

from prosect.api import Norm
from prosect.errors import SelfTestError
from prosect.model.load import wrap_module
from prosect.plugins.registry import implementation, load_registry
from prosect.plugins.support import example_of
from prosect.terms.selftest import self_test
from prosect.testing.models import small_module
from prosect.testing.wrong import changed, refusal
from prosect_plugins.architectures import gemma2, gpt2, llama, opt

REGISTRY = load_registry()


def is_float32(family):
    architecture = implementation(family)(example_of(family))
    return any(norm.float32 for stream in architecture.streams for norm in stream.norms)


FLOAT32 = [family for family in REGISTRY.declarations("architectures") if is_float32(family)]


def every_norm(architecture, **changes):
    """Describe every norm differently."""
    return changed(architecture, lambda part: dataclasses.replace(part, **changes) if isinstance(part, Norm) else part)


def prove(config, describe, **changes):
    model = wrap_module(small_module(config, torch.float64), None)
    self_test(model, every_norm(describe(model.config), **changes))


@pytest.mark.parametrize("family", FLOAT32, ids=[family.name for family in FLOAT32])
def test_norms_that_are_described_as_float32_are_computed_in_float32(family):
    with pytest.raises(SelfTestError, match="the norm"):
        prove(example_of(family), implementation(family), float32=False)


def test_those_are_the_families_with_rms_norms():
    assert {family.name for family in FLOAT32} == {
        *("llama", "mistral", "qwen2", "qwen3", "gemma2", "gemma3", "phi3", "olmo2", "mixtral", "gpt_oss", "t5")
    }


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        (gpt2, {"eps": 0.1}),
        (gpt2, {"kind": "rms_norm"}),
        (gpt2, {"offset": 1.0}),
        (llama, {"eps": 0.1}),
        (llama, {"kind": "layer_norm"}),
        (gemma2, {"offset": 0.0}),
    ],
)
def test_a_norm_before_a_sub_layer_that_is_described_wrongly_is_named(family, changes):
    """The terms of a sum of factors never pass it, so closure alone would not see it."""
    with pytest.raises(SelfTestError, match=r"the norm '\w+' rebuilt from its description"):
        prove(family.EXAMPLE, family.describe, **changes)


def test_a_norm_without_gain_and_bias_is_a_norm():
    model = wrap_module(small_module({**opt.EXAMPLE, "layer_norm_elementwise_affine": False}, torch.float64), None)
    assert refusal(model, opt.describe(model.config)) is None


def test_one_broken_norm_among_right_ones_is_named_with_its_block():
    model = wrap_module(small_module(gpt2.EXAMPLE, torch.float64), None)
    right = gpt2.describe(model.config)
    stream = right.streams[0]
    wrong_block = every_norm(stream.blocks[1], eps=0.1)
    wrong = dataclasses.replace(right, streams=(dataclasses.replace(stream, blocks=(stream.blocks[0], wrong_block)),))
    with pytest.raises(SelfTestError, match=r"block 2: the norm 'ln_1'"):
        self_test(model, wrong)
