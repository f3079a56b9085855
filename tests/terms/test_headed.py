"""Logits taken apart, and tokens told apart by one backward pass."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prosect.api import Component
from prosect.errors import ModelError, RunError, UsageError
from prosect.model.head import Head, HeadView
from prosect.model.headtrace import Elementwise, Scale, Shift, chained
from prosect.model.tokens import TokenStream, Unit
from prosect.model.weights import Affine, NormWeights
from prosect.running.budget import Budget
from prosect.running.compute import UnitComputer
from prosect.terms.adjoint import AdjointTerms
from prosect.terms.dense import DenseTerms
from prosect.terms.headed import gradient, head_contributions
from prosect.terms.reading import Reading
from prosect.terms.shared import SharedTerms
from prosect.vocab.architecture import Norm
from support.models import DATA
from support.token_wise import PAIRED, STREAMS, batch_of, small, work_of

HIDDEN, OUTPUTS = 6, 5
seeds = st.integers(0, 2**16)


def drawn(seed, *shape):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def affine(seed, rows, columns, *, bias=True):
    return Affine(drawn(seed, rows, columns), drawn(seed + 1, columns) if bias else None)


def norm(seed, width):
    shape = Norm(path="head", kind="layer_norm", eps=1e-3)
    return NormWeights(shape, drawn(seed, width), drawn(seed + 1, width))


CHAINS = {
    "linear": (affine(0, HIDDEN, OUTPUTS, bias=False),),
    "affine": (affine(0, HIDDEN, OUTPUTS),),
    "final bias": (affine(0, HIDDEN, OUTPUTS), Shift(drawn(9, OUTPUTS))),
    "pooled": (affine(0, HIDDEN, 4), Elementwise(torch.tanh), affine(2, 4, OUTPUTS)),
    "transformed": (
        Scale(0.5),
        affine(0, HIDDEN, 4),
        Elementwise(torch.nn.functional.gelu),
        norm(4, 4),
        affine(2, 4, OUTPUTS),
    ),
    "capped": (affine(0, HIDDEN, OUTPUTS), Scale(0.5), Elementwise(torch.tanh), Scale(2.0)),
}


def head_of(steps, reads="token", outputs=OUTPUTS):
    return Head(
        family="test",
        stream="main",
        outputs=outputs,
        vocabulary=False,
        reads=reads,
        bias=None,
        call=None,
        norm=None,
        chain=steps,
    )


def reading_of(terms, steps, *, norm_due=False):
    return Reading(terms, terms.sum(), layer=1, head=HeadView(head_of(steps), norm_due))


def terms_of(seed, *, shared=False):
    labels = tuple(Component(str(k), "source") for k in range(4))
    terms = DenseTerms(labels, drawn(seed, 4, 2, 3, HIDDEN))
    own = torch.zeros(4, 2, 3, dtype=torch.bool)
    own[0] = True
    return SharedTerms(terms, own) if shared else terms


@settings(deadline=None)
@given(chain=st.sampled_from(sorted(CHAINS)), rule=st.sampled_from(("secant", "tangent")), seed=seeds)
def test_contributions_and_constants_sum_to_the_logits(chain, rule, seed):
    terms = terms_of(seed)
    outputs = torch.randint(OUTPUTS, (2, 3, 2), generator=torch.Generator().manual_seed(seed))
    found, constants = head_contributions(reading_of(terms, CHAINS[chain]), outputs, rule)
    logits = chained(CHAINS[chain], terms.sum()).gather(-1, outputs)
    torch.testing.assert_close(found.sum(0) + constants, logits)


@pytest.mark.parametrize("chain", ["linear", "affine", "final bias"])
def test_of_a_linear_head_they_are_products_with_its_rows(chain):
    terms, outputs = terms_of(0), torch.full((2, 3, 1), 3)
    found, constants = head_contributions(reading_of(terms, CHAINS[chain]), outputs, "secant")
    torch.testing.assert_close(found[..., 0], terms.dense() @ CHAINS[chain][0].weight[:, 3])
    expected = sum(getattr(step, "bias", None)[3] for step in CHAINS[chain] if step.bias is not None)
    torch.testing.assert_close(constants, torch.full_like(constants, expected))


@settings(deadline=None)
@given(chain=st.sampled_from(sorted(CHAINS)), seed=seeds)
def test_where_biases_are_shared_contributions_alone_sum_to_the_logits(chain, seed):
    terms = terms_of(seed, shared=True)
    outputs = torch.arange(OUTPUTS).expand(2, 3, OUTPUTS)
    found, constants = head_contributions(reading_of(terms, CHAINS[chain]), outputs, "secant")
    torch.testing.assert_close(found.sum(0), chained(CHAINS[chain], terms.sum()))
    assert (constants == 0).all()


def test_shares_of_a_final_bias_follow_the_absolute_products_of_all_logits():
    terms, steps = terms_of(0, shared=True), (affine(0, HIDDEN, OUTPUTS, bias=False), Shift(drawn(9, OUTPUTS)))
    found, _ = head_contributions(reading_of(terms, steps), torch.full((2, 3, 1), 2), "secant")
    parts = terms.dense() @ steps[0].weight
    products = (parts * steps[1].bias).sum(-1).abs()
    expected = parts[..., 2] + products / products.sum(0) * steps[1].bias[2]
    torch.testing.assert_close(found[..., 0], expected)


@settings(deadline=None)
@given(chain=st.sampled_from(sorted(CHAINS)), seed=seeds)
def test_the_gradient_is_that_of_automatic_differentiation_where_nothing_is_frozen(chain, seed):
    """By the tangent, and without a norm, whose deviation is held constant here."""
    if chain == "transformed":
        return
    states, outputs = drawn(seed, 3, HIDDEN).requires_grad_(), torch.tensor([[0], [4], [2]])
    logits, linear = gradient(CHAINS[chain], states.detach(), outputs, "tangent")
    own = chained(CHAINS[chain], states).gather(-1, outputs)
    (expected,) = torch.autograd.grad(own.sum(), states)
    torch.testing.assert_close(logits, own.detach())
    torch.testing.assert_close(linear[:, 0], expected)


def test_a_token_without_an_output_has_no_contributions():
    outputs = torch.full((2, 3, 1), -1)
    outputs[0, 1] = 2
    found, constants = head_contributions(reading_of(terms_of(0), CHAINS["affine"]), outputs, "secant")
    assert torch.isfinite(found[:, 0, 1]).all()
    assert int(torch.isfinite(found).sum()) == 4
    assert int(torch.isfinite(constants).sum()) == 1


def test_terms_before_the_final_norm_are_refused():
    with pytest.raises(UsageError, match=r"final norm.*layers: -1.*readout: final_norm"):
        head_contributions(
            reading_of(terms_of(0), CHAINS["affine"], norm_due=True), torch.zeros(2, 3, 1).long(), "secant"
        )


def test_a_head_without_a_chain_gives_its_reason():
    reading = reading_of(terms_of(0), "it reads two tokens")
    with pytest.raises(ModelError, match="two tokens"):
        head_contributions(reading, torch.zeros(2, 3, 1).long(), "secant")


class Logits:
    """A measure of nothing but logits: of one token of each sentence, every output."""

    variables, per_term = (), True

    def __init__(self, reads, read):
        self.reads, self.read, self.found, self.kinds = reads, read, {}, set()

    def __call__(self, reading, total):
        self.kinds.add(type(reading.terms))
        if not reading.head.norm_due:
            outputs = torch.full((*total.shape[:-1], OUTPUTS), -1)
            outputs[:, self.read] = torch.arange(OUTPUTS)
            self.found[reading.layer] = head_contributions(reading, outputs, "secant")
        return {}


def contributions(shape, stream, ids, reads, **options):
    """What tokens give to the logits of a random classifier, carried one by one or told apart backwards."""
    chosen, own = small(shape), batch_of(ids)
    measure = Logits(reads, 0)
    work = work_of(shape, stream, (measure,), **options)
    head = head_of((affine(0, work.hidden, 4), Elementwise(torch.tanh), affine(2, 4, OUTPUTS)), reads="first")
    work = replace(work, head=head, width=ids.shape[1], longest=ids.shape[1])
    pair = (own, own if stream in ("decoder", "cross") else None)
    tokens = TokenStream(ids=own.ids.ravel(), offsets=np.arange(len(ids) + 1) * ids.shape[1])
    unit = Unit(0, 0, tokens.tokens, 0, len(ids))
    UnitComputer(chosen.model, [work], [chosen.limit]).compute([pair], tokens, unit)
    return measure


@settings(max_examples=25, deadline=None)
@given(
    which=st.sampled_from([*STREAMS, *((shape, "cross") for shape in PAIRED)]),
    seed=seeds,
    size=st.tuples(st.integers(1, 2), st.integers(1, 5)),
    options=st.fixed_dictionaries(
        {
            "feed_forward": st.sampled_from(("tangent", "secant", "relu_mask")),
            "gated": st.sampled_from(("tangent", "path", "half", "frozen")),
            "bias": st.sampled_from(("own", "drop")),
            "value_bias": st.sampled_from(("bias", "first_block", "token")),
            "embedding_norm": st.sampled_from(("outside", "inside")),
            "readout": st.sampled_from(("hidden_states", "final_norm")),
        }
    ),
)
def test_one_backward_pass_gives_what_carrying_every_token_gives(which, seed, size, options):
    shape, stream = which
    ids = torch.randint(1, 50, size, generator=torch.Generator().manual_seed(seed))
    source = {"source": "token"} if stream == "cross" else {}
    forward = contributions(shape, stream, ids, "terms", **options, **source)
    backward = contributions(shape, stream, ids, "logits", **options, **source)
    assert forward.kinds == {DenseTerms}
    assert backward.kinds == {AdjointTerms}
    assert forward.found.keys() == backward.found.keys()
    assert forward.found
    for layer, (values, constants) in forward.found.items():
        scale = float(values.nan_to_num().abs().max())
        torch.testing.assert_close(backward.found[layer][0], values, rtol=0, atol=1e-10 * scale, equal_nan=True)
        torch.testing.assert_close(backward.found[layer][1], constants, rtol=1e-9, atol=1e-10, equal_nan=True)


def test_every_token_is_carried_where_a_backward_pass_would_hold_too_much(monkeypatch):
    monkeypatch.setattr(Budget, "of", classmethod(lambda _cls, _device: Budget(terms=2**26, kept=10, whole=2**30)))
    assert contributions("post-norm", "main", torch.tensor([[5, 6, 7]]), "logits").kinds == {DenseTerms}


def test_shared_biases_are_never_told_apart_backwards():
    found = contributions("post-norm", "main", torch.tensor([[5, 6, 7]]), "logits", bias="share_abs_dot")
    assert found.kinds == {SharedTerms}


def test_products_at_several_tokens_and_vectors_are_refused():
    class Asking(Logits):
        def __call__(self, reading, total):
            with pytest.raises(RunError, match="backward pass each"):
                reading.dot(total)
            for name in ("norm", "gram", "dense"):
                with pytest.raises(RunError, match="logits only"):
                    getattr(reading, name)()
            torch.testing.assert_close(reading.sum(), total)
            self.kinds.add("asked")
            return {}

    measure = Asking("logits", 0)
    ids = torch.tensor([[5, 6, 7]])
    work = replace(work_of("post-norm", "main", (measure,)), head=head_of((), reads="first"), width=3)
    tokens = TokenStream(ids=ids.numpy().ravel(), offsets=np.array([0, 3]))
    batch = batch_of(ids)
    UnitComputer(small("post-norm").model, [work], [1e-9]).compute([(batch, None)], tokens, Unit(0, 0, 3, 0, 1))
    assert measure.kinds == {"asked"}


@pytest.mark.parametrize(
    ("bias", "mode", "reads"),
    [
        ("drop", "nobias", "terms"),
        ("drop", "nobias", "logits"),
        ("own", "nobias", "logits"),
        ("share_abs_dot", "absdot", "terms"),
    ],
)
def test_parts_of_a_classifiers_logits_are_those_of_decompx(bias, mode, reads):
    """Token by token, through pooler and classifier; where biases are shared they sum to the authors' logits."""
    from transformers import AutoModelForSequenceClassification

    from prosect.model.head import own_head
    from prosect.model.load import wrap_module
    from prosect.running.work import StreamWork
    from prosect.vocab.rules import shown
    from prosect_plugins.architectures import bert
    from prosect_plugins.decompositions import TokenWiseOptions
    from prosect_plugins.decompositions.token_wise import rules as token_wise

    folder = DATA / "kobayashi" / "bert"
    model = wrap_module(AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float64), None)
    reference, inputs = np.load(folder / "decompx_global_f64.npz"), np.load(folder / "inputs.npz")
    stream = bert.describe(model.config).stream("main")
    rules = token_wise(TokenWiseOptions(bias=bias, feed_forward="secant", value_bias="first_block"), stream)

    class Classes(Logits):
        def __call__(self, reading, total):
            if reading.layer == 3:
                outputs = torch.full((1, 12, 2), -1)
                outputs[:, 0] = torch.arange(2)
                self.found[3] = head_contributions(reading, outputs, "secant")
            return {}

    measure = Classes(reads, 0)
    work = StreamWork(
        name="main",
        depth=3,
        stream=stream,
        rules=rules,
        labels=shown(stream, rules),
        layers=(0, 1, 2, 3),
        measures=(measure,),
        keep_terms=None,
        head=own_head(model, stream, torch.float64),
        width=12,
    )
    batch = replace(batch_of(torch.tensor(inputs["input_ids"])), type_ids=inputs["token_type_ids"])
    tokens = TokenStream(ids=inputs["input_ids"].ravel(), offsets=np.array([0, 12]))
    UnitComputer(model, [work], [1e-9]).compute([(batch, None)], tokens, Unit(0, 0, 12, 0, 1))
    found, constants = measure.found[3]
    expected = reference[f"dx_global_{mode}.classifier"]
    assert np.abs(found[:12, 0, 0].numpy() - expected).max() < 1e-8 * np.abs(expected).max()
    if bias != "drop":
        logits = (found[:, 0, 0].sum(0) + constants[0, 0]).numpy()
        np.testing.assert_allclose(logits, reference[f"dx_global_{mode}.logits"], rtol=1e-8)
