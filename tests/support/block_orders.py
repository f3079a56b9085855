"""A small random model for every order of blocks, and everything a measure can ask of the terms of a replay."""

from functools import cache

import torch

from prosect.model.capture import StreamTap
from prosect.model.forward import eager_attention, forward
from prosect.model.load import wrap_module
from prosect.plugins.registry import implementation, load_registry
from prosect.terms.closure import ClosureGauge
from prosect.terms.replay import Replay, needs, stream_weights
from prosect.testing.models import small_module
from prosect_plugins.architectures import (
    bert,
    bloom,
    gemma2,
    gpt2,
    gpt_oss,
    gptj,
    llama,
    marian,
    mixtral,
    olmo2,
    opt,
    t5,
)
from support.replays import feed_of

BLOCKS = {
    "post-norm": bert.EXAMPLE,
    "pre-norm": gpt2.EXAMPLE,
    "grouped": llama.EXAMPLE,
    "parallel": gptj.EXAMPLE,
    "sandwich": gemma2.EXAMPLE,
    "normed addends": olmo2.EXAMPLE,
    "normed residual": {**bloom.EXAMPLE, "apply_residual_connection_post_layernorm": True},
    "sinks": gpt_oss.EXAMPLE,
    "experts": mixtral.EXAMPLE,
    "projected": {**opt.EXAMPLE, "do_layer_norm_before": False, "word_embed_proj_dim": 16},
}
CASES = [
    *((name, "main", "attention") for name in BLOCKS),
    *((name, *which) for name in ("marian", "t5") for which in (("encoder", "attention"), ("decoder", "attention"))),
    *((name, "decoder", "cross_attention") for name in ("marian", "t5")),
]
CONFIGS = {**BLOCKS, "marian": marian.EXAMPLE, "t5": t5.EXAMPLE}
# Norms in float32; or a softmax in float32, whose rows sum to 1 only to 1e-8.
LOOSE = ("grouped", "sandwich", "normed addends", "sinks", "experts", "t5", "normed residual", "projected")


@cache
def model(name):
    return wrap_module(small_module(CONFIGS[name], torch.float64), None)


def described(name, stream):
    config = model(name).config
    return implementation(load_registry().architecture_for(config["model_type"]))(config).stream(stream)


def replayed(name, stream_name, rules, ids, start, mask=None):
    """Terms of every layer, and the states that they sum to."""
    stream, found = described(name, stream_name), {}
    gauge = ClosureGauge(1e-5 if name in LOOSE else 1e-9)
    gauge.real = None if mask is None else mask.bool()
    replay = Replay(
        stream=stream,
        rules=rules,
        weights=stream_weights(model(name).base, stream, torch.float64),
        layers=range(stream.layers + 1),
        pick=lambda captured: captured.double(),
        gauge=gauge,
        start=start(stream),
        sink=lambda layer, terms, state: found.update({layer: (terms.copy(), state)}),
    )
    tap = StreamTap(model(name).base, stream, needs(rules, stream), replay)
    with eager_attention(model(name)), tap.attached():
        forward(model(name), feed_of(model(name), ids, stream_name, mask))
    gauge.settle()
    return found


def asked(terms, state):
    return {
        "norm": terms.norm(),
        "dot": terms.dot(state),
        "distance": terms.distance(state),
        "l1": terms.reduced(lambda t, y: (t - y).abs().sum(-1), state),
        "dense": terms.dense(),
        "sum": terms.sum(),
    }
