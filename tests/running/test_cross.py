"""The node `cross`: what tokens of the encoder give to those of the decoder."""

import json

import numpy as np
import pytest
import torch
from transformers import AutoModel

import prosect
from support.models import DATA, random_module

MARIAN = DATA / "mickus" / "marian"


@pytest.fixture
def norms(spec, carry_out):
    """Run attention norms on a random encoder-decoder, in several small units."""
    source = spec("marian", model={"dtype": "float64"}, decomposition="attention_norms")
    tree = prosect.open(carry_out(source).store)
    return {name: tree[f"m/a/{name}"].to_dataset().load() for name in ("encoder", "decoder", "cross")}


def eager(module, rows):
    """Ask transformers itself for the cross-attention of every pair of sentences."""
    module.set_attn_implementation("eager")
    for source, target in rows:
        with torch.no_grad():
            yield module(
                input_ids=torch.tensor([source]), decoder_input_ids=torch.tensor([target]), output_attentions=True
            )


def test_every_decoder_token_has_a_row_over_the_tokens_of_its_source_sentence(norms):
    cross, decoder, encoder = norms["cross"], norms["decoder"], norms["encoder"]
    assert cross["weight"].dims == cross["weighted_norm"].dims == ("layer", "head", "token", "source")
    assert cross["attention_norm"].dims == ("layer", "token", "source")
    assert cross.sizes["token"] == decoder.sizes["token"]
    assert cross.sizes["source"] == np.bincount(encoder["sentence"]).max()
    lengths = np.bincount(encoder["sentence"])[cross["sentence"]]
    inside = np.arange(cross.sizes["source"]) < lengths[:, None]
    for name in ("weight", "weighted_norm", "attention_norm"):
        assert (np.isfinite(cross[name].values) == inside).all()
    np.testing.assert_allclose(cross["weight"].sum("source"), 1, atol=1e-12)


def test_source_tokens_carry_the_coordinates_of_the_encoder(norms):
    cross, encoder = norms["cross"], norms["encoder"]
    assert cross.sizes["source_token"] == encoder.sizes["token"]
    for name in encoder["norm" if "norm" in encoder else "value_norm"].coords:
        if encoder[name].dims == ("token",):
            np.testing.assert_array_equal(cross[f"source_{name}"].values, encoder[name].values)
            assert cross[f"source_{name}"].dims == ("source_token",)


def test_norms_of_values_belong_to_source_tokens_and_fit_the_weighted_ones(norms):
    cross = norms["cross"]
    assert cross["value_norm"].dims == ("layer", "head", "source_token")
    starts = np.searchsorted(cross["source_sentence"], cross["sentence"])
    for token in range(0, cross.sizes["token"], 17):
        length = int((cross["source_sentence"] == cross["sentence"][token]).sum())
        values = cross["value_norm"][..., starts[token] : starts[token] + length].values
        found = cross["weighted_norm"][:, :, token, :length].values
        np.testing.assert_allclose(found, cross["weight"][:, :, token, :length].values * values, atol=1e-12)


def test_weights_and_norms_are_those_of_transformers_own_modules(tmp_path):
    module = AutoModel.from_pretrained(MARIAN, dtype=torch.float64)
    golden = np.load(MARIAN / "authors_f64.npz")
    source, target = golden["src_ids"][0].tolist(), golden["decoder_input_ids"][0].tolist()
    rows = [(source, target), (source[:3], target[:2])]
    lines = [json.dumps({"input_ids": s, "decoder_input_ids": t}) for s, t in rows]
    (tmp_path / "ids.jsonl").write_text("\n".join(lines), encoding="utf-8")
    spec = {
        "prosect": 1,
        "models": {"m": {"load": str(MARIAN), "dtype": "float64"}},
        "corpora": {"c": {"kind": "token_ids", "path": str(tmp_path / "ids.jsonl")}},
        "analyses": {"a": {"corpus": "c", "decomposition": "attention_norms"}},
    }
    ds = prosect.run(spec, tmp_path / "out.zarr", quiet=True)["m/a/cross"].to_dataset().load()
    for number, output in enumerate(eager(module, rows)):
        own = ds.isel(token=ds["sentence"].values == number)
        width = len(rows[number][0])
        for layer, (block, alpha) in enumerate(zip(module.decoder.layers, output.cross_attentions, strict=True)):
            at = own.sel(layer=layer + 1).isel(source=slice(width))
            np.testing.assert_allclose(at["weight"], alpha[0], atol=1e-12)
            attention = block.encoder_attn
            values = attention.v_proj(output.encoder_last_hidden_state[0]).unflatten(-1, (alpha.shape[1], -1))
            heads = attention.out_proj.weight.T.unflatten(0, (alpha.shape[1], -1))
            f = torch.einsum("jhe,hed->hjd", values, heads)
            pairs = torch.einsum("hij,hjd->hijd", alpha[0], f)
            np.testing.assert_allclose(at["weighted_norm"], pairs.norm(dim=-1).detach(), atol=1e-12)
            np.testing.assert_allclose(at["attention_norm"], pairs.sum(0).norm(dim=-1).detach(), atol=1e-12)


@pytest.mark.slow
def test_a_killed_run_continues_with_the_same_numbers(spec, carry_out, tmp_path, monkeypatch):
    source = spec("marian", model={"dtype": "float64"}, decomposition="attention_norms")
    whole = prosect.open(carry_out(source, tmp_path / "whole.zarr").store)["m/a/cross"].to_dataset().load()
    from prosect.store.store import Store

    written = Store.write_unit
    calls = []

    def failing(self, layout, unit, data, entry):
        calls.append(layout.path)
        if len(calls) == 5:
            raise KeyboardInterrupt
        written(self, layout, unit, data, entry)

    monkeypatch.setattr(Store, "write_unit", failing)
    with pytest.raises(KeyboardInterrupt):
        carry_out(source, tmp_path / "cut.zarr")
    monkeypatch.setattr(Store, "write_unit", written)
    resumed = prosect.open(carry_out(source, tmp_path / "cut.zarr").store)["m/a/cross"].to_dataset().load()
    for name in whole.data_vars:
        np.testing.assert_array_equal(resumed[name].values, whole[name].values)


def test_decompose_gives_the_same_node_in_memory(spec, carry_out):
    source = spec("marian", model={"dtype": "float64"}, decomposition="attention_norms")
    del source["models"]["m"]["config"], source["models"]["m"]["init"], source["models"]["m"]["dtype"]
    module = random_module("marian").double()
    rows, targets = source["corpora"]["c"]["sentences"][:4], source["corpora"]["c"]["targets"][:4]
    ds = prosect.decompose(module, None, rows, "attention_norms", targets=targets, stream="cross")
    assert ds["value_norm"].dims == ("layer", "head", "source_token")
    assert np.isfinite(ds["value_norm"].values).all()
    assert ds.attrs["closure_max"] < 1e-9
    with pytest.raises(prosect.errors.UsageError, match="'cross'"):
        prosect.decompose(module, None, rows, "sum_of_factors", targets=targets, stream="cross")
