"""ALTI by itself, beside the values of its authors' code (Ferrando et al. 2022)."""

import numpy as np
import pytest
import torch
from transformers import AutoModel

from prosect.api.tensors import Reading
from prosect.model.capture import StreamTap
from prosect.model.forward import Feed, eager_attention, forward
from prosect.model.load import wrap_module
from prosect.terms.closure import ClosureGauge
from prosect.terms.factored import FactoredStart
from prosect.terms.replay import Replay, needs, stream_weights
from prosect_plugins.architectures import bert
from prosect_plugins.decompositions import AttentionMapsOptions, attention_maps
from prosect_plugins.metrics.options import AltiOptions
from prosect_plugins.metrics.token import alti
from support.models import DATA

FOLDER = DATA / "kobayashi" / "bert"


@pytest.fixture(scope="module")
def scopes():
    """Terms and states of the sentence of the golden, by block and scope."""
    model = wrap_module(AutoModel.from_pretrained(FOLDER, dtype=torch.float64), None)
    stream, inputs = bert.describe(model.config).stream("main"), np.load(FOLDER / "inputs.npz")
    rules, found = attention_maps.rules(AttentionMapsOptions(), stream), {"model": model}
    replay = Replay(
        stream=stream,
        rules=rules,
        weights=stream_weights(model.base, stream, torch.float64),
        layers=(1, 2, 3),
        pick=lambda captured: captured.double(),
        gauge=ClosureGauge(1e-9),
        start=FactoredStart(causal=False),
        scope_sink=lambda block, scope, terms, state, _: found.update({(block, scope): (terms.copy(), state)}),
    )
    fed = {name: torch.tensor(inputs[name]) for name in ("input_ids", "token_type_ids", "attention_mask")}
    with eager_attention(model), StreamTap(model.base, stream, needs(rules, stream), replay).attached():
        forward(model, Feed(fed, {}))
    return found


# torch's pairwise_distance, which the authors use, adds this to every difference of coordinates.
ADDED = 1e-6


@pytest.mark.parametrize("layer", [0, 1, 2])
def test_alti_is_that_of_its_authors_but_for_two_details_of_their_code(scopes, layer):
    """They leave epsilon out of the deviation, in terms and output, and a small number gets into each distance."""
    golden, model = np.load(FOLDER / "successors_f64.npz"), scopes["model"]
    (terms, output), (_, read) = scopes[layer + 1, "attn_res_norm"], scopes[layer + 1, "attn_res"]
    variance = read.var(dim=-1, correction=0, keepdim=True)
    factor = ((variance + model.config["layer_norm_eps"]) / variance).sqrt()
    beta = model.base.encoder.layer[layer].attention.output.LayerNorm.bias.detach()
    theirs, whole = terms.copy(), (output - beta) * factor + beta
    theirs.normalise(factor, torch.ones(()))
    np.testing.assert_allclose(by_pair(theirs.norm()), reference(golden, layer, "transformed_norm"), rtol=1e-12)
    distances = by_pair(theirs.reduced(lambda t, y: (y - t).abs().sum(-1), whole - ADDED))
    np.testing.assert_allclose(-distances, reference(golden, layer, "contributions_minus_l1"), rtol=1e-12)
    shares = (whole.abs().sum(-1)[0].numpy()[:, None] - distances).clip(min=0)
    normalised = reference(golden, layer, "normalized")
    np.testing.assert_allclose(shares / shares.sum(axis=1, keepdims=True), normalised, atol=1e-13)
    ours = by_pair(alti(Reading(theirs, whole), whole, AltiOptions()))
    np.testing.assert_allclose(ours, normalised, rtol=0, atol=10 * ADDED)


def by_pair(values):
    """Values of pairs, (token, source)."""
    return values[:12, 0].T.numpy()


def reference(golden, layer, name):
    return golden[f"alti.L{layer}.{name}"].squeeze()


@pytest.mark.parametrize("order", [1, 2])
def test_rows_of_alti_sum_to_1_and_unscaled_values_never_exceed_the_output(scopes, order):
    terms, output = scopes[1, "ff_res_norm"]
    reading = Reading(terms, output)
    shares = alti(reading, output, AltiOptions(order=order))[:12]
    torch.testing.assert_close(shares.sum(dim=0), torch.ones_like(shares[0]))
    plain = alti(reading, output, AltiOptions(order=order, normalise="none"))[:12]
    assert (plain >= 0).all()
    assert (plain <= torch.linalg.vector_norm(output, ord=order, dim=-1) + 1e-12).all()
    whole = alti(reading, output, AltiOptions(order=order, normalise="global"))[:12]
    torch.testing.assert_close(whole.sum(), torch.ones((), dtype=whole.dtype))
