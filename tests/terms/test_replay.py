"""The engine beside Hugging Face's hidden states and beside independent formulas."""

import itertools

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import layer_norm

from prosect_plugins.decompositions import SumOfFactorsOptions
from support.models import FAMILIES, description, random_model
from support.replays import feed_of, hidden_states, run_replay, token_ids

STREAMS = [(family, stream) for family in FAMILIES for stream in FAMILIES[family].streams]
BY = ("kind", "layer", "sublayer", "head")
# Llama computes RMSNorm in float32 even inside a float64 model.
LIMITS = {torch.float64: {"llama": 1e-6}, torch.float32: {}}


def limit_of(family, dtype):
    return LIMITS[dtype].get(family, 1e-9 if dtype == torch.float64 else 5e-6)


def options(by="kind", **others):
    return SumOfFactorsOptions(by=by, **others)


@pytest.fixture(scope="module", params=[torch.float64, torch.float32], ids=["float64", "float32"])
def dtype(request):
    return request.param


@pytest.mark.parametrize(("family", "stream"), STREAMS)
@pytest.mark.parametrize("by", BY)
def test_components_sum_to_the_hidden_states_of_hugging_face_at_every_layer(family, stream, by, dtype):
    model = random_model(family, dtype)
    replayed = run_replay(
        model, description(model), stream, feed_of(model, token_ids(model, (2, 9)), stream), options(by)
    )
    expected = hidden_states(replayed, stream)
    assert sorted(replayed.terms) == list(range(len(expected)))
    for layer, state in enumerate(expected):
        gap = (replayed.terms[layer].sum() - state).norm(dim=-1) / state.norm(dim=-1)
        assert gap.max() < limit_of(family, dtype)


@pytest.mark.parametrize(
    ("norm_mean", "embedding_norm", "by"),
    list(itertools.product(("bias", "own"), ("inside", "outside"), ("kind", "head"))),
)
def test_every_option_closes(norm_mean, embedding_norm, by):
    model = random_model("bert")
    fed = feed_of(model, token_ids(model, (2, 6)), "main")
    chosen = options(by, norm_mean=norm_mean, embedding_norm=embedding_norm)
    assert run_replay(model, description(model), "main", fed, chosen).gap < 1e-12


def test_the_norm_over_the_embeddings_is_inside_unless_left_outside():
    model = random_model("bert")
    fed = feed_of(model, token_ids(model, (1, 5)), "main")
    inside = run_replay(model, description(model), "main", fed)
    outside = run_replay(model, description(model), "main", fed, options(embedding_norm="outside"))
    assert inside.terms[0].norm()[-1].min() > 0
    assert outside.terms[0].norm()[-1].max() == 0
    torch.testing.assert_close(outside.terms[0].dense()[0], outside.states[0], rtol=0, atol=0)


def test_a_mean_booked_under_the_bias_leaves_the_other_terms_uncentred():
    model = random_model("bert")
    fed = feed_of(model, token_ids(model, (1, 5)), "main")
    own = run_replay(model, description(model), "main", fed, options(norm_mean="own"))
    booked = run_replay(model, description(model), "main", fed)
    gain = model.base.embeddings.LayerNorm.weight.detach()
    centred = own.terms[0].dense()[0] / gain
    assert centred.mean(dim=-1).abs().max() < 1e-12
    assert (booked.terms[0].dense()[0] / gain).mean(dim=-1).abs().max() > 1e-3


@pytest.mark.parametrize("by", BY)
def test_finer_labels_add_up_to_the_coarse_ones(by):
    model = random_model("marian")
    fed = feed_of(model, token_ids(model, (2, 7)), "decoder")
    coarse = run_replay(model, description(model), "decoder", fed)
    fine = run_replay(model, description(model), "decoder", fed, options(by))
    for layer in coarse.terms:
        for place, component in enumerate(coarse.terms[layer].components):
            kinds = {component.kind} if by != "layer" or component.kind in ("input", "bias") else set()
            vectors = [
                vector
                for label, vector in zip(fine.terms[layer].components, fine.terms[layer].dense(), strict=True)
                if label.kind in kinds
            ]
            if vectors:
                torch.testing.assert_close(sum(vectors), coarse.terms[layer].dense()[place], rtol=0, atol=1e-12)


def test_the_order_of_labels_is_by_kind_then_block_then_head():
    model = random_model("marian")
    fed = feed_of(model, token_ids(model, (1, 3)), "decoder")
    labels = [
        c.label for c in run_replay(model, description(model), "decoder", fed, options("head")).terms[0].components
    ]
    assert labels[:5] == ["input", "attention.1.0", "attention.1.1", "attention.1.2", "attention.2.0"]
    assert labels[-4:] == ["feed_forward.1", "feed_forward.2", "feed_forward.3", "bias"]
    assert labels.index("cross_attention.1.0") == 10


@pytest.mark.parametrize("family", ["gpt2", "llama"])
def test_readouts_of_a_model_with_a_final_norm(family):
    model = random_model(family)
    fed = feed_of(model, token_ids(model, (2, 6)), "main")
    read = {
        readout: run_replay(model, description(model), "main", fed, options(readout=readout))
        for readout in ("hidden_states", "residual", "final_norm")
    }
    states = hidden_states(read["residual"], "main")
    last = len(states) - 1
    torch.testing.assert_close(read["hidden_states"].states[last], states[last], rtol=0, atol=0)
    norm = model.base.get_submodule("ln_f" if family == "gpt2" else "norm").requires_grad_(False)
    torch.testing.assert_close(norm(read["residual"].states[last]), states[last], rtol=0, atol=0)
    for layer in range(last):
        torch.testing.assert_close(read["final_norm"].states[layer], norm(states[layer]), rtol=0, atol=0)
    assert max(replayed.gap for replayed in read.values()) < limit_of(family, torch.float64)


def test_the_closed_form_of_the_paper_gives_the_same_terms():
    """Every term by itself, times the product of gains over deviations of the norms downstream of it (eq. 2-6)."""
    model = random_model("bert")
    fed = feed_of(model, token_ids(model, (1, 6)), "main")
    replayed = run_replay(model, description(model), "main", fed)
    terms = closed_form(model.base, fed.source["input_ids"])
    last = max(replayed.terms)
    for place, component in enumerate(replayed.terms[last].components):
        torch.testing.assert_close(replayed.terms[last].dense()[place], terms[component.label], rtol=0, atol=1e-12)


def closed_form(bert, ids):
    """Compute input, attention, feed_forward and bias of the last layer of a BERT encoder by suffix products."""
    embeddings = bert.embeddings
    with torch.no_grad():
        x = embeddings.word_embeddings(ids) + embeddings.token_type_embeddings.weight[0]
        x = x + embeddings.position_embeddings.weight[: ids.shape[1]]
        additions, norms, stream = [("input", x, 0)], [embeddings.LayerNorm], x
        deviations, means = [], []

        def through(norm, y):
            deviations.append((y.var(dim=-1, unbiased=False, keepdim=True) + norm.eps).sqrt())
            means.append(y.mean(dim=-1, keepdim=True))
            return layer_norm(y, norm.normalized_shape, norm.weight, norm.bias, norm.eps)

        stream = through(embeddings.LayerNorm, stream)
        for layer in bert.encoder.layer:
            attended = layer.attention.self(stream)[0]
            output = layer.attention.output
            bias = output.dense.bias + output.dense.weight @ layer.attention.self.value.bias
            whole = output.dense(attended)
            additions += [("attention", whole - bias, len(norms)), ("bias", bias.expand_as(whole), len(norms))]
            norms.append(output.LayerNorm)
            stream = through(output.LayerNorm, stream + whole)
            whole = layer.output.dense(layer.intermediate(stream))
            bias = layer.output.dense.bias
            additions += [("feed_forward", whole - bias, len(norms)), ("bias", bias.expand_as(whole), len(norms))]
            norms.append(layer.output.LayerNorm)
            stream = through(layer.output.LayerNorm, stream + whole)

        suffix = [torch.ones_like(stream)]
        for norm, deviation in zip(reversed(norms), reversed(deviations), strict=True):
            suffix.append(suffix[-1] * norm.weight / deviation)
        suffix.reverse()
        terms = {label: torch.zeros_like(stream) for label in ("input", "attention", "feed_forward", "bias")}
        for label, vector, first in additions:
            terms[label] = terms[label] + suffix[first] * vector
        for number, (norm, mean) in enumerate(zip(norms, means, strict=True)):
            terms["bias"] = terms["bias"] + suffix[number + 1] * norm.bias - suffix[number] * mean
    return terms


@settings(max_examples=25, deadline=None)
@given(
    family=st.sampled_from(sorted(FAMILIES)),
    seed=st.integers(0, 2**16),
    by=st.sampled_from(BY),
    norm_mean=st.sampled_from(("bias", "own")),
    shape=st.tuples(st.integers(1, 3), st.integers(1, 8)),
)
def test_closure_holds_for_any_weights_and_any_input(family, seed, by, norm_mean, shape):
    model = random_model(family, seed=seed)
    for stream in FAMILIES[family].streams:
        fed = feed_of(model, token_ids(model, shape, seed), stream)
        replayed = run_replay(model, description(model), stream, fed, options(by, norm_mean=norm_mean))
        assert replayed.gap < limit_of(family, torch.float64)
