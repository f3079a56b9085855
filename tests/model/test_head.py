"""A model's own head, as a function of its last hidden state."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from prosect.errors import ModelError, SelfTestError, UsageError
from prosect.model.head import HeadView, own_head
from prosect.model.load import wrap_module
from support.heads import Headed, all_heads, token_rows
from support.models import random_model

ODD = [
    Headed("opt", "causal", {"word_embed_proj_dim": 16, "do_layer_norm_before": False}),
    Headed("deberta_v2", "masked", {"legacy": False, "embedding_size": 24}),
    Headed("gemma2", "causal", {"final_logit_softcapping": 0.5}),
    Headed("gemma2", "causal", {"final_logit_softcapping": None}),
    Headed("t5", "seq2seq", {"scale_decoder_outputs": True}),
    Headed("t5", "seq2seq", {"tie_word_embeddings": False, "scale_decoder_outputs": False}),
    Headed("modernbert", "masked", {"decoder_bias": False}),
    Headed("albert", "sentence", {"pad_token_id": 0}),
]
VOCABULARY = [*all_heads("masked", "causal", "seq2seq"), *ODD[:-1]]
EVERYDAY = ("albert", "bert", "gpt2", "llama")
CLASSIFIERS = [
    pytest.param(headed, id=str(headed), marks=() if headed.family in EVERYDAY else pytest.mark.slow)
    for headed in (*all_heads("tokens", "sentence"), ODD[-1])
]


def true_states_and_logits(model, row):
    """Last hidden state and logits of one sentence, as transformers returns them."""
    ids = torch.tensor([row])
    extra = {"decoder_input_ids": ids.flip(1)} if model.is_encoder_decoder else {}
    with torch.no_grad():
        output = model.module(input_ids=ids, output_hidden_states=True, **extra)
    states = output.decoder_hidden_states if model.is_encoder_decoder else output.hidden_states
    if states[-1].shape[-1] == states[0].shape[-1]:
        return states[-1][0], output.logits[0]
    # OPT-350m returns the projected state; the one before it is what the last block returned.
    seen = []
    hook = model.base.decoder.layers[-1].register_forward_hook(lambda _module, _args, out: seen.append(out))
    with torch.no_grad():
        model.module(input_ids=ids)
    hook.remove()
    return (seen[0][0] if isinstance(seen[0], tuple) else seen[0])[0], output.logits[0]


@pytest.mark.parametrize("headed", VOCABULARY, ids=str)
def test_the_last_hidden_state_gives_the_models_own_logits(headed):
    """Of every family: transforms, projections, caps, scales and biases included."""
    model = headed.model()
    head = own_head(model, headed.stream(model), torch.float64)
    assert (head.reads, head.vocabulary, head.outputs) == ("token", True, 60)
    for row in token_rows(model):
        states, logits = true_states_and_logits(model, row)
        torch.testing.assert_close(head.logits(states), logits, rtol=0, atol=1e-9 * float(logits.abs().max()))


@pytest.mark.parametrize("headed", CLASSIFIERS)
def test_classifiers_read_every_token_or_one(headed):
    model = headed.model()
    head = own_head(model, headed.stream(model), torch.float64)
    assert not head.vocabulary
    for row in token_rows(model):
        states, logits = true_states_and_logits(model, row)
        expected = {"token": slice(None), "first": 0, "last": -1}[head.reads]
        assert (head.reads == "token") == (headed.task == "tokens")
        torch.testing.assert_close(head.logits(states)[expected], logits, rtol=0, atol=1e-9 * float(logits.abs().max()))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("headed", [Headed("bert", "masked", {}), Headed("gemma2", "causal", {}), ODD[0]], ids=str)
def test_a_head_of_half_precision_reads_states_of_single_precision(headed, dtype):
    """Terms are raised to float32, and so is the head."""
    model = headed.model(dtype)
    head = own_head(model, headed.stream(model), torch.float32)
    states, logits = true_states_and_logits(model, token_rows(model)[0])
    found = head.logits(states.float())
    assert found.dtype == torch.float32
    raised = Headed(headed.family, headed.task, headed.changes).module().to(dtype).float()
    with torch.no_grad():
        raised.load_state_dict({name: weight.float() for name, weight in model.module.state_dict().items()})
    exact = own_head(wrap_module(raised, None), headed.stream(model), torch.float32).logits(states.float())
    torch.testing.assert_close(found, exact, rtol=0, atol=1e-5 * float(exact.abs().max()))
    assert float((found - logits.float()).abs().max()) < 0.05 * float(logits.abs().max())


@pytest.mark.parametrize(
    "headed", [Headed("bert", "masked", {}), Headed("gpt2", "causal", {}), Headed("marian", "seq2seq", {})], ids=str
)
def test_any_axes_of_tokens_may_stand_before_the_width(headed):
    """Each state is read by itself, whatever stands beside it."""
    model = headed.model()
    head = own_head(model, headed.stream(model), torch.float64)
    states = torch.randn(2, 3, 5, 24, dtype=torch.float64)
    logits = head.logits(states)
    assert logits.shape == (2, 3, 5, 60)
    torch.testing.assert_close(head.logits(states[1, 2, 3]), logits[1, 2, 3])
    torch.testing.assert_close(head.logits(states[:, 1]), logits[:, 1])
    assert head.logits(states[:0]).shape == (0, 3, 5, 60)


def test_the_final_bias_is_what_the_logits_are_less_without_it():
    """And without it the head of one linear map is linear in the terms."""
    headed = Headed("marian", "seq2seq", {})
    model = headed.model()
    head = own_head(model, headed.stream(model), torch.float64)
    torch.testing.assert_close(head.bias, model.module.final_logits_bias[0])
    terms = torch.randn(4, 7, 24, dtype=torch.float64)
    whole = head.logits(terms.sum(dim=0), bias=False)
    torch.testing.assert_close(head.logits(terms, bias=False).sum(dim=0), whole)
    torch.testing.assert_close(whole + head.bias, head.logits(terms.sum(dim=0)))


@pytest.mark.parametrize(
    ("headed", "find"),
    [
        (Headed("bert", "masked", {}), lambda m: m.cls.predictions.decoder.bias),
        (Headed("roberta", "masked", {}), lambda m: m.lm_head.decoder.bias),
        (Headed("distilbert", "masked", {}), lambda m: m.vocab_projector.bias),
        (Headed("gptj", "causal", {}), lambda m: m.lm_head.bias),
        (Headed("gpt2", "causal", {}), lambda _: None),
        (Headed("t5", "seq2seq", {}), lambda _: None),
    ],
    ids=["bert", "roberta", "distilbert", "gptj", "gpt2", "t5"],
)
def test_final_biases_are_found_by_what_they_do(headed, find):
    model = headed.model()
    found, expected = own_head(model, headed.stream(model), torch.float64).bias, find(model.module)
    assert (found is None) == (expected is None)
    if expected is not None:
        torch.testing.assert_close(found, expected.detach())


def test_a_bias_below_a_cap_is_not_told_apart():
    """What follows it is not linear, so no bias of the logits is left."""
    headed = Headed("gptj", "causal", {})
    model = headed.model()
    inner = model.module.lm_head
    model.module.lm_head = Capped(inner)
    assert own_head(model, headed.stream(model), torch.float64).bias is None


class Capped(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, states):
        return torch.tanh(self.inner(states))


def test_below_the_last_layer_the_final_norm_comes_first():
    """As the logit lens reads the stream; a head that is told not to reads it as it is."""
    headed = Headed("gpt2", "causal", {})
    model = headed.model()
    head = own_head(model, headed.stream(model), torch.float64)
    states = torch.randn(5, 24, dtype=torch.float64)
    normed = model.module.transformer.ln_f(states)
    due = HeadView(head, norm_due=True)
    torch.testing.assert_close(due.logits(states), model.module.lm_head(normed))
    torch.testing.assert_close(due.logits(states, final_norm=False), model.module.lm_head(states))
    torch.testing.assert_close(HeadView(head, norm_due=False).logits(states), model.module.lm_head(states))
    unknown = HeadView(head, norm_due=None)
    torch.testing.assert_close(unknown.logits(states, final_norm=False), model.module.lm_head(states))
    with pytest.raises(UsageError, match="final norm"):
        unknown.logits(states)


def test_a_model_without_a_head_is_refused():
    for family in ("bert", "gpt2", "marian"):
        with pytest.raises(ModelError, match="has no head"):
            own_head(random_model(family), None, torch.float64)


def test_a_head_that_reads_the_whole_sentence_is_refused():
    headed = Headed("modernbert", "sentence", {"classifier_pooling": "mean"})
    model = headed.model()
    with pytest.raises(SelfTestError, match="several tokens of a sentence"):
        own_head(model, headed.stream(model), torch.float64)


def test_a_head_that_needs_more_of_a_sentence_is_refused():
    headed = Headed("bart", "sentence", {})
    model = headed.model()
    with pytest.raises(ModelError, match="BartForSequenceClassification cannot be used"):
        own_head(model, headed.stream(model), torch.float64)


def test_without_a_description_the_head_reads_what_transformers_calls_the_last_state():
    """Of OPT-350m that is the projected one."""
    model = ODD[0].model()
    head = own_head(model, None, torch.float64)
    states = torch.randn(3, 16, dtype=torch.float64)
    torch.testing.assert_close(head.logits(states), model.module.lm_head(states))


def test_a_last_state_that_the_head_does_not_read_is_noticed():
    """The proof compares with the logits of the whole module; here another token's state is read in a sentence."""
    headed = Headed("gpt2", "causal", {})
    model = headed.model()
    model.module.lm_head.register_forward_pre_hook(lambda _module, args: (args[0].roll(1, dims=1),))
    with pytest.raises(SelfTestError, match="miss the module's own"):
        own_head(model, headed.stream(model), torch.float64)


def test_proving_a_head_leaves_the_model_as_it_was():
    headed = Headed("bert", "masked", {})
    model = headed.model()
    before = {name: weight.clone() for name, weight in model.module.state_dict().items()}
    head = own_head(model, headed.stream(model), torch.float64)
    row = token_rows(model)[0]
    states, logits = true_states_and_logits(model, row)
    head.logits(torch.randn_like(states))
    after = true_states_and_logits(model, row)
    torch.testing.assert_close((states, logits), after, rtol=0, atol=0)
    assert all(torch.equal(before[name], weight) for name, weight in model.module.state_dict().items())
    assert not model.base._forward_hooks
