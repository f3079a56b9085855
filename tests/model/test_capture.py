"""Capture: in step with the forward pass, one block deep, and nothing stays behind."""

import gc
import weakref

import pytest
import torch

from prosect.errors import SelfTestError
from prosect.model.capture import Needs, StreamTap
from prosect.model.forward import eager_attention, forward
from prosect.model.weights import submodule
from support.models import FAMILIES, description, random_model
from support.replays import feed_of, token_ids

STREAMS = [(family, stream) for family in FAMILIES for stream in FAMILIES[family].streams]


class Recorder:
    """Keeps what it is told in order; optionally fails at a block."""

    def __init__(self, fail_at=None):
        self.calls, self.fail_at, self.alive, self.captures = [], fail_at, [], []

    def embedded(self, raw, state):
        self.calls.append(("embedded", raw is not None, tuple(state.shape)))

    def block(self, capture):
        if capture.number == self.fail_at:
            raise ZeroDivisionError("made to fail")
        self.alive.append([reference() is not None for reference in self.captures])
        self.captures += [weakref.ref(tensor) for tensor in capture.attention.values()]
        self.calls.append(("block", capture.number, sorted(capture.outputs)))

    def finished(self, normed):
        self.calls.append(("finished", normed is not None))

    def projected(self, output):
        self.calls.append(("projected", tuple(output.shape)))


def hooks(module):
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in module.modules())


@pytest.mark.parametrize(("family", "stream"), STREAMS)
def test_a_listener_hears_embeddings_then_every_block_then_the_end(family, stream):
    model = random_model(family)
    recorder, found = Recorder(), description(model).stream(stream)
    with StreamTap(model.base, found, Needs(), recorder).attached():
        forward(model, feed_of(model, token_ids(model, (2, 5)), stream))
    kinds = [call[0] for call in recorder.calls]
    assert kinds == ["embedded", *["block"] * found.layers, "finished"]
    assert [call[1] for call in recorder.calls if call[0] == "block"] == list(range(1, found.layers + 1))
    assert recorder.calls[0][1] is (found.embedding_norm is not None)
    assert recorder.calls[-1][1] is (found.final_norm is not None)


@pytest.mark.parametrize("fail_at", [1, 3])
def test_hooks_are_removed_also_after_an_error(fail_at):
    model = random_model("bert")
    before = hooks(model.base)
    with (
        pytest.raises(ZeroDivisionError),
        eager_attention(model),
        StreamTap(model.base, description(model).streams[0], Needs(attention=True), Recorder(fail_at)).attached(),
    ):
        forward(model, feed_of(model, token_ids(model, (1, 4)), "main"))
    assert hooks(model.base) == before


def test_hooks_are_removed_where_a_path_does_not_exist():
    model, other = random_model("bert"), random_model("gpt2")
    before = hooks(model.base)
    tap = StreamTap(model.base, description(other).streams[0], Needs(), Recorder())
    with pytest.raises(SelfTestError, match=r"h\.0"), tap.attached():
        pass
    assert hooks(model.base) == before


def test_captured_tensors_of_a_block_are_gone_when_the_next_one_is_heard():
    """Attention weights, which nothing else holds, show it: memory is one block deep."""
    model = random_model("gpt2", n_layer=4)
    recorder = Recorder()
    gc.disable()
    try:
        with (
            eager_attention(model),
            StreamTap(model.base, description(model).streams[0], Needs(attention=True), recorder).attached(),
        ):
            forward(model, feed_of(model, token_ids(model, (1, 4)), "main"))
    finally:
        gc.enable()
    assert len(recorder.captures) == 4
    assert not any(alive for block in recorder.alive for alive in block)


def test_captured_attention_is_that_of_transformers():
    model = random_model("llama")
    found, weights = description(model).streams[0], []

    class Keep(Recorder):
        def block(self, capture):
            weights.extend(capture.attention.values())

    fed = feed_of(model, token_ids(model, (2, 6)), "main")
    with eager_attention(model):
        with StreamTap(model.base, found, Needs(attention=True), Keep()).attached():
            forward(model, fed)
        with torch.no_grad():
            expected = model.base(**fed.source, output_attentions=True, use_cache=False).attentions
    assert all(torch.equal(one, other) for one, other in zip(weights, expected, strict=True))


def test_the_attention_function_is_what_it_was_before_eager_was_asked_for():
    model = random_model("bert")
    before = model.base.config._attn_implementation
    seen = []

    def fail():
        with eager_attention(model):
            seen.append(model.base.config._attn_implementation)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert seen == ["eager"]
    assert model.base.config._attn_implementation == before == "sdpa"


def test_a_module_that_is_not_there_is_named():
    with pytest.raises(SelfTestError, match=r"encoder\.layer\.9"):
        submodule(random_model("bert").base, "encoder.layer.9")
