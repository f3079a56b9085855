"""What a run leaves in a store, against the contract."""

import numpy as np
import pytest
import torch

import prosect
from prosect.errors import RunError, UsageError
from prosect.model.load import load_model
from prosect.planning.build import make_plan
from support.models import FAMILIES


def tree_of(summary):
    return prosect.open(summary.store)


DIMS = ("layer", "component", "token")


def test_an_encoder_gives_one_node_with_the_labels_of_the_contract(spec, carry_out):
    tree = tree_of(carry_out(spec()))
    ds = tree["m/a"].to_dataset()
    assert ds["importance"].dims == DIMS
    assert list(ds["component"].values) == ["input", "attention", "feed_forward", "bias"]
    assert list(ds["layer"].values) == [0, 1, 2, 3]
    assert {"sentence", "position", "text", "token_id", "special", "word"} <= set(ds.coords)
    assert all({"long_name", "units", "reference"} <= set(ds[name].attrs) for name in ds.data_vars)
    np.testing.assert_array_equal(ds["sentence"].values, np.sort(ds["sentence"].values))
    assert ds.attrs["closure_max"] < 5e-6


def test_an_encoder_decoder_gives_a_child_for_each_stream(spec, carry_out):
    tree = tree_of(carry_out(spec("marian")))
    assert set(tree["m/a"].children) == {"encoder", "decoder", "sentences"}
    decoder, encoder = tree["m/a/decoder"].to_dataset(), tree["m/a/encoder"].to_dataset()
    assert list(decoder["component"].values) == ["input", "attention", "cross_attention", "feed_forward", "bias"]
    assert "cross_attention" not in encoder["component"].values
    assert (decoder.sizes["layer"], encoder.sizes["layer"]) == (4, 3)


@pytest.mark.parametrize("family", FAMILIES)
def test_kept_terms_sum_to_the_hidden_states_of_each_sentence_alone(spec, carry_out, tmp_path, family):
    """Batched, padded and cut into units, every token is what Hugging Face gives for its sentence alone."""
    source = spec(family, keep=["terms"], model={"dtype": "float64"})
    summary = carry_out(source)
    plan = make_plan(source, out=tmp_path / "other.zarr")
    module = load_model(plan.models[0], torch.device("cpu")).module
    corpus = source["corpora"]["c"]
    for stream in FAMILIES[family].streams:
        node = "m/a" if stream == "main" else f"m/a/{stream}"
        ds = tree_of(summary)[node].to_dataset().load()
        total = ds["terms"].sum("component")
        for number, ids in enumerate(corpus["sentences"]):
            inputs = {"input_ids": torch.tensor([ids])}
            if family == "marian":
                inputs["decoder_input_ids"] = torch.tensor([corpus["targets"][number]])
            with torch.no_grad():
                output = module(**inputs, output_hidden_states=True)
            states = getattr(output, "hidden_states" if stream == "main" else f"{stream}_hidden_states")
            mine = total.isel(token=ds["sentence"].values == number).values
            expected = np.stack([state[0].numpy() for state in states])
            assert np.abs(mine - expected).max() < (1e-5 if family == "llama" else 1e-9)


def test_importance_sums_to_one_and_gram_to_the_squared_norm(spec, carry_out):
    ds = tree_of(carry_out(spec(metrics=["importance", "dot", "norm", "cosine", "norm_ratio", "distance"])))[
        "m/a"
    ].to_dataset()
    np.testing.assert_allclose(ds["importance"].sum("component"), 1, atol=1e-5)
    assert ds["dot"].dims == ("layer", "component", "other_component", "token")
    squared = ds["dot"].sum(["component", "other_component"])
    own = np.stack([ds["dot"].values[:, k, k] for k in range(ds.sizes["component"])], axis=1)
    np.testing.assert_allclose(own, ds["norm"] ** 2, rtol=1e-4)
    ratio = ds["norm"] / np.sqrt(squared)
    np.testing.assert_allclose(ds["norm_ratio"], ratio, rtol=1e-3)
    np.testing.assert_allclose(
        (ds["cosine"] * ds["norm_ratio"]).isel(layer=3), ds["importance"].isel(layer=3), rtol=1e-3, atol=1e-6
    )
    law = ds["norm"] ** 2 + squared - 2 * ds["importance"] * squared
    np.testing.assert_allclose(ds["distance"] ** 2, law, rtol=1e-2, atol=1e-3)


def test_a_term_that_is_zero_has_no_cosine_and_importance_zero(spec, carry_out):
    ds = tree_of(carry_out(spec()))["m/a"].to_dataset().sel(layer=0)
    assert np.isnan(ds["cosine"].sel(component="attention")).all()
    assert (ds["importance"].sel(component="attention") == 0).all()


UNDESCRIBED = {
    "openai-gpt": {"n_embd": 24, "n_layer": 2, "n_head": 4, "vocab_size": 60, "n_positions": 40},
    "nystromformer": {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 40},
    "blenderbot-small": {
        "d_model": 24,
        "encoder_layers": 2,
        "decoder_layers": 2,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 4,
        "encoder_ffn_dim": 40,
        "decoder_ffn_dim": 40,
        "vocab_size": 60,
    },
}


@pytest.mark.parametrize("model_type", UNDESCRIBED)
def test_no_decomposition_works_for_models_that_nobody_described(carry_out, spec, model_type):
    stream = "/decoder" if model_type == "blenderbot-small" else ""
    source = spec("marian" if stream else "bert")
    source["models"]["m"]["config"] = {"model_type": model_type, **UNDESCRIBED[model_type]}
    source["analyses"]["a"] = {"corpus": "c", "decomposition": "none"}
    ds = tree_of(carry_out(source))[f"m/a{stream}"].to_dataset()
    assert list(ds["component"].values) == ["total"]
    assert ds["norm"].dims == DIMS
    assert ds.sizes["layer"] == 3
    assert (ds["norm"] > 0).all()


def test_an_undescribed_model_is_refused_with_the_known_families(carry_out, spec):
    source = spec()
    source["models"]["m"]["config"] = {"model_type": "openai-gpt", **UNDESCRIBED["openai-gpt"]}
    with pytest.raises(UsageError, match=r"openai-gpt.*bert.*gpt2.*llama.*marian"):
        carry_out(source)


def test_layers_are_selected_from_either_end(spec, carry_out):
    ds = tree_of(carry_out(spec(layers=[0, -1])))["m/a"].to_dataset()
    assert list(ds["layer"].values) == [0, 3]


def test_terms_in_float16_are_refused_where_they_overflow(spec, carry_out, tmp_path):
    source = spec("gpt2", keep=[{"terms": {"dtype": "float16"}}])
    assert tree_of(carry_out(source))["m/a"]["terms"].dtype == np.float16
    source["models"]["m"]["config"]["initializer_range"] = 1e6
    with pytest.raises(RunError, match="float16"):
        carry_out(source, tmp_path / "large.zarr")
