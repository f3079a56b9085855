"""Labels replayed a few at a time: the same numbers, in memory that does not grow with their number."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import prosect
from prosect.errors import ClosureError, UsageError
from prosect.model.capture import BlockCapture
from prosect.model.recording import Recording
from prosect.running import compute
from prosect.running.budget import COPIES, LEAST_LABELS, Budget, Cut, cuts
from support.memory import Watching
from support.models import random_model
from support.token_wise import STREAMS, small, work_of

LARGE = Budget.of(torch.device("cpu"))
MINUTE = replace(LARGE, terms=1)


@pytest.fixture
def budget(monkeypatch):
    """Set the budget of every run of a test."""

    def give(chosen):
        monkeypatch.setattr(Budget, "of", classmethod(lambda _cls, _device: chosen))

    return give


@pytest.fixture
def passes(monkeypatch):
    """Count forward passes."""
    seen = []

    def counted(model, feed, **how):
        seen.append(feed)
        return forward(model, feed, **how)

    forward = compute.forward
    monkeypatch.setattr(compute, "forward", counted)
    return seen


def rows(lengths, vocabulary=50, seed=0):
    generator = np.random.default_rng(seed)
    return [generator.integers(1, vocabulary, size=length).tolist() for length in lengths]


def decompose(shape, stream, lengths, **how):
    module, ids = small(shape).model.module, rows(lengths)
    fed = None if stream == "main" else rows(lengths[::-1] if stream == "cross" else lengths, seed=1)
    return prosect.decompose(module, None, ids, "token_wise", targets=fed, stream=stream, **how)


def assert_same(one, other, tolerance=1e-10):
    assert set(one.data_vars) == set(other.data_vars)
    for name, values in one.data_vars.items():
        np.testing.assert_allclose(other[name], values, rtol=0, atol=tolerance * max(1, np.nanmax(abs(values))))


REPEATED = [("post-norm", "main"), ("pre-norm, normed residual", "main"), ("encoder-decoder, post-norm", "decoder")]


@pytest.mark.parametrize(
    ("shape", "stream", "kept"), [(*which, LARGE.kept) for which in STREAMS] + [(*which, 0) for which in REPEATED]
)
def test_labels_a_few_at_a_time_give_what_all_at_once_give(shape, stream, kept, budget, passes):
    """From what one forward pass captured, or from one pass for each part where that does not fit."""
    lengths = (20, 9)
    budget(LARGE)
    whole = decompose(shape, stream, lengths, metrics=["norm", "importance"])
    assert len(passes) == 1
    passes.clear()
    budget(replace(MINUTE, kept=kept))
    parts = decompose(shape, stream, lengths, metrics=["norm", "importance"])
    assert len(passes) == (1 if kept else 3)
    assert_same(whole, parts, tolerance=small(shape).limit)
    assert parts.attrs["closure_max"] <= 10 * small(shape).limit


@pytest.mark.parametrize("source", ["token", "carried"])
@pytest.mark.parametrize("kept", [LARGE.kept, 0])
def test_source_tokens_a_few_at_a_time_give_what_all_at_once_give(source, kept, budget, passes):
    budget(LARGE)
    shape = "encoder-decoder, pre-norm, gated"
    whole = decompose(shape, "cross", (20, 9), source=source)
    passes.clear()
    budget(replace(MINUTE, kept=kept))
    assert_same(whole, decompose(shape, "cross", (20, 9), source=source), tolerance=small(shape).limit)
    assert len(passes) == (1 if kept else 3)


@pytest.mark.parametrize("options", [{"bias": "drop"}, {"value_bias": "token"}, {"embedding_norm": "inside"}])
def test_options_are_the_same_a_few_at_a_time(options, budget):
    budget(LARGE)
    whole = decompose("post-norm", "main", (20,), **options)
    budget(MINUTE)
    assert_same(whole, decompose("post-norm", "main", (20,), **options))


def test_analyses_that_share_a_forward_pass_need_not_have_as_many_labels(tmp_path, budget, passes):
    """Three replays of one, one of the others, none of that which needs no description."""
    budget(replace(MINUTE, kept=0))
    metrics = ["norm"]
    spec = {
        "prosect": 1,
        "models": {"m": {"dtype": "float64"}},
        "corpora": {"c": {"kind": "inline", "sentences": rows((20, 3))}},
        "analyses": {
            "tokens": {"corpus": "c", "decomposition": "token_wise", "metrics": metrics},
            "stream": {"corpus": "c", "decomposition": {"name": "token_wise", "group": "stream"}, "metrics": metrics},
            "maps": {"corpus": "c", "decomposition": "attention_maps"},
        },
    }
    loaded = random_model("gpt2").module
    tree = prosect.run(spec, tmp_path / "out.zarr", models={"m": (loaded, None)}, quiet=True)
    assert len(passes) == 3
    for name, options in (("tokens", {}), ("stream", {"group": "stream"})):
        budget(LARGE)
        alone = prosect.decompose(loaded, None, rows((20, 3)), "token_wise", metrics=metrics, terms=False, **options)
        assert_same(alone, tree[f"m/{name}"].to_dataset())
    assert np.isfinite(tree["m/maps"]["mixing_ratio"]).all()


@settings(max_examples=50, deadline=None)
@given(width=st.integers(1, 60), tokens=st.integers(1, 200), terms=st.integers(1, 10**6))
def test_the_cuts_cover_every_position_once_and_fit_the_budget(width, tokens, terms):
    work = replace(work_of("pre-norm", "main"), width=width)
    found = cuts(work, tokens, width, replace(LARGE, terms=terms), 8)
    assert [position for cut in found for position in range(cut.start, cut.stop)] == list(range(width))
    for cut in found:
        carried = cut.labels + 1 + (not cut.whole)
        assert carried <= LEAST_LABELS + 2 or carried * tokens * work.hidden * 8 <= terms


def test_labels_that_need_each_other_are_never_cut():
    for options in ({"bias": "share_abs_dot"}, {"group": "stream"}):
        work = replace(work_of("pre-norm", "main", **options), width=30)
        assert cuts(work, 30, 30, MINUTE, 8) == (Cut(0, 30, 30),)


def test_a_metric_that_compares_terms_sees_all_of_them():
    class Comparing:
        variables, per_term = (), False

    assert cuts(replace(work_of("pre-norm", "main", (Comparing(),)), width=30), 30, 30, MINUTE, 8) == (Cut(0, 30, 30),)


def test_terms_that_must_be_held_at_once_are_refused_with_the_number_where_they_do_not_fit(budget):
    needed = COPIES * 20 * 20 * 24 * 8
    budget(replace(LARGE, whole=needed))
    assert decompose("post-norm", "main", (20,), bias="share_abs_dot")
    budget(replace(LARGE, whole=needed - 1))
    with pytest.raises(UsageError, match=r"share_abs_dot.*20 terms.*20 tokens.*GiB.*window"):
        decompose("post-norm", "main", (20,), bias="share_abs_dot")
    assert decompose("post-norm", "main", (20,), bias="own")


def test_closure_is_proved_in_every_part(budget, monkeypatch):
    """What is lost from one part alone stops the run."""
    budget(MINUTE)

    def forgetful(work, own, source, cut, device):
        start = start_of(work, own, source, cut, device)
        return replace(start, slots=start.slots.masked_fill(start.slots == 1, -1)) if cut.start else start

    start_of = compute.start_of
    monkeypatch.setattr(compute, "start_of", forgetful)
    assert decompose("post-norm", "main", (LEAST_LABELS,))
    with pytest.raises(ClosureError, match="embeddings"):
        decompose("post-norm", "main", (20,))


def peak(tokens, **options):
    model = random_model("gpt2", n_embd=64, n_positions=200, n_layer=2)
    with Watching() as watching:
        prosect.decompose(model.module, None, rows((tokens,)), "token_wise", metrics=["norm"], **options)
    return watching.peak


@pytest.mark.slow
def test_memory_does_not_grow_with_the_square_of_the_sentence_times_the_width(budget):
    """Beside results and attention weights (pairs of tokens), what is held grows with the tokens alone."""
    budget(replace(LARGE, terms=2**20, kept=0))
    short, long = peak(40), peak(160)
    budget(LARGE)
    whole_short, whole_long = peak(40), peak(160)
    vectors, pairs = 160 * 160 * 64 * 8, 160 * 160 * 8
    # Pairs: weights of four heads, twice where they are cast, and two variables at three layers.
    assert long - short < vectors / 4 + 20 * pairs
    assert whole_long - whole_short > 4 * vectors


def test_a_recording_is_played_as_it_was_heard():
    heard, again = [], []

    class Ear:
        def __init__(self, notes):
            self.notes = notes

        def embedded(self, raw, state):
            self.notes.append(("embedded", raw, state))

        def block(self, capture):
            self.notes.append(("block", capture))

        def finished(self, normed):
            self.notes.append(("finished", normed))

        def projected(self, output):
            self.notes.append(("projected", output))

    recording, state = Recording(10**6), torch.zeros(2, 3)
    for listener in (recording, Ear(heard)):
        listener.embedded(None, state)
        listener.block(BlockCapture(1, inputs={"": state}, outputs={"": state + 1}))
        listener.finished(None)
        listener.projected(state)
    recording.play(Ear(again))
    assert [note[0] for note in again] == [note[0] for note in heard]
    assert again[1][1].number == 1
    assert recording.complete
    assert recording.bytes == 2 * state.numel() * 4


def test_a_recording_that_does_not_fit_keeps_nothing():
    recording, state = Recording(20), torch.zeros(2, 3)
    recording.embedded(None, state)
    recording.finished(state + 1)
    assert not recording.complete
    assert not recording._kept


def test_a_tensor_that_the_model_changes_later_makes_a_recording_useless():
    recording, state = Recording(10**6), torch.zeros(2, 3)
    recording.embedded(None, state)
    assert recording.complete
    state += 1
    assert not recording.complete
