"""`decomposition: none` on models that no plugin describes, and what it says of those it cannot read."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from transformers import AutoModel
from transformers.models.auto import configuration_auto

import prosect
from prosect.errors import ModelError, UsageError

IDS = [[5, 6, 7, 8, 9], [5, 9, 3]]
SMALL = {"vocab_size": 60, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
TWO = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 16, "intermediate_size": 24}
MODELS: dict[str, dict[str, Any]] = {
    "xlnet": {"d_model": 16, "n_layer": 2, "n_head": 2, "d_inner": 24},
    "ctrl": {"n_embd": 16, "n_layer": 2, "n_head": 2, "dff": 24, "n_positions": 30},
    "bert-generation": TWO,
    "mamba": {"hidden_size": 16, "num_hidden_layers": 2, "state_size": 4},
    "fnet": {"hidden_size": 16, "num_hidden_layers": 2, "intermediate_size": 24, "tpu_short_seq_length": 30},
}
NOT_TEXT: dict[str, dict[str, Any]] = {
    "vit": TWO,
    "wav2vec2": {**TWO, "num_conv_pos_embedding_groups": 2},
    "canine": {**TWO, "local_transformer_stride": 16},
}


def module(family: str, **config: Any) -> torch.nn.Module:
    torch.manual_seed(0)
    return AutoModel.from_config(configuration_auto.AutoConfig.for_model(family, **config)).eval()


@pytest.mark.parametrize("family", MODELS)
def test_the_total_is_the_hidden_state(family):
    model = module(family, **SMALL, **MODELS[family])
    ds = prosect.decompose(model, None, IDS, "none")
    with torch.no_grad():
        alone = [model(input_ids=torch.tensor([ids]), output_hidden_states=True).hidden_states for ids in IDS]
    assert ds.sizes["layer"] == len(alone[0])
    for layer in range(ds.sizes["layer"]):
        states = np.concatenate([states[layer][0].numpy() for states in alone])
        np.testing.assert_allclose(ds.terms.isel(layer=layer, component=0), states, atol=2e-5)


@pytest.mark.parametrize(("family", "alone"), [("fnet", True), ("bert-generation", False)])
def test_where_padding_matters_sentences_are_fed_alone_and_it_is_said(family, alone):
    ds = prosect.decompose(module(family, **SMALL, **MODELS[family]), None, IDS, "none")
    assert any("every sentence was fed by itself" in note for note in ds.attrs["notes"]) == alone


@pytest.mark.parametrize("family", NOT_TEXT)
def test_a_model_of_something_else_than_tokens_is_an_error(family):
    with pytest.raises(ModelError, match=r"does not run on token ids alone|no hidden state for every token"):
        prosect.decompose(module(family, **NOT_TEXT[family]), None, IDS, "none")


def test_vectors_of_different_widths_are_kept_for_layers_of_one():
    sizes = {"hidden_size": 16, "word_embed_proj_dim": 8, "num_hidden_layers": 2, "num_attention_heads": 2}
    model = module("opt", **SMALL, **sizes, ffn_dim=24, do_layer_norm_before=False)
    with pytest.raises(UsageError, match="16 wide at some layers and 8 at others"):
        prosect.decompose(model, None, IDS, "none")
    assert prosect.decompose(model, None, IDS, "none", terms=False).norm.notnull().all()
    assert prosect.decompose(model, None, IDS, "none", layers=[0, 1]).sizes["hidden"] == 16
