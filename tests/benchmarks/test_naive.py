"""The naive code that ours is timed against computes the same numbers."""

import numpy as np
import pytest
import torch

import prosect
from prosect.testing.models import small_module
from prosect_plugins.architectures import bert, gpt2
from support.benchmarks import loaded

ROWS = [[5, 9, 7, 3, 8, 40], [6, 11, 20, 4, 30, 12]]


@pytest.fixture(scope="module")
def naive():
    with loaded("naive") as module:
        yield module


@pytest.fixture(params=[bert, gpt2], ids=["bert", "gpt2"])
def module(request):
    found = small_module(request.param.EXAMPLE, torch.float64)
    found.set_attn_implementation("eager")
    return found


def naive_values(made, sentences, layers, name):
    """Layer -> values of all sentences, from what comes sentence by sentence, layer by layer."""
    found = [norms[name].detach().numpy() for norms in made]
    return {layer: [found[s * layers + layer] for s in range(sentences)] for layer in range(layers)}


@pytest.mark.parametrize("name", ["value_norm", "weighted_norm", "attention_norm"])
def test_norms(naive, module, name):
    ds = prosect.decompose(module, None, ROWS, "attention_norms", metrics=[name])
    values = naive_values(naive.attention_norms(module, torch.tensor(ROWS)), 2, 2, name)
    for layer, sentences in values.items():
        for number, expected in enumerate(sentences):
            mine = ds[name].sel(layer=layer + 1).isel(token=ds["sentence"].values == number).values
            np.testing.assert_allclose(mine, expected, rtol=1e-9, atol=1e-12)


def test_maps(naive, module):
    ds = prosect.decompose(module, None, ROWS, "attention_maps", metrics=["norm"])
    for scope in ds["scope"].values:
        values = naive_values(naive.attention_maps(module, torch.tensor(ROWS)), 2, 2, scope)
        for layer, sentences in values.items():
            for number, expected in enumerate(sentences):
                at = ds["norm"].sel(layer=layer + 1, scope=scope)
                mine = at.isel(token=ds["sentence"].values == number).values
                np.testing.assert_allclose(mine, expected, rtol=1e-8, atol=1e-10)
