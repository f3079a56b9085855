"""Kit for an accumulator: what it gathers must not depend on how a corpus is cut, merged or saved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

from prosect.measures.accumulator import Setting
from prosect.measures.gathering import Accumulation, Arrays, Gathering
from prosect.model.capture import BlockCapture
from prosect.planning.model import Bound
from prosect.plugins.declarations import MetricDeclaration
from prosect.plugins.registry import load_registry
from prosect.terms.dense import DenseTerms
from prosect.terms.reading import Reading, TokenView
from prosect.terms.watched import SublayerView
from prosect.testing.corpus import LENGTHS, TOKENS, corpus
from prosect.testing.heads import small_head
from prosect.vocab.architecture import Attention, Block, Branch, FeedForward, Projection, Stage
from prosect.vocab.components import Component

HIDDEN = 6
LAYERS = (0, 2)
COMPONENTS = tuple(Component(f"part.{number}", "part", number) for number in (1, 2, 3))


class AccumulatorTests:
    """Checks of an accumulator, on random terms of a small corpus of ten sentences.

    Attributes
    ----------
    metric
        Its name, as a spec would write it.
    options
        Its options, as in a spec. The corpus has the coordinates of every corpus, and an annotation ``class``.
    tolerance
        How far results may differ where the corpus is cut otherwise: that of sums in another order.

    Examples
    --------
    >>> class TestDispersion(AccumulatorTests):
    ...     metric = "dispersion"
    """

    metric: ClassVar[str]
    options: ClassVar[Mapping[str, Any]] = {}
    tolerance: ClassVar[float] = 1e-9

    @pytest.fixture
    def declaration(self) -> MetricDeclaration:
        """Find the metric among the installed plugins."""
        return load_registry().find("metrics", self.metric)

    @pytest.fixture
    def accumulation(self, declaration: MetricDeclaration) -> Accumulation:
        """Load the implementation as a run does."""
        return loaded(declaration, self.options)

    @pytest.fixture
    def vectors(self) -> Tensor:
        """Random terms (layer, component, token, hidden)."""
        generator = torch.Generator().manual_seed(7)
        shape = len(LAYERS), len(COMPONENTS), TOKENS, HIDDEN
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    def test_it_is_an_accumulator(self, declaration: MetricDeclaration) -> None:
        """Only those are updated, merged and finalised."""
        assert declaration.form == "accumulator"

    def test_every_declared_variable_has_the_declared_axes(
        self, declaration: MetricDeclaration, accumulation: Accumulation, vectors: Tensor
    ) -> None:
        """Dimensions of its own are as long as the coordinate it gives them."""
        own = {dim: len(axis.values) for dim, axis in accumulation.axes().items()}
        lengths = {"component": len(COMPONENTS), "other_component": len(COMPONENTS), "hidden": HIDDEN, **own}
        found = gathered(accumulation, vectors).finalise()
        variables = declaration.variables(accumulation.metrics[0].options)
        assert {v.name: found[v.name].shape for v in variables} == {
            v.name: (len(LAYERS), *(lengths[dim] for dim in v.dims)) for v in variables
        }

    def test_the_footprint_is_what_it_holds(
        self, declaration: MetricDeclaration, accumulation: Accumulation, vectors: Tensor
    ) -> None:
        """The plan may not promise less than half of it, and says nothing where a size is not known."""
        if declaration.footprint is None:
            pytest.skip("declares no footprint")
        from prosect.plugins.declarations import Sizes

        options = accumulation.metrics[0].options
        sizes = Sizes(components=len(COMPONENTS), hidden=HIDDEN, tokens=TOKENS)
        planned = declaration.footprint(options, sizes).state.values()
        held = sum(t.numel() * t.element_size() for t in gathered(accumulation, vectors).state().values())
        known = [size for size in planned if size is not None]
        if len(known) == len(planned):
            assert held / len(LAYERS) <= 2 * sum(known) + 1024
        declaration.footprint(options, Sizes(components=None, hidden=None, tokens=None))

    def test_batches_do_not_matter(self, accumulation: Accumulation, vectors: Tensor) -> None:
        """One sentence after the other gives what all at once give."""
        whole = gathered(accumulation, vectors).finalise()
        assert_close(gathered(accumulation, vectors, batches=sentences()).finalise(), whole, self.tolerance)

    @pytest.mark.parametrize("cuts", [(20,), (3, 20, 24), (7, 8, 13)])
    def test_units_do_not_matter(self, accumulation: Accumulation, vectors: Tensor, cuts: tuple[int, ...]) -> None:
        """Merged in the order of the corpus, parts give what the whole gives, also where a sentence is cut in two."""
        total = accumulation.begin()
        for start, stop in zip((0, *cuts), (*cuts, TOKENS), strict=True):
            total.merge(gathered(accumulation, vectors, unit=(start, stop)).state())
        assert_close(total.finalise(), gathered(accumulation, vectors).finalise(), self.tolerance)

    def test_a_saved_state_is_restored_bit_for_bit(self, accumulation: Accumulation, vectors: Tensor) -> None:
        """So a run that was killed goes on as if nothing had happened."""
        before = gathered(accumulation, vectors, unit=(0, 20))
        after = accumulation.begin()
        after.merge({name: tensor.clone() for name, tensor in before.state().items()})
        assert_same_bits(before.state(), after.state())
        late = gathered(accumulation, vectors, unit=(20, TOKENS)).state()
        before.merge(late)
        after.merge(late)
        assert_same_bits(before.state(), after.state())
        assert all(a.tobytes() == after.finalise()[name].tobytes() for name, a in before.finalise().items())

    def test_nothing_gathered_is_no_state_that_disturbs(self, accumulation: Accumulation, vectors: Tensor) -> None:
        """A unit may have no token that counts."""
        found = gathered(accumulation, vectors)
        expected = found.finalise()
        found.merge(accumulation.begin().state())
        assert_close(found.finalise(), expected, 0.0)

    def test_merging_leaves_the_state_that_is_merged_alone(self, accumulation: Accumulation, vectors: Tensor) -> None:
        """It may be merged elsewhere, too."""
        one, other = gathered(accumulation, vectors, unit=(0, 20)), gathered(accumulation, vectors, unit=(20, TOKENS))
        before = {name: tensor.clone() for name, tensor in one.state().items()}
        total = accumulation.begin()
        total.merge(one.state())
        total.merge(other.state())
        assert_same_bits(before, one.state())

    def test_finalising_changes_nothing(self, accumulation: Accumulation, vectors: Tensor) -> None:
        """It can be done in the middle, and again."""
        found = gathered(accumulation, vectors)
        first, second = found.finalise(), found.finalise()
        assert all(values.tobytes() == second[name].tobytes() for name, values in first.items())

    def test_terms_are_left_as_they_are(self, accumulation: Accumulation, vectors: Tensor) -> None:
        """They belong to the replay, which goes on with them."""
        before = vectors.clone()
        gathered(accumulation, vectors)
        assert torch.equal(before, vectors)

    def test_an_empty_corpus_and_terms_of_zero_raise_nothing(self, accumulation: Accumulation, vectors: Tensor) -> None:
        """What is undefined is NaN, never infinite."""
        for found in (accumulation.begin(), gathered(accumulation, torch.zeros_like(vectors))):
            for values in found.finalise().values():
                assert values.dtype.kind != "f" or not np.isinf(values).any()

    def test_single_precision_is_close_to_double(self, accumulation: Accumulation, vectors: Tensor) -> None:
        """Terms come in float32 as a rule."""
        single = gathered(accumulation, vectors.float()).finalise()
        assert_close(single, gathered(accumulation, vectors).finalise(), 1e-4)


def loaded(declaration: MetricDeclaration, options: Mapping[str, Any]) -> Accumulation:
    """Load an accumulator for the small corpus."""
    setting = Setting(
        components=COMPONENTS,
        hidden=HIDDEN,
        layers=LAYERS,
        stream=corpus(),
        device=torch.device("cpu"),
        dtype=torch.float64,
    )
    bound = Bound(declaration, declaration.options.model_validate(options))
    found = Accumulation.load([bound], setting)
    assert found is not None
    return found


def gathered(
    accumulation: Accumulation,
    vectors: Tensor,
    unit: tuple[int, int] = (0, TOKENS),
    batches: Sequence[tuple[int, int]] = ((0, TOKENS),),
) -> Gathering:
    """Gather a unit in batches of whole sentences, of which it is shown its own tokens."""
    found, stream = accumulation.begin(), accumulation.setting.stream
    required = {part for metric in accumulation.metrics for part in metric.declaration.requires}
    head = small_head(HIDDEN, vectors.dtype) if "head" in required else None
    for start, stop in batches:
        index = torch.arange(max(start, unit[0]), min(stop, unit[1]))
        if len(index):
            for place, layer in enumerate(LAYERS):
                terms = DenseTerms(COMPONENTS, vectors[place][:, index])
                total, view = terms.sum(), TokenView(stream, index, unit)
                sublayers = small_block(total) if "sublayers" in required else None
                found.update(layer, Reading(terms, total, view, layer, head, sublayers=sublayers))
    return found


def small_block(states: Tensor) -> SublayerView:
    """Make a block with one sub-layer of each kind, which read the hidden state and write a function of it."""
    attention = Attention(
        kind="attention",
        path="attention",
        value=Projection(path="v"),
        output=Projection(path="o"),
        heads=1,
        kv_heads=1,
        head_dim=HIDDEN,
    )
    feed_forward = FeedForward(path="mlp", up=Projection(path="up"), down=Projection(path="down"), activation="gelu")
    stages = tuple(Stage(branches=(Branch(sublayer=one),)) for one in (attention, feed_forward))
    outputs = {
        "": states + states.relu(),
        attention.writes: states @ states.new_ones(HIDDEN, HIDDEN).triu(),
        feed_forward.writes: states.relu() + states.square(),
    }
    capture = BlockCapture(1, {"": states, attention.reads: states, feed_forward.reads: states}, outputs)
    return SublayerView(Block(path="", stages=stages), capture, lambda captured: captured)


def sentences() -> list[tuple[int, int]]:
    """Ranges of the sentences of the corpus, the longest first, as batches come."""
    ends = np.cumsum(LENGTHS).tolist()
    ranges = [(end - length, end) for end, length in zip(ends, LENGTHS, strict=True)]
    return sorted(ranges, key=lambda pair: pair[0] - pair[1])


def assert_same_bits(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> None:
    """Compare states; NaN equals NaN of the same bits."""
    assert set(one) == set(other)
    for name, tensor in one.items():
        assert tensor.dtype == other[name].dtype
        assert tensor.contiguous().numpy().tobytes() == other[name].contiguous().numpy().tobytes(), name


def assert_close(found: Arrays, expected: Arrays, tolerance: float) -> None:
    """Compare variables by name, relative and absolute; NaN equals NaN."""
    assert set(found) == set(expected)
    for name, values in found.items():
        if values.dtype.kind == "f":
            np.testing.assert_allclose(values, expected[name], rtol=tolerance, atol=tolerance, err_msg=name)
        else:
            np.testing.assert_array_equal(values, expected[name], err_msg=name)
