"""Decoders, each with the kit that third parties use, and in the configurations that differ in their blocks."""

from typing import ClassVar

import pytest

from prosect.testing import ArchitectureTests
from prosect_plugins.architectures import (
    bloom,
    falcon,
    gemma2,
    gemma3,
    gpt2,
    gpt_neo,
    gpt_neox,
    gpt_oss,
    gptj,
    llama,
    mistral,
    mixtral,
    olmo2,
    opt,
    phi3,
    qwen2,
    qwen3,
)


class TestGpt2(ArchitectureTests):
    config = gpt2.EXAMPLE


class TestGptNeo(ArchitectureTests):
    config = gpt_neo.EXAMPLE


class TestGptNeox(ArchitectureTests):
    config = gpt_neox.EXAMPLE


@pytest.mark.slow
class TestGptNeoxInSequence(ArchitectureTests):
    config: ClassVar = {**gpt_neox.EXAMPLE, "use_parallel_residual": False, "attention_bias": False}


class TestGptj(ArchitectureTests):
    config = gptj.EXAMPLE


class TestOpt(ArchitectureTests):
    config = opt.EXAMPLE


class TestOpt350m(ArchitectureTests):
    config: ClassVar = {**opt.EXAMPLE, "do_layer_norm_before": False, "word_embed_proj_dim": 16}


@pytest.mark.slow
class TestOptWithNormAndProjectionOut(ArchitectureTests):
    config: ClassVar = {**opt.EXAMPLE, "word_embed_proj_dim": 16}


class TestOptBare(ArchitectureTests):
    config: ClassVar = {
        **opt.EXAMPLE,
        "_remove_final_layer_norm": True,
        "enable_bias": False,
        "layer_norm_elementwise_affine": False,
    }


class TestBloom(ArchitectureTests):
    config = bloom.EXAMPLE


class TestBloomWithNormedResidual(ArchitectureTests):
    config: ClassVar = {**bloom.EXAMPLE, "apply_residual_connection_post_layernorm": True}


@pytest.mark.slow
class TestFalcon40b(ArchitectureTests):
    config = falcon.EXAMPLE


@pytest.mark.slow
class TestFalcon11b(ArchitectureTests):
    config: ClassVar = {**falcon.EXAMPLE, "num_ln_in_parallel_attn": 1}


class TestFalcon7b(ArchitectureTests):
    config: ClassVar = {**falcon.EXAMPLE, "new_decoder_architecture": False, "num_kv_heads": None}


class TestFalconInSequence(ArchitectureTests):
    config: ClassVar = {**TestFalcon7b.config, "parallel_attn": False, "multi_query": False}


class TestLlama(ArchitectureTests):
    config = llama.EXAMPLE


@pytest.mark.slow
class TestMistral(ArchitectureTests):
    config = mistral.EXAMPLE


@pytest.mark.slow
class TestQwen2(ArchitectureTests):
    config = qwen2.EXAMPLE


class TestQwen3(ArchitectureTests):
    config = qwen3.EXAMPLE


class TestGemma2(ArchitectureTests):
    config = gemma2.EXAMPLE


class TestGemma3(ArchitectureTests):
    config = gemma3.EXAMPLE


@pytest.mark.slow
class TestGemma3Bidirectional(ArchitectureTests):
    config: ClassVar = {**gemma3.EXAMPLE, "use_bidirectional_attention": True}


@pytest.mark.slow
class TestPhi3(ArchitectureTests):
    config = phi3.EXAMPLE


class TestOlmo2(ArchitectureTests):
    config = olmo2.EXAMPLE


class TestMixtral(ArchitectureTests):
    config = mixtral.EXAMPLE


class TestGptOss(ArchitectureTests):
    config = gpt_oss.EXAMPLE
