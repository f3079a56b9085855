"""Terms that are booked once, beside dense terms that are sent through every norm."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prosect.api import Rules
from prosect.errors import RunError
from prosect.terms.dense import DenseTerms
from prosect.terms.once import OnceStart, OnceTerms, booked_once
from prosect.terms.start import InputStart
from prosect_plugins.decompositions.sum_of_factors import by_head, by_kind, by_layer, by_sublayer
from support.block_orders import CASES, asked, described, replayed

BOOKINGS = {"head": by_head, "sublayer": by_sublayer}
STREAMS = sorted({(name, stream) for name, stream, _ in CASES})


def table(by, **changes):
    return Rules(book=BOOKINGS[by], heads=by == "head", **changes)


@settings(max_examples=30, deadline=None)
@given(
    which=st.sampled_from(STREAMS),
    by=st.sampled_from(tuple(BOOKINGS)),
    seed=st.integers(0, 2**16),
    shape=st.tuples(st.integers(1, 2), st.integers(1, 5)),
    changes=st.fixed_dictionaries(
        {
            "norm_mean": st.sampled_from(("bias", "own")),
            "embedding_norm": st.sampled_from(("inside", "outside")),
            "readout": st.sampled_from(("hidden_states", "residual", "final_norm")),
        }
    ),
)
def test_they_are_the_terms_of_the_general_engine(which, by, seed, shape, changes):
    rules = table(by, **changes)
    ids = torch.randint(3, 50, shape, generator=torch.Generator().manual_seed(seed))
    one = replayed(*which, rules, ids, lambda s: OnceStart(s, rules))
    other = replayed(*which, rules, ids, lambda s: InputStart(s, rules))
    assert one.keys() == other.keys()
    for layer, (terms, state) in one.items():
        assert isinstance(terms, OnceTerms)
        assert isinstance(other[layer][0], DenseTerms)
        assert terms.components == other[layer][0].components
        expected = {**asked(other[layer][0], state), "gram": other[layer][0].gram()}
        for what, values in {**asked(terms, state), "gram": terms.gram()}.items():
            tolerance = float(expected[what].abs().max()) * 1e-11
            torch.testing.assert_close(values, expected[what], rtol=0, atol=tolerance, msg=f"{layer} {what}")


def test_only_labels_of_one_place_are_booked_once():
    stream = described("pre-norm", "main")
    for book, number in ((by_head, 2 * 4 + 2), (by_sublayer, 4), (by_layer, 0), (by_kind, 0)):
        found = booked_once(stream, Rules(book=book, heads=book is by_head))
        assert len(found) == number
        assert all(component.block for component in found)
    assert booked_once(stream, Rules(book=by_head, heads=True, feed_forward="tangent")) == frozenset()


def test_norms_do_not_touch_what_was_booked():
    """All labels of a block keep the vectors they came with; only factors change."""
    rules, ids = table("head"), torch.tensor([[5, 9, 7, 3]])
    found = replayed("post-norm", "main", rules, ids, lambda s: OnceStart(s, rules))
    first, last = (found[layer][0].parts[0] for layer in (1, 2))
    assert first.vectors.data_ptr() == last.vectors.data_ptr()
    assert not torch.equal(first.dense(), last.dense())
    assert len(last.passed.steps) == 1


def test_what_mixes_terms_is_refused():
    rules = table("head")
    terms = OnceStart(described("post-norm", "main"), rules).terms(torch.zeros(2, 24, dtype=torch.float64))
    with pytest.raises(RunError, match="'attention' must be 'source'"):
        terms.attended(None, None, value_bias=False)
    with pytest.raises(RunError, match="'feed_forward' must be 'source'"):
        terms.fed_forward(None, None)
    with pytest.raises(RunError, match="'cross_attention' must be 'source'"):
        OnceStart(described("post-norm", "main"), rules).encoder(torch.zeros(1, 2, 24))
