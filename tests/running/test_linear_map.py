"""R^2 of a linear map in place of a sub-layer, against scikit-learn on what the model's own modules read and wrote."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score

import prosect
from prosect.errors import SpecError
from support.models import random_module

ROWS = [np.random.default_rng(n).integers(1, 58, size=5 + n % 7).tolist() for n in range(60)]
#: Family -> modules whose input a feed-forward sub-layer reads, and whose output it writes, in block n.
FEED_FORWARD = {
    "bert": ("encoder.layer.{n}.intermediate.dense", "encoder.layer.{n}.output.dense"),
    "gpt2": ("h.{n}.mlp.c_fc", "h.{n}.mlp"),
    "llama": ("layers.{n}.mlp.up_proj", "layers.{n}.mlp"),
}


def seen(module, reads: str, writes: str) -> tuple[np.ndarray, np.ndarray]:
    """Run the rows one by one, and keep what two modules read and wrote."""
    read, written = [], []
    base = module.base_model
    hooks = [
        base.get_submodule(reads).register_forward_pre_hook(lambda _, args: read.append(args[0][0].detach().numpy())),
        base.get_submodule(writes).register_forward_hook(lambda _, __, out: written.append(out[0].detach().numpy())),
    ]
    with torch.no_grad():
        for row in ROWS:
            module(torch.tensor([row]))
    for hook in hooks:
        hook.remove()
    return np.concatenate(read).astype(np.float64), np.concatenate(written).astype(np.float64)


def scaled(values: np.ndarray, fitted: np.ndarray) -> np.ndarray:
    return (values - fitted.mean(axis=0)) / fitted.std(axis=0)


@pytest.mark.parametrize("family", FEED_FORWARD)
@pytest.mark.parametrize("decomposition", ["sum_of_factors", {"name": "token_wise", "group": "stream"}])
def test_it_is_what_scikit_learn_scores_on_what_the_modules_read_and_wrote(family, decomposition):
    module = random_module(family).double()
    name, options = (decomposition, {}) if isinstance(decomposition, str) else ("token_wise", {"group": "stream"})
    found = prosect.decompose(module, None, ROWS, name, metrics=["linear_map_r2"], terms=False, **options)
    assert found.linear_map_r2.dims == ("layer",)
    assert np.isnan(found.linear_map_r2.sel(layer=0))
    sentence = np.repeat(np.arange(len(ROWS)), [len(row) for row in ROWS])
    held = sentence % 5 == 4
    for layer in range(1, found.sizes["layer"]):
        read, written = seen(module, *(path.format(n=layer - 1) for path in FEED_FORWARD[family]))
        model = LinearRegression().fit(scaled(read, read), scaled(written, written))
        expected = model.score(scaled(read, read), scaled(written, written))
        np.testing.assert_allclose(found.linear_map_r2.sel(layer=layer), expected, rtol=1e-8)
        assert found.linear_map_r2_n_used.sel(layer=layer) == len(read)
        model = LinearRegression().fit(read[~held], written[~held])
        expected = r2_score(written[held], model.predict(read[held]))
        np.testing.assert_allclose(found.linear_map_r2_held_out.sel(layer=layer), expected, rtol=1e-7, atol=1e-9)


def test_of_attention_and_by_selection():
    metric = {"name": "linear_map_r2", "sublayer": "attention", "selection": ["all", "no_first"], "average": "variance"}
    found = prosect.decompose(random_module("bert"), None, ROWS, metrics=[metric], terms=False)
    assert found.linear_map_r2.dims == ("layer", "selection")
    number = sum(map(len, ROWS))
    assert found.linear_map_r2_n_used.sel(layer=1).values.tolist() == [number, number - len(ROWS)]
    assert (found.linear_map_r2.sel(layer=slice(1, None)) > 0).all()


def hidden_states(module) -> list[np.ndarray]:
    """Run the rows one by one, and keep the hidden state before every block and behind it."""
    found = []
    blocks = module.base_model.h if hasattr(module.base_model, "h") else module.base_model.encoder.layer
    for block in blocks:
        found.append([])
        pairs = found[-1]
        block.register_forward_hook(
            lambda _, args, out, pairs=pairs: pairs.append(
                torch.stack([args[0][0], (out[0] if isinstance(out, tuple) else out)[0]]).detach().numpy()
            )
        )
    with torch.no_grad():
        for row in ROWS:
            module(torch.tensor([row]))
    return [np.concatenate(pairs, axis=1) for pairs in found]


def linearity(read: np.ndarray, written: np.ndarray) -> float:
    """One minus the squared distance of clouds of norm 1 that is left by the best linear map, by its definition."""
    read, written = read - read.mean(axis=0), written - written.mean(axis=0)
    read, written = read / np.linalg.norm(read), written / np.linalg.norm(written)
    fitted = read @ np.linalg.lstsq(read, written, rcond=1e-10)[0]
    return float(1 - np.square(fitted - written).sum())


@pytest.mark.parametrize("family", ["bert", "gpt2"])
def test_from_layer_to_layer_it_is_the_linearity_score(family):
    """Of the block and of what it adds, also of the last one, behind which a final norm stands."""
    module = random_module(family).double()
    metrics = {
        which: prosect.decompose(
            module,
            None,
            ROWS,
            metrics=[{"name": "linear_map_r2", "sublayer": which, "average": "variance"}],
            terms=False,
        ).linear_map_r2
        for which in ("block", "block_update")
    }
    for layer, (before, behind) in enumerate(hidden_states(module), start=1):
        np.testing.assert_allclose(metrics["block"].sel(layer=layer), linearity(before, behind), rtol=1e-8)
        expected = linearity(before, behind - before)
        np.testing.assert_allclose(metrics["block_update"].sel(layer=layer), expected, rtol=1e-8)


def test_a_model_without_a_description_is_refused():
    with pytest.raises(SpecError, match="looks at the sub-layers"):
        prosect.decompose(random_module("bert"), None, ROWS, "none", metrics=["linear_map_r2"])
