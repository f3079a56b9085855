"""Every example shows what is peculiar to its family: without the peculiarity the same weights give other states."""

import pytest
import torch

from prosect.api import Experts
from prosect.plugins.registry import implementation, load_registry
from prosect.plugins.support import example_of
from prosect.testing.models import hidden_states, small_module, streams, token_rows, whole_config
from prosect_plugins.architectures import (
    albert,
    bart,
    bloom,
    deberta_v2,
    electra,
    falcon,
    gemma2,
    gemma3,
    gpt2,
    gpt_neo,
    gpt_neox,
    gpt_oss,
    gptj,
    llama,
    marian,
    mistral,
    mixtral,
    modernbert,
    olmo2,
    opt,
    phi3,
    qwen2,
    qwen3,
    t5,
)

OPT_350M = {**opt.EXAMPLE, "do_layer_norm_before": False, "word_embed_proj_dim": 16}

# What acts on attention weights, or between them and the states: (example, what takes it away).
WITHOUT = {
    "window of Mistral": (mistral.EXAMPLE, {"sliding_window": None}),
    "window of Mixtral": (mixtral.EXAMPLE, {"sliding_window": None}),
    "window of Phi-3": (phi3.EXAMPLE, {"sliding_window": None}),
    "window of some blocks of Qwen2": (qwen2.EXAMPLE, {"use_sliding_window": False}),
    "window of every other block of Gemma 2": (gemma2.EXAMPLE, {"sliding_window": 64}),
    "window of some blocks of Gemma 3": (gemma3.EXAMPLE, {"sliding_window": 64}),
    "window of every other block of GPT-Neo": (gpt_neo.EXAMPLE, {"window_size": 64}),
    "window of every other block of GPT-OSS": (gpt_oss.EXAMPLE, {"sliding_window": 64}),
    "window of most blocks of ModernBERT": (modernbert.EXAMPLE, {"local_attention": 64}),
    "soft-capping of Gemma 2": (gemma2.EXAMPLE, {"attn_logit_softcapping": None}),
    "partial rotary positions of GPT-NeoX": (gpt_neox.EXAMPLE, {"rotary_pct": 1.0}),
    "partial rotary positions of GPT-J": (gptj.EXAMPLE, {"rotary_dim": 8}),
    "partial rotary positions of Phi-3": (phi3.EXAMPLE, {"partial_rotary_factor": 1.0}),
    "relative positions of DeBERTa": (deberta_v2.EXAMPLE, {"pos_att_type": []}),
    "two experts of Mixtral": (mixtral.EXAMPLE, {"num_experts_per_tok": 1}),
    "limit of GPT-OSS": (gpt_oss.EXAMPLE, {"swiglu_limit": 50.0}),
    "normed residual of BLOOM": (
        {**bloom.EXAMPLE, "apply_residual_connection_post_layernorm": True},
        {"apply_residual_connection_post_layernorm": False},
    ),
    "embeddings of BART times the root of the width": (marian.EXAMPLE, {"scale_embedding": False}),
}


@pytest.mark.parametrize("case", WITHOUT)
def test_without_its_peculiarity_an_example_gives_other_states(case):
    example, changes = WITHOUT[case]
    one, other = (small_module(config, torch.float64) for config in (example, {**example, **changes}))
    other.load_state_dict(one.state_dict())
    rows, stream = token_rows(one), streams(one)[-1]
    difference = hidden_states(one, rows, stream) - hidden_states(other, rows, stream)
    assert difference.abs().max() > 1e-3


def main(example):
    family = load_registry().architecture_for(example["model_type"])
    return implementation(family)(whole_config(example)).streams[-1]


def attentions(example):
    return [attention for block in main(example).blocks for attention in block.attentions]


@pytest.mark.parametrize(
    "family", [llama, mistral, qwen2, qwen3, gemma2, gemma3, phi3, olmo2, mixtral, gpt_oss, falcon]
)
def test_queries_are_grouped(family):
    for attention in attentions(family.EXAMPLE):
        assert 1 < attention.kv_heads < attention.heads


def test_heads_of_another_width_than_their_share_of_the_stream():
    for family in (mistral, gemma2, qwen3, t5):
        example = family.EXAMPLE
        (attention, *_) = attentions(example)
        assert attention.heads * attention.head_dim != main(example).hidden


@pytest.mark.parametrize("family", [gpt2, modernbert, phi3])
def test_projections_are_packed_side_by_side(family):
    assert all(attention.value.rows is not None for attention in attentions(family.EXAMPLE))


@pytest.mark.parametrize("family", [gpt_neox, bloom, falcon])
def test_projections_are_packed_head_by_head(family):
    assert all(attention.value.interleave is not None for attention in attentions(family.EXAMPLE))


def test_blocks_are_tied():
    paths = [block.path for block in main(albert.EXAMPLE).blocks]
    assert len(set(paths)) < len(paths)
    assert len(set(paths)) > 1


@pytest.mark.parametrize("family", [bloom, modernbert, bart, electra, albert])
def test_embeddings_are_normed(family):
    assert main(family.EXAMPLE).embedding_norm is not None


def test_states_are_projected_in_and_out():
    assert main(electra.EXAMPLE).embedding_projection is not None
    assert main(albert.EXAMPLE).embedding_projection is not None
    assert main(OPT_350M).final_projection is not None


def test_experts_are_several_and_not_all_chosen():
    for family in (mixtral, gpt_oss):
        experts = [
            part for block in main(family.EXAMPLE).blocks for part in block.sublayers if isinstance(part, Experts)
        ]
        assert len(experts) == len(main(family.EXAMPLE).blocks)
        assert family.EXAMPLE["num_experts_per_tok"] < family.EXAMPLE["num_local_experts"]


def test_every_example_has_more_than_one_block():
    for family in load_registry().declarations("architectures"):
        assert len(implementation(family)(example_of(family)).streams[-1].blocks) > 1
