"""Measures of mechanisms: norms of states, norms without dimensions, profiles, gains; on models and by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import xarray as xr

import prosect
from prosect.api import UsageError
from prosect.api.tensors import Reading
from prosect.testing.metrics import random_factored_terms
from prosect.vocab.scopes import scope_norms, scopes
from prosect_plugins.mapstats.mechanism import partial_norm
from prosect_plugins.mapstats.options import PartialNormOptions
from prosect_plugins.mapstats.ratios import largest_dimensions
from support.models import FAMILIES, random_module

IDS = [[5, 9, 12, 7, 3], [8, 2, 9]]


def measured(family: str, *metrics, decomposition: str = "attention_maps"):
    """Measure maps of a random model in float64; return the module, too."""
    module = random_module(family).double()
    return module, prosect.decompose(module, None, IDS, decomposition, metrics=list(metrics), terms=False)


def states(module):
    """What each module of a BERT or GPT-2 block gave, by forward hooks: name -> (block, token, hidden)."""
    seen: dict[str, list[torch.Tensor]] = {}
    blocks = module.encoder.layer if hasattr(module, "encoder") else module.h
    names = (
        {"attn_res_norm": "attention.output.LayerNorm", "ff": "output.dense", "ff_res_norm": "output.LayerNorm"}
        if hasattr(module, "encoder")
        else {"attn_res_norm": "ln_2", "ff": "mlp.c_proj"}
    )
    hooks = [
        block.get_submodule(path).register_forward_hook(
            lambda _m, _i, out, name=name: seen.setdefault(name, []).append(out[0])
        )
        for block in blocks
        for name, path in names.items()
    ]
    with torch.no_grad():
        for ids in IDS:
            module(torch.tensor([ids]))
    for hook in hooks:
        hook.remove()
    depth = len(blocks)
    return {
        name: np.stack([torch.cat(found[layer::depth]).numpy() for layer in range(depth)])
        for name, found in seen.items()
    }


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_norms_of_states_are_those_of_the_modules(family):
    module, found = measured(family, "state_norm")
    assert found["state_norm"].dims == ("scope", "layer", "token")
    for scope, theirs in states(module).items():
        np.testing.assert_allclose(found["state_norm"].sel(scope=scope), np.linalg.norm(theirs, axis=-1), rtol=1e-10)


def test_the_ratio_is_that_of_what_goes_past_the_block_to_its_output():
    module, found = measured("bert", "state_norm")
    ratio = prosect.derive("scope_norm_ratio", found)
    theirs = states(module)
    past, output = (np.linalg.norm(theirs[name], axis=-1) for name in ("attn_res_norm", "ff"))
    np.testing.assert_allclose(ratio["scope_norm_ratio"], (past / output).mean(axis=-1), rtol=1e-10)
    np.testing.assert_allclose(ratio["scope_norm_ratio_sd"], (past / output).std(axis=-1), rtol=1e-9)
    assert ratio.attrs == {"above": "attn_res_norm", "below": "ff"}
    with pytest.raises(UsageError, match="name two of the scopes"):
        prosect.derive("scope_norm_ratio", found, below="feed_forward")


def test_profiles_are_moments_of_the_modules_outputs_beside_their_gains():
    module, found = measured("bert", "dimension_profile")
    assert found["dimension_mean"].dims == ("scope", "layer", "hidden")
    theirs = states(module)
    for scope in ("attn_res_norm", "ff", "ff_res_norm"):
        own = found.sel(scope=scope)
        np.testing.assert_allclose(own["dimension_mean"], theirs[scope].mean(axis=1), rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(own["dimension_sd"], theirs[scope].std(axis=1), rtol=1e-9)
        np.testing.assert_allclose(own["dimension_size"], np.abs(theirs[scope]).mean(axis=1), rtol=1e-9)
    gains = [block.output.LayerNorm.weight.detach().numpy() for block in module.encoder.layer]
    for scope in ("ff_res", "ff_res_norm"):
        np.testing.assert_array_equal(found["dimension_gain"].sel(scope=scope), gains)
    first = [block.attention.output.LayerNorm.weight.detach().numpy() for block in module.encoder.layer]
    np.testing.assert_array_equal(found["dimension_gain"].sel(scope="attn_res"), first)
    assert np.isnan(found["dimension_gain"].sel(scope="ff")).all()


def test_the_largest_dimensions_of_a_profile_can_be_left_out():
    _, profile = measured("bert", "dimension_profile")
    chosen = largest_dimensions(profile["dimension_size"], 0.1, scope="ff")
    sizes = profile["dimension_size"].sel(scope="ff").values
    assert chosen == {layer + 1: sorted(np.argsort(-sizes[layer])[:2].tolist()) for layer in range(len(sizes))}
    module, found = measured("bert", {"name": "partial_norm", "without": chosen}, "norm")
    vectors = dense(module)
    kept = np.ones((3, 1, vectors.shape[-1]))
    for layer, dimensions in chosen.items():
        kept[layer - 1, :, dimensions] = 0
    np.testing.assert_allclose(
        found["norm"].sel(scope="ff_res_norm").values[:, :5, :5], np.linalg.norm(vectors, axis=-1), rtol=1e-9
    )
    np.testing.assert_allclose(
        found["partial_norm"].sel(scope="ff_res_norm").values[:, :5, :5],
        np.linalg.norm(vectors * kept[:, None], axis=-1),
        rtol=1e-9,
    )


def dense(module):
    """Vectors of the last scope of every block for the first sentence, (block, token, source, hidden), by hand."""
    found = []
    module.set_attn_implementation("eager")
    with torch.no_grad():
        output = module(torch.tensor([IDS[0]]), output_hidden_states=True, output_attentions=True)
        for number, block in enumerate(module.encoder.layer):
            x, alpha = output.hidden_states[number][0], output.attentions[number][0]
            own, heads = block.attention.self, alpha.shape[0]
            values = own.value(x).unflatten(-1, (heads, -1))
            w_o = block.attention.output.dense.weight.T.unflatten(0, (heads, -1))
            parts = torch.einsum("hij,jhe,hed->ijd", alpha, values, w_o)
            parts[range(len(x)), range(len(x))] += x
            before = block.attention.output.dense(torch.einsum("hij,jhe->ihe", alpha, values).flatten(1)) + x
            parts = normed(parts, before, block.attention.output.LayerNorm)
            inner = block.attention.output.LayerNorm(before)
            pre = block.intermediate.dense(inner)
            slope = torch.nn.functional.gelu(pre) / pre
            fed = torch.einsum(
                "ijf,if,df->ijd", parts @ block.intermediate.dense.weight.T, slope, block.output.dense.weight
            )
            after = block.output.dense(torch.nn.functional.gelu(pre)) + inner
            found.append(normed(fed + parts, after, block.output.LayerNorm).numpy())
    return np.stack(found)


def normed(parts, total, norm):
    deviation = (total.var(dim=-1, unbiased=False) + norm.eps).sqrt()
    return (parts - parts.mean(dim=-1, keepdim=True)) / deviation[:, None, None] * norm.weight


def test_around_a_norm_the_dimensions_of_its_largest_gains_can_be_left_out():
    module, found = measured("bert", {"name": "partial_norm", "without": "gain", "share": 0.2}, "norm")
    gains = np.stack([block.output.LayerNorm.weight.detach().numpy() for block in module.encoder.layer])
    number = int(0.2 * gains.shape[1])
    kept = np.ones_like(gains)
    np.put_along_axis(kept, np.argsort(-np.abs(gains), axis=1)[:, :number], 0, axis=1)
    theirs = np.linalg.norm(dense(module) * kept[:, None, None], axis=-1)
    ours = found["partial_norm"].sel(scope="ff_res_norm").values[:, :5, :5]
    np.testing.assert_allclose(ours, theirs, rtol=1e-9)
    assert (ours < found["norm"].sel(scope="ff_res_norm").values[:, :5, :5]).all()
    assert np.isnan(found["partial_norm"].sel(scope="ff")).all()
    changes = [["ff_res", "ff_res_norm"]]
    with_all = prosect.derive("map_change", found, changes=changes)
    without = prosect.derive("map_change", found, variable="partial_norm", changes=changes)
    assert not np.allclose(with_all["map_change"], without["map_change"])


def test_the_largest_dimensions_of_each_token_can_be_left_out():
    terms = random_factored_terms()
    total = terms.sum()
    found = partial_norm(Reading(terms, total), total, PartialNormOptions(without="state", share=0.4))
    vectors = terms.dense()
    largest = total.abs().topk(2, dim=-1).indices
    kept = torch.ones_like(total).scatter(-1, largest, 0.0)
    torch.testing.assert_close(found, torch.linalg.vector_norm(vectors * kept, dim=-1))


def test_a_dimension_that_is_not_there_is_refused():
    terms = random_factored_terms()
    with pytest.raises(UsageError, match="there is no dimension 5: states have 5"):
        partial_norm(Reading(terms, terms.sum()), terms.sum(), PartialNormOptions(without=[1, 5]))


@pytest.mark.parametrize("family", FAMILIES)
def test_the_two_scopes_around_a_norm_have_the_same_one(family):
    description = FAMILIES[family].describe(random_module(family).config.to_dict())
    for stream in description.streams:
        for block in stream.blocks:
            found, names = scope_norms(block), scopes(block)
            assert set(found) <= set(names)
            for name in names:
                if f"{name}_norm" in names:
                    assert found[name] == found[f"{name}_norm"]


def test_profiles_leave_special_tokens_out_when_asked(tmp_path):
    spec = {
        "prosect": 1,
        "models": {"m": {"init": "random", "config": {"model_type": "bert", **FAMILIES["bert"].config}}},
        "corpora": {"c": {"kind": "inline", "sentences": IDS}},
        "analyses": {
            "all": {"corpus": "c", "decomposition": "none", "metrics": ["dimension_profile"]},
            "some": {
                "corpus": "c",
                "decomposition": "none",
                "metrics": [{"name": "dimension_profile", "special": False}],
            },
        },
        "compute": {"unit_tokens": 4, "device": "cpu"},
    }
    tree = prosect.run(spec, tmp_path / "out.zarr", quiet=True)
    # Sentences of ids have no special tokens.
    xr.testing.assert_allclose(tree["m/all"].dimension_mean, tree["m/some"].dimension_mean)
    assert np.isnan(tree["m/all"].dimension_gain).all()
